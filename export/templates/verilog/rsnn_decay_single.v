// x * decay by a multiplier. `rsnn_round.v` makes it D(x, decay), so that a register fits between.
`default_nettype none

module rsnn_decay_single #(
    parameter X_BITS = 16,
    parameter DECAY_BITS = 12,
    parameter DECAY_FRAC = 12  // 2^DECAY_FRAC, the largest decay, is unity
) (
    input wire signed [X_BITS-1:0] x,
    input wire [DECAY_BITS-1:0] decay,
    output wire signed [X_BITS+DECAY_FRAC-1:0] product
);
    localparam WHOLE_BITS = X_BITS + DECAY_FRAC;
    wire signed [WHOLE_BITS-1:0] wide = {{DECAY_FRAC{x[X_BITS-1]}}, x};
    wire signed [WHOLE_BITS-1:0] factor = {{(WHOLE_BITS - DECAY_BITS) {1'b0}}, decay};

    assign product = wide * factor;
endmodule

`default_nettype wire
