// product / 2^DECAY_FRAC, rounded toward zero or down: `down`, and 1 more if `up`.
//
// Whoever adds something to it has a carry for `up`.
`default_nettype none

module rsnn_round #(
    parameter X_BITS = 16,
    parameter DECAY_FRAC = 12,
    parameter ROUND_TO_ZERO = 1
) (
    input wire signed [X_BITS+DECAY_FRAC-1:0] product,
    output wire signed [X_BITS-1:0] down,
    output wire up
);
    assign down = product[DECAY_FRAC+:X_BITS];
    assign up = ROUND_TO_ZERO != 0 && down[X_BITS-1] && product[DECAY_FRAC-1:0] != 0;
endmodule

`default_nettype wire
