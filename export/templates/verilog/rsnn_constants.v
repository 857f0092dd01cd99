// The constants of a neuron, which are side by side in a word.
`default_nettype none

module rsnn_constants #(
    parameter MEM_BITS = 16,
    parameter LEVEL_BITS = 16,
    parameter DECAY_BITS = 12,
    parameter BIAS_BITS = 0,  // 0: no biases
    parameter BELOW_SHIFT_BITS = 0,  // 0: no shifts of sums from below
    parameter OWN_SHIFT_BITS = 0,
    parameter ROW_BITS = 0,  // of all weights of the readout that a neuron has; 0: they are not here
    parameter CONSTANT_BITS = 40,
    parameter ANY_BIAS_BITS = 1,  // the same, at least 1
    parameter ANY_BELOW_BITS = 1,
    parameter ANY_OWN_BITS = 1,
    parameter ANY_ROW_BITS = 1
) (
    input wire [CONSTANT_BITS-1:0] word,
    output wire signed [LEVEL_BITS-1:0] level,  // ~threshold, or a row's first output
    output wire signed [MEM_BITS-1:0] first_out,  // the latter, in a membrane's word
    output wire [DECAY_BITS-1:0] decay_syn,
    output wire [DECAY_BITS-1:0] decay_mem,
    output wire signed [ANY_BIAS_BITS-1:0] bias,
    output wire [ANY_BELOW_BITS-1:0] e_below,
    output wire [ANY_OWN_BITS-1:0] e_own,
    output wire [ANY_ROW_BITS-1:0] row_weights
);
    localparam BIAS_AT = LEVEL_BITS + 2 * DECAY_BITS;
    localparam BELOW_AT = BIAS_AT + BIAS_BITS;
    localparam OWN_AT = BELOW_AT + BELOW_SHIFT_BITS;
    localparam ROW_AT = OWN_AT + OWN_SHIFT_BITS;

    assign level = word[0+:LEVEL_BITS];
    assign decay_syn = word[LEVEL_BITS+:DECAY_BITS];
    assign decay_mem = word[LEVEL_BITS+DECAY_BITS+:DECAY_BITS];
    generate
        if (LEVEL_BITS < MEM_BITS) begin : longer
            assign first_out = {{(MEM_BITS - LEVEL_BITS) {level[LEVEL_BITS-1]}}, level};
        end else begin : as_long
            assign first_out = level[MEM_BITS-1:0];
        end
        if (BIAS_BITS > 0) begin : biases
            assign bias = word[BIAS_AT+:BIAS_BITS];
        end else begin : no_biases
            assign bias = 1'b0;
        end
        if (BELOW_SHIFT_BITS > 0) begin : shifts
            assign e_below = word[BELOW_AT+:BELOW_SHIFT_BITS];
        end else begin : no_shifts
            assign e_below = 1'b0;
        end
        if (OWN_SHIFT_BITS > 0) begin : own_shifts
            assign e_own = word[OWN_AT+:OWN_SHIFT_BITS];
        end else begin : no_own_shifts
            assign e_own = 1'b0;
        end
        if (ROW_BITS > 0) begin : rows
            assign row_weights = word[ROW_AT+:ROW_BITS];
        end else begin : no_rows
            assign row_weights = 1'b0;
        end
    endgenerate
endmodule

`default_nettype wire
