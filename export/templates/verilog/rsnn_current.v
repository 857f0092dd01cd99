// The synaptic current of a step: the decayed current, and what arrives.
//
// acc       = (sum_below << e_below) + (sum_own << e_own)
// asked_syn = D(syn, decay_syn) + (acc << FRAC_BITS) + bias
// syn'      = syn(asked_syn)
`default_nettype none

module rsnn_current #(
    parameter X_BITS = 16,
    parameter SYN_BITS = 16,
    parameter SUM_BITS = 8,
    parameter SHIFT_BITS = 4,
    parameter ACC_BITS = 16,
    parameter FRAC_BITS = 6,
    parameter BIAS_BITS = 1,
    parameter SATURATE_SYN = 1
) (
    input wire signed [X_BITS-1:0] decayed,
    input wire signed [SUM_BITS-1:0] sum_below,
    input wire signed [SUM_BITS-1:0] sum_own,
    input wire [SHIFT_BITS-1:0] e_below,
    input wire [SHIFT_BITS-1:0] e_own,
    input wire signed [BIAS_BITS-1:0] bias,
    output wire signed [SYN_BITS-1:0] next_syn
);
    localparam SCALED_BITS = ACC_BITS + FRAC_BITS;
    localparam LARGER_BITS = X_BITS > SCALED_BITS ? X_BITS : SCALED_BITS;
    localparam ASKED_BITS = (LARGER_BITS > BIAS_BITS ? LARGER_BITS : BIAS_BITS) + 2;

    wire signed [ACC_BITS-1:0] below = {{(ACC_BITS - SUM_BITS) {sum_below[SUM_BITS-1]}}, sum_below};
    wire signed [ACC_BITS-1:0] own = {{(ACC_BITS - SUM_BITS) {sum_own[SUM_BITS-1]}}, sum_own};
    wire signed [ACC_BITS-1:0] acc = (below <<< e_below) + (own <<< e_own);

    wire signed [ASKED_BITS-1:0] kept =
        {{(ASKED_BITS - X_BITS) {decayed[X_BITS-1]}}, decayed};
    wire signed [ASKED_BITS-1:0] arrived =
        {{(ASKED_BITS - ACC_BITS) {acc[ACC_BITS-1]}}, acc} <<< FRAC_BITS;
    wire signed [ASKED_BITS-1:0] added = {{(ASKED_BITS - BIAS_BITS) {bias[BIAS_BITS-1]}}, bias};

    rsnn_fit #(
        .FROM_BITS(ASKED_BITS),
        .TO_BITS(SYN_BITS),
        .SATURATE(SATURATE_SYN)
    ) fit (
        .value(kept + arrived + added),
        .word(next_syn)
    );
endmodule

`default_nettype wire
