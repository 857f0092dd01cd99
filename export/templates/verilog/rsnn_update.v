// Neurons one after the other: state words and constants are read, updated with a block's sums, and
// written back.
//
// LOAD, only if PACKED: the state is kept while constants are read. SYN: the decayed current, in
// one clock by a multiplier, in DECAY_FRAC turns without. KEEP, only
// without: the new current. MEM: the decayed membrane; with a multiplier, also the new current.
// END: membrane and spike. After a reset, every state gets its first value.
// A row of the readout has that in place of a threshold, and its output is sent.
`default_nettype none

module rsnn_update #(
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
    parameter PACKED = 0,  // constants and states are in one memory
    parameter MULTIPLIER = 1,
    parameter TURN_BITS = 1,
    parameter SHIFTS_IN_TURNS = 0,  // every shift is less than the number of turns
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
    localparam X_BITS = SYN_BITS > MEM_BITS ? SYN_BITS : MEM_BITS;
    localparam STATE_BITS = SYN_BITS + MEM_BITS;
    localparam ROW_BITS = ROWS_APART != 0 ? N_ROWS * ROW_WEIGHT_BITS : 0;
    localparam ANY_BIAS_BITS = BIAS_BITS > 0 ? BIAS_BITS : 1;
    localparam ANY_BELOW_BITS = BELOW_SHIFT_BITS > 0 ? BELOW_SHIFT_BITS : 1;
    localparam ANY_OWN_BITS = OWN_SHIFT_BITS > 0 ? OWN_SHIFT_BITS : 1;
    localparam ANY_ROW_BITS = ROW_BITS > 0 ? ROW_BITS : 1;
    localparam [2:0] FETCH = 0, FILL = 1, SYN = 2, KEEP = 3, MEM = 4, END = 5, LOAD = 6;
    localparam [2:0] FIRST = PACKED != 0 ? LOAD : SYN;

    // the neuron that is updated
    reg [2:0] phase;
    wire [NEURON_BITS-1:0] neuron, neuron_next;
    wire [LAYER_BITS-1:0] layer;
    wire [ID_BITS-1:0] id;
    wire is_row, is_last, is_last_of_layer, is_last_turn;
    wire done = phase == END && (!is_row || !out_valid || out_ready);
    wire advance = phase == FILL || done;
    wire available, block_valid;
    wire signed [SUM_BITS-1:0] sum_below, sum_own;
    wire [ANY_ROW_BITS-1:0] row_weights;
    assign ready = phase != FETCH && phase != FILL;
    assign block_idle = !block_valid;

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
        .computing(computing),
        .advance(advance),
        .block_hand(block_hand),
        .block_free(block_free),
        .block_valid(block_valid),
        .block_below(block_below),
        .block_own(block_own),
        .spike(spike),
        .row_weights(row_weights),
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

    always @(posedge clk) begin
        if (rst) phase <= FETCH;
        else
            case (phase)
                FETCH: phase <= FILL;
                FILL: if (is_last) phase <= FIRST;
                LOAD: phase <= SYN;
                SYN: if (available && is_last_turn) phase <= MULTIPLIER != 0 ? MEM : KEEP;
                KEEP: phase <= MEM;
                MEM: if (is_last_turn) phase <= END;
                default: if (done) phase <= FIRST;
            endcase
    end

    // memories
    wire signed [LEVEL_BITS-1:0] level;
    wire signed [MEM_BITS-1:0] first_out;
    wire [DECAY_BITS-1:0] decay_syn, decay_mem;
    wire signed [ANY_BIAS_BITS-1:0] bias;
    wire [ANY_BELOW_BITS-1:0] e_below;
    wire [ANY_OWN_BITS-1:0] e_own;
    wire [CONSTANT_BITS-1:0] constant_word;
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
    reg signed [SYN_BITS-1:0] new_syn;  // 0 from a reset until the first step
    wire signed [MEM_BITS-1:0] new_mem;

    rsnn_words #(
        .PACKED(PACKED),
        .N_NEURONS(N_NEURONS),
        .NEURON_BITS(NEURON_BITS),
        .STATE_BITS(STATE_BITS),
        .CONSTANT_BITS(CONSTANT_BITS),
        .FILE(CONSTANTS)
    ) words (
        .clk(clk),
        .read_state(done || (phase == FILL && is_last)),
        .keep_state(phase == LOAD),
        .neuron_next(neuron_next),
        .constants(constant_word),
        .state(state),
        .write(advance),
        .neuron(neuron),
        .new_state({new_syn, ready ? new_mem : is_row ? first_out : {MEM_BITS{1'b0}}})
    );

    // the arithmetic of a neuron
    wire signed [X_BITS-1:0] wide_syn = {{(X_BITS - SYN_BITS) {syn[SYN_BITS-1]}}, syn};
    wire signed [X_BITS-1:0] wide_mem = {{(X_BITS - MEM_BITS) {mem[MEM_BITS-1]}}, mem};
    wire signed [X_BITS-1:0] x = phase == SYN ? wide_syn : wide_mem;
    wire [DECAY_BITS-1:0] decay = phase == SYN ? decay_syn : decay_mem;
    wire signed [X_BITS-1:0] down;  // what is decayed, or 1 less
    wire up;
    wire [TURN_BITS-1:0] turn;
    generate
        if (MULTIPLIER != 0) begin : multiplying
            reg signed [X_BITS+DECAY_FRAC-1:0] product;
            wire signed [X_BITS+DECAY_FRAC-1:0] next_product;
            rsnn_decay_single #(
                .X_BITS(X_BITS),
                .DECAY_BITS(DECAY_BITS),
                .DECAY_FRAC(DECAY_FRAC)
            ) decay_unit (
                .x(x),
                .decay(decay),
                .product(next_product)
            );
            always @(posedge clk) if (phase == SYN || phase == MEM) product <= next_product;
            rsnn_round #(
                .X_BITS(X_BITS),
                .DECAY_FRAC(DECAY_FRAC),
                .ROUND_TO_ZERO(ROUND_TO_ZERO)
            ) round (
                .product(product),
                .down(down),
                .up(up)
            );
            assign is_last_turn = 1'b1;
            assign turn = 0;
        end else begin : adding
            reg [TURN_BITS-1:0] this_turn;
            reg signed [X_BITS-1:0] decayed;
            wire signed [X_BITS-1:0] next_decayed;
            wire turns = phase == MEM || (phase == SYN && available);
            rsnn_decay_serial #(
                .X_BITS(X_BITS),
                .DECAY_BITS(DECAY_BITS),
                .DECAY_FRAC(DECAY_FRAC),
                .TURN_BITS(TURN_BITS),
                .ROUND_TO_ZERO(ROUND_TO_ZERO)
            ) decay_unit (
                .turn(this_turn),
                .left(decayed),
                .x(x),
                .decay(decay),
                .decayed(next_decayed)
            );
            always @(posedge clk) begin
                if (rst || phase == KEEP || done) decayed <= 0;
                else if (turns) decayed <= next_decayed;
                if (rst || (turns && is_last_turn)) this_turn <= 0;
                else if (turns) this_turn <= this_turn + 1'b1;
            end
            assign is_last_turn = {{(32 - TURN_BITS) {1'b0}}, this_turn} == DECAY_FRAC - 1;
            assign turn = this_turn;
            assign down = decayed;
            assign up = 1'b0;
        end
    endgenerate

    wire signed [SYN_BITS-1:0] next_syn;
    wire signed [ACC_BITS-1:0] acc;
    generate
        if (SHIFTS_IN_TURNS != 0) begin : shifts_in_turns
            wire signed [ACC_BITS-1:0] below, own;
            rsnn_shift_serial #(
                .SUM_BITS(SUM_BITS),
                .SHIFT_BITS(ANY_BELOW_BITS),
                .SHIFTS(BELOW_SHIFT_BITS),
                .ACC_BITS(ACC_BITS),
                .TURN_BITS(TURN_BITS)
            ) shifted_below (
                .clk(clk),
                .turns(phase == SYN),
                .turn(turn),
                .sum(sum_below),
                .e(e_below),
                .shifted(below)
            );
            rsnn_shift_serial #(
                .SUM_BITS(SUM_BITS),
                .SHIFT_BITS(ANY_OWN_BITS),
                .SHIFTS(OWN_SHIFT_BITS),
                .ACC_BITS(ACC_BITS),
                .TURN_BITS(TURN_BITS)
            ) shifted_own (
                .clk(clk),
                .turns(phase == SYN),
                .turn(turn),
                .sum(sum_own),
                .e(e_own),
                .shifted(own)
            );
            assign acc = below + own;
        end else begin : shifts_at_once
            wire unused = &{1'b0, turn};
            rsnn_acc #(
                .SUM_BITS(SUM_BITS),
                .BELOW_SHIFT_BITS(ANY_BELOW_BITS),
                .OWN_SHIFT_BITS(ANY_OWN_BITS),
                .ACC_BITS(ACC_BITS)
            ) shifted (
                .sum_below(sum_below),
                .sum_own(sum_own),
                .e_below(e_below),
                .e_own(e_own),
                .acc(acc)
            );
        end
    endgenerate
    rsnn_current #(
        .X_BITS(X_BITS),
        .SYN_BITS(SYN_BITS),
        .ACC_BITS(ACC_BITS),
        .FRAC_BITS(FRAC_BITS),
        .BIAS_BITS(ANY_BIAS_BITS),
        .SATURATE_SYN(SATURATE_SYN)
    ) current (
        .down(down),
        .up(up),
        .acc(acc),
        .bias(bias),
        .next_syn(next_syn)
    );
    always @(posedge clk) begin
        if (rst) new_syn <= 0;
        else if (phase == (MULTIPLIER != 0 ? MEM : KEEP)) new_syn <= next_syn;
    end

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
    wire fires;
    rsnn_membrane #(
        .X_BITS(X_BITS),
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
        .is_row(is_row),
        .was_over(was_over),
        .down(down),
        .up(up),
        .drive(CURRENT_IS_NEW != 0 ? new_syn : syn),
        .not_threshold(level),
        .fires(fires),
        .next_mem(new_mem)
    );

    assign spike = done && fires;
    assign spike_layer = layer;
    assign spike_id = id;
    assign step_end = done && is_last;

    always @(posedge clk) begin
        if (rst) out_valid <= 1'b0;
        else if (done && is_row) out_valid <= 1'b1;
        else if (out_ready) out_valid <= 1'b0;
        if (done && is_row) begin
            out_word <= new_mem;
            out_last <= is_last_of_layer;
        end
    end

    assign trace_valid = done;
    assign trace_neuron = neuron;
    assign trace_spk = fires;
    assign trace_syn = new_syn;
    assign trace_mem = new_mem;
endmodule

`default_nettype wire
