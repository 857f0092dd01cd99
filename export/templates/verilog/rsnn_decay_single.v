// D(x, decay) = x * decay / 2^DECAY_FRAC, rounded toward zero or down, by a multiplier.
`default_nettype none

module rsnn_decay_single #(
    parameter X_BITS = 16,
    parameter DECAY_BITS = 12,
    parameter DECAY_FRAC = 12,  // 2^DECAY_FRAC, the largest decay, is unity
    parameter ROUND_TO_ZERO = 1
) (
    input wire signed [X_BITS-1:0] x,
    input wire [DECAY_BITS-1:0] decay,
    output wire signed [X_BITS-1:0] decayed
);
    localparam WHOLE_BITS = X_BITS + DECAY_FRAC + 1;

    wire signed [WHOLE_BITS-1:0] wide = {{(WHOLE_BITS - X_BITS) {x[X_BITS-1]}}, x};
    wire signed [WHOLE_BITS-1:0] factor = {{(WHOLE_BITS - DECAY_BITS) {1'b0}}, decay};
    wire signed [WHOLE_BITS-1:0] product = wide * factor;
    wire signed [WHOLE_BITS-1:0] down = product >>> DECAY_FRAC;
    wire up = ROUND_TO_ZERO != 0 && product[WHOLE_BITS-1] && product[DECAY_FRAC-1:0] != 0;
    wire signed [X_BITS-1:0] one = {{(X_BITS - 1) {1'b0}}, up};

    wire unused = &{1'b0, down[WHOLE_BITS-1:X_BITS]};

    assign decayed = $signed(down[X_BITS-1:0]) + one;
endmodule

`default_nettype wire
