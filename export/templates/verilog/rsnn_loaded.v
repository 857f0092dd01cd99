// Words that are loaded byte by byte, the lowest first, before they are read: a memory that cannot
// be filled by a bitstream. A reset does not empty it.
`default_nettype none

module rsnn_loaded #(
    parameter WIDTH = 8,
    parameter DEPTH = 16,
    parameter ADDRESS_BITS = 4
) (
    input wire clk,
    input wire read,
    input wire [ADDRESS_BITS-1:0] read_address,
    output reg [WIDTH-1:0] read_word,
    input wire load_valid,
    input wire [7:0] load_byte,
    output reg loaded  // all words are there; further bytes are ignored
);
    localparam N_BYTES = (WIDTH + 7) / 8;
    localparam COUNT_BITS = $clog2(N_BYTES + 1);

    (* ram_style = "huge" *) reg [WIDTH-1:0] words [0:DEPTH-1];
    reg [ADDRESS_BITS-1:0] place;
    reg [COUNT_BITS-1:0] count;
    reg [8*N_BYTES-1:0] bytes;
    reg write;
    wire unused = &{1'b0, bytes};

    initial begin
        loaded = 1'b0;
        place = 0;
        count = 0;
        write = 1'b0;
    end

    wire [8*N_BYTES-1:0] after;
    generate
        if (N_BYTES > 1) begin : several
            assign after = {load_byte, bytes[8*N_BYTES-1:8]};
        end else begin : single
            assign after = load_byte;
        end
    endgenerate

    wire takes = load_valid && !loaded;
    wire is_last_byte = {{(32 - COUNT_BITS) {1'b0}}, count} == N_BYTES - 1;
    wire [ADDRESS_BITS-1:0] address = write ? place : read_address;
    always @(posedge clk) begin
        write <= takes && is_last_byte;
        if (takes) begin
            bytes <= after;
            count <= is_last_byte ? {COUNT_BITS{1'b0}} : count + 1'b1;
        end
        if (write) begin
            place <= place + 1'b1;
            if ({{(32 - ADDRESS_BITS) {1'b0}}, place} == DEPTH - 1) loaded <= 1'b1;
        end
        if (write || read) begin
            if (write) words[address] <= bytes[WIDTH-1:0];
            else read_word <= words[address];
        end
    end
endmodule

`default_nettype wire
