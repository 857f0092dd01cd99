// A neuron in every clock, in three stages: its words are read, multiplied by its decays, and the
// new ones are written.
//
// ISSUE: a neuron whose sums are there is read. SCALE: both products, and the shifted sums. WRITE:
// current, membrane and spike. After a reset all neurons pass once, and get their first values.
// All stages wait where an output is not taken.
`default_nettype none

module rsnn_update_pipelined #(
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
    parameter ROWS_APART = 0,  // sums of the readout come from spikes, not from blocks
    parameter SYN_BITS = 16,
    parameter MEM_BITS = 16,
    parameter LEVEL_BITS = 16,
    parameter DECAY_BITS = 12,
    parameter BIAS_BITS = 0,  // 0: no biases
    parameter BELOW_SHIFT_BITS = 0,  // 0: no shifts
    parameter OWN_SHIFT_BITS = 0,
    parameter ROW_WEIGHT_BITS = 8,
    parameter ROW_SUM_BITS = 12,
    parameter N_ROWS = 2,
    parameter ACC_BITS = 16,
    parameter CONSTANT_BITS = 40,
    parameter DECAY_FRAC = 12,
    parameter FRAC_BITS = 6,
    parameter ROUND_TO_ZERO = 1,
    parameter CURRENT_IS_NEW = 0,
    parameter FIRES_ON = 0,
    parameter FIRES_AT_EQUAL = 0,
    parameter RESET_SUBTRACTS = 0,
    parameter RESET_DROPS_INPUT = 1,
    parameter RESET_DELAY = 0,
    parameter SATURATE_SYN = 1,
    parameter SATURATE_MEM = 1,
    parameter CONSTANTS = ""
) (
    input wire clk,
    input wire rst,
    output wire ready,  // the states have their first values
    input wire computing,  // a step
    // a block of sums
    input wire block_hand,
    output wire block_free,
    output wire block_idle,
    input wire [LANES*SUM_BITS-1:0] block_below,
    input wire [LANES*SUM_BITS-1:0] block_own,
    // spikes
    output wire spike,
    output wire [LAYER_BITS-1:0] spike_layer,
    output wire [ID_BITS-1:0] spike_id,
    output wire step_end,
    // outputs
    output reg out_valid,
    input wire out_ready,
    output reg signed [MEM_BITS-1:0] out_word,
    output reg out_last,
    // every state word as it is written
    output wire trace_valid,
    output wire [NEURON_BITS-1:0] trace_neuron,
    output wire trace_spk,
    output wire signed [SYN_BITS-1:0] trace_syn,
    output wire signed [MEM_BITS-1:0] trace_mem
);
    localparam STATE_BITS = SYN_BITS + MEM_BITS;
    localparam SYN_PRODUCT_BITS = SYN_BITS + DECAY_FRAC;
    localparam MEM_PRODUCT_BITS = MEM_BITS + DECAY_FRAC;
    localparam ROW_BITS = ROWS_APART != 0 ? N_ROWS * ROW_WEIGHT_BITS : 0;
    localparam ANY_BIAS_BITS = BIAS_BITS > 0 ? BIAS_BITS : 1;
    localparam ANY_BELOW_BITS = BELOW_SHIFT_BITS > 0 ? BELOW_SHIFT_BITS : 1;
    localparam ANY_OWN_BITS = OWN_SHIFT_BITS > 0 ? OWN_SHIFT_BITS : 1;
    localparam ANY_ROW_BITS = ROW_BITS > 0 ? ROW_BITS : 1;

    wire stalls, go;
    wire drains;  // all neurons of the step have been issued
    reg filling;
    reg scale_valid, scale_fill, write_valid;
    assign ready = !filling && !scale_fill;

    // ISSUE
    wire [NEURON_BITS-1:0] neuron, neuron_next;
    wire [LAYER_BITS-1:0] layer;
    wire [ID_BITS-1:0] id;
    wire is_row, is_last, is_last_of_layer;
    wire available, block_valid;
    wire signed [SUM_BITS-1:0] sum_below, sum_own;
    wire issue = go && (filling || available);
    wire unused = &{1'b0, neuron_next};
    assign go = !stalls;
    assign block_idle = !block_valid && !scale_valid;  // a spike is in its list in time

    reg [ANY_ROW_BITS-1:0] write_row_weights;
    rsnn_turn #(
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
        .N_ROWS(N_ROWS),
        .ROW_WEIGHT_BITS(ROW_WEIGHT_BITS),
        .ROW_SUM_BITS(ROW_SUM_BITS),
        .ANY_ROW_BITS(ANY_ROW_BITS)
    ) turn_of (
        .clk(clk),
        .rst(rst),
        .computing(computing && !drains),
        .advance(issue),
        .block_hand(block_hand),
        .block_free(block_free),
        .block_valid(block_valid),
        .block_below(block_below),
        .block_own(block_own),
        .spike(spike),
        .row_weights(write_row_weights),
        .available(available),
        .neuron(neuron),
        .neuron_next(neuron_next),
        .layer(layer),
        .id(id),
        .is_row(is_row),
        .is_last(is_last),
        .is_last_of_layer(is_last_of_layer),
        .sum_below(sum_below),
        .sum_own(sum_own)
    );

    reg [NEURON_BITS-1:0] scale_neuron, write_neuron;
    reg [LAYER_BITS-1:0] scale_layer, write_layer;
    reg [ID_BITS-1:0] scale_id, write_id;
    reg scale_is_row, write_is_row, scale_is_last, write_is_last, scale_ends, write_ends;
    reg signed [SUM_BITS-1:0] scale_below, scale_own;
    assign drains = (scale_valid && scale_is_last) || (write_valid && write_is_last);
    always @(posedge clk) begin
        if (rst) begin
            filling <= 1'b1;
            scale_valid <= 1'b0;
            scale_fill <= 1'b0;
        end else if (go) begin
            if (issue && is_last) filling <= 1'b0;
            scale_valid <= issue;
            scale_fill <= issue && filling;
        end
        if (go) begin
            scale_neuron <= neuron;
            scale_layer <= layer;
            scale_id <= id;
            scale_is_row <= is_row;
            scale_is_last <= is_last;
            scale_ends <= is_last_of_layer;
            scale_below <= sum_below;
            scale_own <= sum_own;
        end
    end

    wire signed [LEVEL_BITS-1:0] level;
    wire [DECAY_BITS-1:0] decay_syn, decay_mem;
    wire signed [ANY_BIAS_BITS-1:0] bias;
    wire [ANY_BELOW_BITS-1:0] e_below;
    wire [ANY_OWN_BITS-1:0] e_own;
    wire signed [MEM_BITS-1:0] first_out;
    wire [ANY_ROW_BITS-1:0] row_weights;
    wire [CONSTANT_BITS-1:0] constant_word;
    rsnn_rom #(
        .WIDTH(CONSTANT_BITS),
        .DEPTH(N_NEURONS),
        .ADDRESS_BITS(NEURON_BITS),
        .FILE(CONSTANTS)
    ) constant_words (
        .clk(clk),
        .read(go),
        .read_address(neuron),
        .read_word(constant_word)
    );
    rsnn_constants #(
        .MEM_BITS(MEM_BITS),
        .LEVEL_BITS(LEVEL_BITS),
        .DECAY_BITS(DECAY_BITS),
        .BIAS_BITS(BIAS_BITS),
        .BELOW_SHIFT_BITS(BELOW_SHIFT_BITS),
        .OWN_SHIFT_BITS(OWN_SHIFT_BITS),
        .ROW_BITS(ROW_BITS),
        .CONSTANT_BITS(CONSTANT_BITS),
        .ANY_BIAS_BITS(ANY_BIAS_BITS),
        .ANY_BELOW_BITS(ANY_BELOW_BITS),
        .ANY_OWN_BITS(ANY_OWN_BITS),
        .ANY_ROW_BITS(ANY_ROW_BITS)
    ) constants (
        .word(constant_word),
        .level(level),
        .first_out(first_out),
        .decay_syn(decay_syn),
        .decay_mem(decay_mem),
        .bias(bias),
        .e_below(e_below),
        .e_own(e_own),
        .row_weights(row_weights)
    );

    wire [STATE_BITS-1:0] state;
    wire signed [SYN_BITS-1:0] syn = state[MEM_BITS+:SYN_BITS];
    wire signed [MEM_BITS-1:0] mem = state[0+:MEM_BITS];
    wire [STATE_BITS-1:0] new_state;
    wire writes = write_valid && go;
    rsnn_ram #(
        .WIDTH(STATE_BITS),
        .DEPTH(N_NEURONS),
        .ADDRESS_BITS(NEURON_BITS)
    ) state_words (
        .clk(clk),
        .read(go),
        .read_address(neuron),
        .read_word(state),
        .write(writes || scale_fill),
        .write_address(scale_fill ? scale_neuron : write_neuron),
        .write_word(new_state)
    );

    // SCALE
    wire signed [SYN_PRODUCT_BITS-1:0] syn_product;
    wire signed [MEM_PRODUCT_BITS-1:0] mem_product;
    rsnn_decay_single #(
        .X_BITS(SYN_BITS),
        .DECAY_BITS(DECAY_BITS),
        .DECAY_FRAC(DECAY_FRAC)
    ) decay_of_syn (
        .x(syn),
        .decay(decay_syn),
        .product(syn_product)
    );
    rsnn_decay_single #(
        .X_BITS(MEM_BITS),
        .DECAY_BITS(DECAY_BITS),
        .DECAY_FRAC(DECAY_FRAC)
    ) decay_of_mem (
        .x(mem),
        .decay(decay_mem),
        .product(mem_product)
    );
    wire signed [SYN_BITS-1:0] syn_down;
    wire syn_up;
    rsnn_round #(
        .X_BITS(SYN_BITS),
        .DECAY_FRAC(DECAY_FRAC),
        .ROUND_TO_ZERO(ROUND_TO_ZERO)
    ) round_syn (
        .product(syn_product),
        .down(syn_down),
        .up(syn_up)
    );
    wire signed [MEM_BITS-1:0] mem_down;
    wire mem_up;
    rsnn_round #(
        .X_BITS(MEM_BITS),
        .DECAY_FRAC(DECAY_FRAC),
        .ROUND_TO_ZERO(ROUND_TO_ZERO)
    ) round_mem (
        .product(mem_product),
        .down(mem_down),
        .up(mem_up)
    );
    wire was_over;
    rsnn_over #(
        .MEM_BITS(MEM_BITS),
        .LEVEL_BITS(LEVEL_BITS),
        .FIRES_AT_EQUAL(FIRES_AT_EQUAL)
    ) over_before (
        .mem(mem),
        .not_threshold(level),
        .over(was_over)
    );
    wire signed [ACC_BITS-1:0] acc;
    rsnn_acc #(
        .SUM_BITS(SUM_BITS),
        .BELOW_SHIFT_BITS(ANY_BELOW_BITS),
        .OWN_SHIFT_BITS(ANY_OWN_BITS),
        .ACC_BITS(ACC_BITS)
    ) shifted (
        .sum_below(scale_below),
        .sum_own(scale_own),
        .e_below(e_below),
        .e_own(e_own),
        .acc(acc)
    );

    reg signed [SYN_BITS-1:0] write_syn_down;
    reg signed [MEM_BITS-1:0] write_mem_down;
    reg write_syn_up, write_mem_up, write_was_over;
    reg signed [ACC_BITS-1:0] write_acc;
    reg signed [SYN_BITS-1:0] write_syn;
    reg signed [LEVEL_BITS-1:0] write_level;
    reg signed [ANY_BIAS_BITS-1:0] write_bias;
    always @(posedge clk) begin
        if (rst) begin
            write_valid <= 1'b0;
        end else if (go) begin
            write_valid <= scale_valid && !scale_fill;
        end
        if (go) begin
            write_neuron <= scale_neuron;
            write_layer <= scale_layer;
            write_id <= scale_id;
            write_is_row <= scale_is_row;
            write_is_last <= scale_is_last;
            write_ends <= scale_ends;
            write_syn_down <= syn_down;
            write_syn_up <= syn_up;
            write_mem_down <= mem_down;
            write_mem_up <= mem_up;
            write_was_over <= was_over;
            write_acc <= acc;
            write_syn <= syn;
            write_level <= level;
            write_bias <= bias;
            write_row_weights <= row_weights;
        end
    end

    // WRITE
    wire signed [SYN_BITS-1:0] new_syn;
    rsnn_current #(
        .X_BITS(SYN_BITS),
        .SYN_BITS(SYN_BITS),
        .ACC_BITS(ACC_BITS),
        .FRAC_BITS(FRAC_BITS),
        .BIAS_BITS(ANY_BIAS_BITS),
        .SATURATE_SYN(SATURATE_SYN)
    ) current (
        .down(write_syn_down),
        .up(write_syn_up),
        .acc(write_acc),
        .bias(write_bias),
        .next_syn(new_syn)
    );

    wire fires;
    wire signed [MEM_BITS-1:0] new_mem;
    rsnn_membrane #(
        .X_BITS(MEM_BITS),
        .SYN_BITS(SYN_BITS),
        .MEM_BITS(MEM_BITS),
        .LEVEL_BITS(LEVEL_BITS),
        .FIRES_ON(FIRES_ON),
        .FIRES_AT_EQUAL(FIRES_AT_EQUAL),
        .RESET_SUBTRACTS(RESET_SUBTRACTS),
        .RESET_DROPS_INPUT(RESET_DROPS_INPUT),
        .RESET_DELAY(RESET_DELAY),
        .SATURATE_MEM(SATURATE_MEM)
    ) membrane (
        .is_row(write_is_row),
        .was_over(write_was_over),
        .down(write_mem_down),
        .up(write_mem_up),
        .drive(CURRENT_IS_NEW != 0 ? new_syn : write_syn),
        .not_threshold(write_level),
        .fires(fires),
        .next_mem(new_mem)
    );
    wire signed [MEM_BITS-1:0] first = scale_is_row ? first_out : {MEM_BITS{1'b0}};
    assign new_state = scale_fill ? {{SYN_BITS{1'b0}}, first} : {new_syn, new_mem};

    wire done = writes;
    assign stalls = write_valid && write_is_row && out_valid && !out_ready;
    assign spike = done && fires;
    assign spike_layer = write_layer;
    assign spike_id = write_id;
    assign step_end = done && write_is_last;

    always @(posedge clk) begin
        if (rst) out_valid <= 1'b0;
        else if (done && write_is_row) out_valid <= 1'b1;
        else if (out_ready) out_valid <= 1'b0;
        if (done && write_is_row) begin
            out_word <= new_mem;
            out_last <= write_ends;
        end
    end

    assign trace_valid = done;
    assign trace_neuron = write_neuron;
    assign trace_spk = fires;
    assign trace_syn = new_syn;
    assign trace_mem = new_mem;
endmodule

`default_nettype wire
