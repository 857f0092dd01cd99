// The synaptic current of a step: the decayed current, and what arrives.
//
// asked_syn = D(syn, decay_syn) + (acc << FRAC_BITS) + bias
// syn'      = syn(asked_syn)
`default_nettype none

module rsnn_current #(
    parameter X_BITS = 16,
    parameter SYN_BITS = 16,
    parameter ACC_BITS = 16,
    parameter FRAC_BITS = 6,
    parameter BIAS_BITS = 1,
    parameter SATURATE_SYN = 1
) (
    input wire signed [X_BITS-1:0] down,  // D is this, or 1 more
    input wire up,
    input wire signed [ACC_BITS-1:0] acc,
    input wire signed [BIAS_BITS-1:0] bias,
    output wire signed [SYN_BITS-1:0] next_syn
);
    localparam SCALED_BITS = ACC_BITS + FRAC_BITS;
    localparam LARGER_BITS = X_BITS > SCALED_BITS ? X_BITS : SCALED_BITS;
    localparam ASKED_BITS = (LARGER_BITS > BIAS_BITS ? LARGER_BITS : BIAS_BITS) + 2;

    wire signed [ASKED_BITS-1:0] kept = {{(ASKED_BITS - X_BITS) {down[X_BITS-1]}}, down};
    wire signed [ASKED_BITS-1:0] arrived =
        {{(ASKED_BITS - ACC_BITS) {acc[ACC_BITS-1]}}, acc} <<< FRAC_BITS;
    wire signed [ASKED_BITS:0] sum = {kept, 1'b1} + {arrived, up};  // the lowest bit is the carry
    wire signed [ASKED_BITS-1:0] added = {{(ASKED_BITS - BIAS_BITS) {bias[BIAS_BITS-1]}}, bias};
    wire unused = sum[0];

    rsnn_fit #(
        .FROM_BITS(ASKED_BITS),
        .TO_BITS(SYN_BITS),
        .SATURATE(SATURATE_SYN)
    ) fit (
        .value($signed(sum[ASKED_BITS:1]) + added),
        .word(next_syn)
    );
endmodule

`default_nettype wire
