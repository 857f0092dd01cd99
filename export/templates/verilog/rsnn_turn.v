// The neuron whose turn it is, and its sums: those of a block, or, where the readout is apart, of a
// row.
`default_nettype none

module rsnn_turn #(
    parameter LANES = 1,
    parameter SUM_BITS = 12,
    parameter N_LAYERS = 2,
    parameter LAYER_BITS = 1,
    parameter N_NEURONS = 2,
    parameter NEURON_BITS = 1,
    parameter COUNT_BITS = 8,
    parameter ID_BITS = 8,
    parameter [N_LAYERS*COUNT_BITS-1:0] NEURONS = 0,
    parameter READOUT_LAYER = 0,
    parameter ROWS_APART = 0,
    parameter N_ROWS = 2,
    parameter ROW_WEIGHT_BITS = 8,
    parameter ROW_SUM_BITS = 12,
    parameter ANY_ROW_BITS = 1
) (
    input wire clk,
    input wire rst,
    input wire computing,
    input wire advance,
    // a block of sums
    input wire block_hand,
    output wire block_free,
    output wire block_valid,
    input wire [LANES*SUM_BITS-1:0] block_below,
    input wire [LANES*SUM_BITS-1:0] block_own,
    // spikes, each with its neuron's weights
    input wire spike,
    input wire [ANY_ROW_BITS-1:0] row_weights,
    // the neuron
    output wire available,  // its sums are there
    output wire [NEURON_BITS-1:0] neuron,
    output wire [NEURON_BITS-1:0] neuron_next,
    output wire [LAYER_BITS-1:0] layer,
    output wire [ID_BITS-1:0] id,
    output wire is_row,
    output wire is_last,
    output wire is_last_of_layer,
    output wire signed [SUM_BITS-1:0] sum_below,
    output wire signed [SUM_BITS-1:0] sum_own
);
    wire row_apart;
    wire signed [SUM_BITS-1:0] lane_below, lane_own;

    rsnn_walk #(
        .N_LAYERS(N_LAYERS),
        .LAYER_BITS(LAYER_BITS),
        .N_NEURONS(N_NEURONS),
        .NEURON_BITS(NEURON_BITS),
        .COUNT_BITS(COUNT_BITS),
        .ID_BITS(ID_BITS),
        .NEURONS(NEURONS),
        .READOUT_LAYER(READOUT_LAYER)
    ) walk (
        .clk(clk),
        .rst(rst),
        .advance(advance),
        .neuron(neuron),
        .neuron_next(neuron_next),
        .layer(layer),
        .id(id),
        .is_row(is_row),
        .is_last(is_last),
        .is_last_of_layer(is_last_of_layer)
    );

    rsnn_block #(
        .LANES(LANES),
        .SUM_BITS(SUM_BITS)
    ) block (
        .clk(clk),
        .rst(rst),
        .hand(block_hand),
        .hand_below(block_below),
        .hand_own(block_own),
        .take(advance && !row_apart),
        .is_last_of_layer(is_last_of_layer),
        .valid(block_valid),
        .free(block_free),
        .sum_below(lane_below),
        .sum_own(lane_own)
    );

    generate
        if (ROWS_APART != 0) begin : rows_apart
            wire signed [ROW_SUM_BITS-1:0] row_sum;
            rsnn_rows #(
                .N_ROWS(N_ROWS),
                .WEIGHT_BITS(ROW_WEIGHT_BITS),
                .SUM_BITS(ROW_SUM_BITS),
                .ID_BITS(ID_BITS)
            ) rows (
                .clk(clk),
                .spike(spike),
                .weights(row_weights),
                .clear(advance && is_row && is_last_of_layer),
                .row(id),
                .sum(row_sum)
            );
            assign row_apart = is_row;
            assign sum_below =
                is_row ? {{(SUM_BITS - ROW_SUM_BITS) {row_sum[ROW_SUM_BITS-1]}}, row_sum}
                : lane_below;
            assign sum_own = is_row ? {SUM_BITS{1'b0}} : lane_own;
        end else begin : rows_in_blocks
            wire unused = &{1'b0, spike, row_weights};
            assign row_apart = 1'b0;
            assign sum_below = lane_below;
            assign sum_own = lane_own;
        end
    endgenerate
    assign available = row_apart ? computing : block_valid;
endmodule

`default_nettype wire
