// A sum shifted left by e, a bit per turn, while a decay takes its turns.
`default_nettype none

module rsnn_shift_serial #(
    parameter SUM_BITS = 8,
    parameter SHIFT_BITS = 4,
    parameter SHIFTS = 1,  // 0: e is 0, and the sum passes
    parameter ACC_BITS = 16,
    parameter TURN_BITS = 4
) (
    input wire clk,
    input wire turns,
    input wire [TURN_BITS-1:0] turn,  // the sum is taken in the first; e is less than their number
    input wire signed [SUM_BITS-1:0] sum,
    input wire [SHIFT_BITS-1:0] e,
    output wire signed [ACC_BITS-1:0] shifted
);
    wire signed [ACC_BITS-1:0] wide = {{(ACC_BITS - SUM_BITS) {sum[SUM_BITS-1]}}, sum};
    generate
        if (SHIFTS != 0) begin : shifting
            reg signed [ACC_BITS-1:0] kept;
            wire [31:0] now = {{(32 - TURN_BITS) {1'b0}}, turn};
            always @(posedge clk)
                if (turns && now <= {{(32 - SHIFT_BITS) {1'b0}}, e})
                    kept <= turn == 0 ? wide : kept <<< 1;
            assign shifted = kept;
        end else begin : passing
            wire unused = &{1'b0, clk, turns, turn, e};
            assign shifted = wide;
        end
    endgenerate
endmodule

`default_nettype wire
