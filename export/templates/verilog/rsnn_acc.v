// What arrives at a neuron: acc = (sum_below << e_below) + (sum_own << e_own)
`default_nettype none

module rsnn_acc #(
    parameter SUM_BITS = 8,
    parameter BELOW_SHIFT_BITS = 4,
    parameter OWN_SHIFT_BITS = 4,
    parameter ACC_BITS = 16
) (
    input wire signed [SUM_BITS-1:0] sum_below,
    input wire signed [SUM_BITS-1:0] sum_own,
    input wire [BELOW_SHIFT_BITS-1:0] e_below,
    input wire [OWN_SHIFT_BITS-1:0] e_own,
    output wire signed [ACC_BITS-1:0] acc
);
    wire signed [ACC_BITS-1:0] below = {{(ACC_BITS - SUM_BITS) {sum_below[SUM_BITS-1]}}, sum_below};
    wire signed [ACC_BITS-1:0] own = {{(ACC_BITS - SUM_BITS) {sum_own[SUM_BITS-1]}}, sum_own};
    assign acc = (below <<< e_below) + (own <<< e_own);
endmodule

`default_nettype wire
