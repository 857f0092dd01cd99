// The decoder: events in, the words of the readout out; one step after the other.
`default_nettype none

module rsnn_core #(
    // sizes
    parameter N_INPUTS = 8,
    parameter DATA_BITS = 8,  // of the stream of events; all ones stand for no channel
    parameter N_LAYERS = 2,
    parameter N_NEURONS = 2,  // of all layers
    parameter LANES = 1,  // neurons whose sums are gathered at the same time: 1, 2, 4, 8 or 16
    parameter MULTIPLIER = 1,
    parameter PACKED = 0,  // constants and states are in one memory
    parameter PIPELINED = 0,  // a neuron in every clock, by two multipliers
    parameter UNIQUE_INPUTS = 0,  // channels come in ascending order
    parameter ROWS_APART = 0,  // sums of the readout come from spikes, not from blocks
    parameter N_ROWS = 2,
    // layers in the order of computation, the lowest bits for the first
    parameter COUNT_BITS = 8,
    parameter [N_LAYERS*COUNT_BITS-1:0] NEURONS = 0,
    parameter WORD_ADDRESS_BITS = 4,  // of the memory of weights
    parameter BITMAP = 0,  // weights are stored without their zeros, as `rsnn_scatter.v` says
    parameter LOADED = 0,  // weights come by `load_byte`, not from a file
    parameter N_MAPS = 16,
    parameter MAP_BITS = 16,
    parameter MAP_INDEX_BITS = 4,
    parameter MAP_ADDRESS_BITS = 4,
    parameter [N_LAYERS*MAP_ADDRESS_BITS-1:0] BELOW_MAPS = 0,
    parameter [N_LAYERS*MAP_ADDRESS_BITS-1:0] OWN_MAPS = 0,
    parameter [N_LAYERS-1:0] RECURRENT = 0,
    parameter SUM_ADDRESS_BITS = 4,
    parameter [N_LAYERS*WORD_ADDRESS_BITS-1:0] N_BELOW = 0,
    parameter [N_LAYERS*WORD_ADDRESS_BITS-1:0] N_OWN = 0,  // 0: not recurrent
    parameter READOUT_LAYER = 0,
    // lists of events: of inputs, then of each hidden layer
    parameter LAYER_BITS = 1,
    parameter [N_LAYERS*LAYER_BITS-1:0] SOURCE_BELOW = 0,  // list by layer; its own is the next
    parameter POINTER_BITS = 8,
    parameter [N_LAYERS*POINTER_BITS-1:0] LIST_START = 0,  // by list
    parameter [N_LAYERS*POINTER_BITS-1:0] BELOW_START = 0,  // by layer
    parameter [N_LAYERS*POINTER_BITS-1:0] OWN_START = 0,
    parameter ID_BITS = 8,
    parameter INPUT_BITS = 3,
    parameter NEURON_BITS = 1,
    // words, as wide as worst cases of the network need
    parameter WEIGHT_BITS = 8,
    parameter N_WORDS = 16,
    parameter SUM_BITS = 12,
    parameter ACC_BITS = 16,
    parameter SYN_BITS = 16,
    parameter MEM_BITS = 16,
    parameter LEVEL_BITS = 16,
    parameter DECAY_BITS = 12,
    parameter BIAS_BITS = 0,  // 0: no biases
    parameter BELOW_SHIFT_BITS = 0,  // 0: no shifts
    parameter OWN_SHIFT_BITS = 0,
    parameter ROW_WEIGHT_BITS = 8,  // of a weight of the readout, where those are apart
    parameter ROW_SUM_BITS = 12,
    parameter CONSTANT_BITS = 40,
    parameter TURN_BITS = 1,
    parameter SHIFTS_IN_TURNS = 0,
    // the numeric contract
    parameter DECAY_FRAC = 12,
    parameter FRAC_BITS = 6,
    parameter ROUND_TO_ZERO = 1,
    parameter CURRENT_IS_NEW = 0,
    parameter FIRES_ON = 0,  // previous, new, reset membrane
    parameter FIRES_AT_EQUAL = 0,
    parameter RESET_SUBTRACTS = 0,
    parameter RESET_DROPS_INPUT = 1,
    parameter RESET_DELAY = 0,
    parameter DELAY_STEPS = 1,
    parameter SATURATE_SYN = 1,  // 0: the word wraps around, or cannot overflow
    parameter SATURATE_MEM = 1,
    // files
    parameter WEIGHTS = "",
    parameter CONSTANTS = "",
    parameter MAPS = ""
) (
    input wire clk,
    input wire rst,
    input wire load_valid,
    input wire [7:0] load_byte,
    output wire loaded,
    input wire in_valid,
    output wire in_ready,
    input wire [DATA_BITS-1:0] in_channel,
    input wire in_last,
    output wire out_valid,
    input wire out_ready,
    output wire signed [MEM_BITS-1:0] out_word,
    output wire out_last,
    output wire busy,
    output reg overrun,
    output wire error,
    output wire trace_valid,
    output wire [NEURON_BITS-1:0] trace_neuron,
    output wire trace_spk,
    output wire signed [SYN_BITS-1:0] trace_syn,
    output wire signed [MEM_BITS-1:0] trace_mem
);
    wire start, step_end, ready;
    wire [LAYER_BITS-1:0] list_layer;
    wire list_is_below, list_read;
    wire [POINTER_BITS-1:0] list_pointer, list_end;
    wire [ID_BITS-1:0] list_id;
    wire block_free, block_idle, block_hand;
    wire [LANES*SUM_BITS-1:0] block_below, block_own;
    wire spike;
    wire [LAYER_BITS-1:0] spike_layer;
    wire [ID_BITS-1:0] spike_id;

    reg computing;
    assign busy = computing || !ready;
    always @(posedge clk) begin
        if (rst) begin
            computing <= 1'b0;
            overrun <= 1'b0;
        end else begin
            if (start) computing <= 1'b1;
            else if (step_end) computing <= 1'b0;
            if (computing && in_valid && in_last) overrun <= 1'b1;
        end
    end

    rsnn_events #(
        .N_INPUTS(N_INPUTS),
        .UNIQUE_INPUTS(UNIQUE_INPUTS),
        .DATA_BITS(DATA_BITS),
        .N_LAYERS(N_LAYERS),
        .LAYER_BITS(LAYER_BITS),
        .ID_BITS(ID_BITS),
        .INPUT_BITS(INPUT_BITS),
        .POINTER_BITS(POINTER_BITS),
        .DELAY_STEPS(DELAY_STEPS),
        .SOURCE_BELOW(SOURCE_BELOW),
        .LIST_START(LIST_START)
    ) events (
        .clk(clk),
        .rst(rst),
        .busy(busy),
        .in_valid(in_valid),
        .in_ready(in_ready),
        .in_channel(in_channel),
        .in_last(in_last),
        .start(start),
        .error(error),
        .list_layer(list_layer),
        .list_is_below(list_is_below),
        .list_read(list_read),
        .list_pointer(list_pointer),
        .list_end(list_end),
        .list_id(list_id),
        .spike(spike),
        .spike_layer(spike_layer),
        .spike_id(spike_id),
        .step_end(step_end)
    );

    wire sums_ready, neurons_ready;
    assign ready = sums_ready && neurons_ready;
    assign loaded = sums_ready;
    generate
        if (BITMAP != 0) begin : weights_without_zeros
            wire unused = &{1'b0, load_valid, load_byte};
            rsnn_scatter #(
                    .WEIGHT_BITS(WEIGHT_BITS),
                .SUM_BITS(SUM_BITS),
                .N_LAYERS(N_LAYERS),
                .LAYER_BITS(LAYER_BITS),
                .COUNT_BITS(COUNT_BITS),
                .ID_BITS(ID_BITS),
                .POINTER_BITS(POINTER_BITS),
                .N_WORDS(N_WORDS),
                .WORD_ADDRESS_BITS(WORD_ADDRESS_BITS),
                .N_MAPS(N_MAPS),
                .MAP_ADDRESS_BITS(MAP_ADDRESS_BITS),
                .MAP_BITS(MAP_BITS),
                .MAP_INDEX_BITS(MAP_INDEX_BITS),
                .SUM_ADDRESS_BITS(SUM_ADDRESS_BITS),
                .DELAY_STEPS(DELAY_STEPS),
                .FIRST_LAYER(ROWS_APART),
                .NEURONS(NEURONS),
                .BELOW_MAPS(BELOW_MAPS),
                .OWN_MAPS(OWN_MAPS),
                .RECURRENT(RECURRENT),
                .BELOW_START(BELOW_START),
                .OWN_START(OWN_START),
                .WEIGHTS(WEIGHTS),
                .MAPS(MAPS)
            ) scatter (
                .clk(clk),
                .rst(rst),
                .ready(sums_ready),
                .start(start),
                .list_layer(list_layer),
                .list_is_below(list_is_below),
                .list_read(list_read),
                .list_pointer(list_pointer),
                .list_end(list_end),
                .list_id(list_id),
                .block_free(block_free),
                .block_idle(block_idle),
                .block_hand(block_hand),
                .block_below(block_below),
                .block_own(block_own)
            );
        end else begin : all_weights
            rsnn_gather #(
                .LANES(LANES),
                .WEIGHT_BITS(WEIGHT_BITS),
                .SUM_BITS(SUM_BITS),
                .N_LAYERS(N_LAYERS),
                .LAYER_BITS(LAYER_BITS),
                .COUNT_BITS(COUNT_BITS),
                .ID_BITS(ID_BITS),
                .POINTER_BITS(POINTER_BITS),
                .N_WORDS(N_WORDS),
                .WORD_ADDRESS_BITS(WORD_ADDRESS_BITS),
                .DELAY_STEPS(DELAY_STEPS),
                .FIRST_LAYER(ROWS_APART),
                .NEURONS(NEURONS),
                .N_BELOW(N_BELOW),
                .N_OWN(N_OWN),
                .BELOW_START(BELOW_START),
                .OWN_START(OWN_START),
                .LOADED(LOADED),
                .WEIGHTS(WEIGHTS)
            ) gather (
                .clk(clk),
                .rst(rst),
                .ready(sums_ready),
                .load_valid(load_valid),
                .load_byte(load_byte),
                .start(start),
                .list_layer(list_layer),
                .list_is_below(list_is_below),
                .list_read(list_read),
                .list_pointer(list_pointer),
                .list_end(list_end),
                .list_id(list_id),
                .block_free(block_free),
                .block_idle(block_idle),
                .block_hand(block_hand),
                .block_below(block_below),
                .block_own(block_own)
            );
        end
    endgenerate

    generate
        if (PIPELINED != 0) begin : pipelined
            rsnn_update_pipelined #(
                .LANES(LANES),
                .SUM_BITS(SUM_BITS),
                .N_LAYERS(N_LAYERS),
                .LAYER_BITS(LAYER_BITS),
                .N_NEURONS(N_NEURONS),
                .NEURON_BITS(NEURON_BITS),
                .COUNT_BITS(COUNT_BITS),
                .ID_BITS(ID_BITS),
                .NEURONS(NEURONS),
                .READOUT_LAYER(READOUT_LAYER),
                .ROWS_APART(ROWS_APART),
                .SYN_BITS(SYN_BITS),
                .MEM_BITS(MEM_BITS),
                .LEVEL_BITS(LEVEL_BITS),
                .DECAY_BITS(DECAY_BITS),
                .BIAS_BITS(BIAS_BITS),
                .BELOW_SHIFT_BITS(BELOW_SHIFT_BITS),
                .OWN_SHIFT_BITS(OWN_SHIFT_BITS),
                .ROW_WEIGHT_BITS(ROW_WEIGHT_BITS),
                .ROW_SUM_BITS(ROW_SUM_BITS),
                .N_ROWS(N_ROWS),
                .ACC_BITS(ACC_BITS),
                .CONSTANT_BITS(CONSTANT_BITS),
                .DECAY_FRAC(DECAY_FRAC),
                .FRAC_BITS(FRAC_BITS),
                .ROUND_TO_ZERO(ROUND_TO_ZERO),
                .CURRENT_IS_NEW(CURRENT_IS_NEW),
                .FIRES_ON(FIRES_ON),
                .FIRES_AT_EQUAL(FIRES_AT_EQUAL),
                .RESET_SUBTRACTS(RESET_SUBTRACTS),
                .RESET_DROPS_INPUT(RESET_DROPS_INPUT),
                .RESET_DELAY(RESET_DELAY),
                .SATURATE_SYN(SATURATE_SYN),
                .SATURATE_MEM(SATURATE_MEM),
                .CONSTANTS(CONSTANTS)
            ) update (
                .clk(clk),
                .rst(rst),
                .ready(neurons_ready),
                .computing(computing),
                .block_hand(block_hand),
                .block_free(block_free),
                .block_idle(block_idle),
                .block_below(block_below),
                .block_own(block_own),
                .spike(spike),
                .spike_layer(spike_layer),
                .spike_id(spike_id),
                .step_end(step_end),
                .out_valid(out_valid),
                .out_ready(out_ready),
                .out_word(out_word),
                .out_last(out_last),
                .trace_valid(trace_valid),
                .trace_neuron(trace_neuron),
                .trace_spk(trace_spk),
                .trace_syn(trace_syn),
                .trace_mem(trace_mem)
            );
        end else begin : sequential
            rsnn_update #(
                .LANES(LANES),
                .SUM_BITS(SUM_BITS),
                .N_LAYERS(N_LAYERS),
                .LAYER_BITS(LAYER_BITS),
                .N_NEURONS(N_NEURONS),
                .NEURON_BITS(NEURON_BITS),
                .COUNT_BITS(COUNT_BITS),
                .ID_BITS(ID_BITS),
                .NEURONS(NEURONS),
                .READOUT_LAYER(READOUT_LAYER),
                .ROWS_APART(ROWS_APART),
                .PACKED(PACKED),
                .MULTIPLIER(MULTIPLIER),
                .TURN_BITS(TURN_BITS),
                .SHIFTS_IN_TURNS(SHIFTS_IN_TURNS),
                .SYN_BITS(SYN_BITS),
                .MEM_BITS(MEM_BITS),
                .LEVEL_BITS(LEVEL_BITS),
                .DECAY_BITS(DECAY_BITS),
                .BIAS_BITS(BIAS_BITS),
                .BELOW_SHIFT_BITS(BELOW_SHIFT_BITS),
                .OWN_SHIFT_BITS(OWN_SHIFT_BITS),
                .ROW_WEIGHT_BITS(ROW_WEIGHT_BITS),
                .ROW_SUM_BITS(ROW_SUM_BITS),
                .N_ROWS(N_ROWS),
                .ACC_BITS(ACC_BITS),
                .CONSTANT_BITS(CONSTANT_BITS),
                .DECAY_FRAC(DECAY_FRAC),
                .FRAC_BITS(FRAC_BITS),
                .ROUND_TO_ZERO(ROUND_TO_ZERO),
                .CURRENT_IS_NEW(CURRENT_IS_NEW),
                .FIRES_ON(FIRES_ON),
                .FIRES_AT_EQUAL(FIRES_AT_EQUAL),
                .RESET_SUBTRACTS(RESET_SUBTRACTS),
                .RESET_DROPS_INPUT(RESET_DROPS_INPUT),
                .RESET_DELAY(RESET_DELAY),
                .SATURATE_SYN(SATURATE_SYN),
                .SATURATE_MEM(SATURATE_MEM),
                .CONSTANTS(CONSTANTS)
            ) update (
                .clk(clk),
                .rst(rst),
                .ready(neurons_ready),
                .computing(computing),
                .block_hand(block_hand),
                .block_free(block_free),
                .block_idle(block_idle),
                .block_below(block_below),
                .block_own(block_own),
                .spike(spike),
                .spike_layer(spike_layer),
                .spike_id(spike_id),
                .step_end(step_end),
                .out_valid(out_valid),
                .out_ready(out_ready),
                .out_word(out_word),
                .out_last(out_last),
                .trace_valid(trace_valid),
                .trace_neuron(trace_neuron),
                .trace_spk(trace_spk),
                .trace_syn(trace_syn),
                .trace_mem(trace_mem)
            );
        end
    endgenerate
endmodule

`default_nettype wire
