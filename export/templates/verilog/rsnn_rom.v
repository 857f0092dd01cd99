// Words of a hexadecimal file, read a clock after their address.
`default_nettype none

module rsnn_rom #(
    parameter WIDTH = 8,
    parameter DEPTH = 16,
    parameter ADDRESS_BITS = 4,
    parameter FILE = ""
) (
    input wire clk,
    input wire read,
    input wire [ADDRESS_BITS-1:0] read_address,
    output reg [WIDTH-1:0] read_word
);
    (* ram_style = "block" *) reg [WIDTH-1:0] words [0:DEPTH-1];

    initial $readmemh(FILE, words);

    always @(posedge clk) if (read) read_word <= words[read_address];
endmodule

`default_nettype wire
