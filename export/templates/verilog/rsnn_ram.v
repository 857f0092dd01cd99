// One port that writes, one that reads a clock later; what is read while it is written is the old.
`default_nettype none

module rsnn_ram #(
    parameter WIDTH = 8,
    parameter DEPTH = 16,
    parameter ADDRESS_BITS = 4,
    parameter FILLED = 0,  // 1: a file has its first words, else they are 0
    parameter FILE = ""
) (
    input wire clk,
    input wire read,
    input wire [ADDRESS_BITS-1:0] read_address,
    output reg [WIDTH-1:0] read_word,
    input wire write,
    input wire [ADDRESS_BITS-1:0] write_address,
    input wire [WIDTH-1:0] write_word
);
    (* ram_style = "block", no_rw_check *) reg [WIDTH-1:0] words [0:DEPTH-1];

    generate
        if (FILLED != 0) begin : filled
            initial $readmemh(FILE, words);
        end else begin : empty
            integer i;
            initial for (i = 0; i < DEPTH; i = i + 1) words[i] = {WIDTH{1'b0}};
        end
    endgenerate

    always @(posedge clk) begin
        if (write) words[write_address] <= write_word;
        if (read) read_word <= words[read_address];
    end
endmodule

`default_nettype wire
