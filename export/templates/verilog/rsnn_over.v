// Whether a membrane is over its threshold: what is left after it is subtracted is not negative, or,
// where equal does not count, is more than 0.
`default_nettype none

module rsnn_over #(
    parameter MEM_BITS = 16,
    parameter LEVEL_BITS = 16,
    parameter FIRES_AT_EQUAL = 0
) (
    input wire signed [MEM_BITS-1:0] mem,
    input wire signed [LEVEL_BITS-1:0] not_threshold,  // ~threshold, which is -threshold - 1
    output wire over
);
    localparam WIDE_BITS = (MEM_BITS > LEVEL_BITS ? MEM_BITS : LEVEL_BITS) + 1;
    localparam [0:0] EQUAL = FIRES_AT_EQUAL != 0;

    wire signed [WIDE_BITS-1:0] held = {{(WIDE_BITS - MEM_BITS) {mem[MEM_BITS-1]}}, mem};
    wire signed [WIDE_BITS-1:0] not_level =
        {{(WIDE_BITS - LEVEL_BITS) {not_threshold[LEVEL_BITS-1]}}, not_threshold};
    wire signed [WIDE_BITS:0] left = {held, 1'b1} + {not_level, EQUAL};
    wire unused = &{1'b0, left};
    assign over = !left[WIDE_BITS];
endmodule

`default_nettype wire
