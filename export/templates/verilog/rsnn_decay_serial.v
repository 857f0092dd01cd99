// D(x, decay) = x * decay / 2^DECAY_FRAC, rounded toward zero or down, without a multiplier.
//
// One of DECAY_FRAC turns, from the lowest bit of the decay up: each adds x or nothing, and halves.
// A carry of 1 for a negative x rounds every half up, and so the whole toward zero.
`default_nettype none

module rsnn_decay_serial #(
    parameter X_BITS = 16,
    parameter DECAY_BITS = 12,
    parameter DECAY_FRAC = 12,  // 2^DECAY_FRAC, the largest decay, is unity
    parameter TURN_BITS = 4,
    parameter ROUND_TO_ZERO = 1
) (
    input wire [TURN_BITS-1:0] turn,  // 0 .. DECAY_FRAC - 1
    input wire signed [X_BITS-1:0] left,  // by the turn before; 0 in the first
    input wire signed [X_BITS-1:0] x,
    input wire [DECAY_BITS-1:0] decay,
    output wire signed [X_BITS-1:0] decayed
);
    wire [DECAY_FRAC-1:0] part;  // of the decay, below unity
    wire is_unity;
    generate
        if (DECAY_BITS > DECAY_FRAC) begin : whole
            assign part = decay[DECAY_FRAC-1:0];
            assign is_unity = decay[DECAY_FRAC];
        end else begin : extended
            assign part = {{(DECAY_FRAC - DECAY_BITS) {1'b0}}, decay};
            assign is_unity = 1'b0;
        end
    endgenerate

    wire signed [X_BITS-1:0] term = part[turn] ? x : {X_BITS{1'b0}};
    wire up = ROUND_TO_ZERO != 0 && x[X_BITS-1];
    // the lowest bit is the carry
    wire signed [X_BITS+1:0] sum = {left[X_BITS-1], left, 1'b1} + {term[X_BITS-1], term, up};
    wire unused = &{1'b0, sum[1:0]};

    assign decayed = is_unity ? x : sum[X_BITS+1:2];
endmodule

`default_nettype wire
