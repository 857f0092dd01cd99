// Neurons one after the other: state words and constants are read, updated with a block's sums, and
// written back.
//
// SYN: the decayed current, in TURNS clocks. MEM: the decayed membrane, in as many; its first clock
// keeps the new current. END: membrane and spike. After a reset, every state gets its first value.
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
    parameter MULTIPLIER = 1,
    parameter TURN_BITS = 1,
    parameter SYN_BITS = 16,
    parameter MEM_BITS = 16,
    parameter LEVEL_BITS = 16,
    parameter DECAY_BITS = 12,
    parameter BIAS_BITS = 0,  // 0: no biases
    parameter SHIFT_BITS = 0,  // 0: no shifts
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
    localparam TURNS = MULTIPLIER != 0 ? 1 : DECAY_FRAC;
    localparam STATE_BITS = SYN_BITS + MEM_BITS;
    localparam [2:0] FETCH = 0, FILL = 1, SYN = 2, MEM = 3, END = 4;

    // the neuron that is updated
    reg [2:0] phase;
    reg [TURN_BITS-1:0] turn;
    reg [NEURON_BITS-1:0] neuron;
    reg [LAYER_BITS-1:0] layer;
    reg [ID_BITS-1:0] id;  // within its layer
    wire [COUNT_BITS-1:0] n_layer = NEURONS[layer*COUNT_BITS+:COUNT_BITS];
    wire is_last_of_layer = {{(32 - ID_BITS) {1'b0}}, id} + 1 == {{(32 - COUNT_BITS) {1'b0}}, n_layer};
    wire is_last = {{(32 - NEURON_BITS) {1'b0}}, neuron} == N_NEURONS - 1;
    wire is_row = {{(32 - LAYER_BITS) {1'b0}}, layer} == READOUT_LAYER;
    wire is_last_turn = {{(32 - TURN_BITS) {1'b0}}, turn} == TURNS - 1;
    wire done = phase == END && (!is_row || !out_valid || out_ready);
    wire advance = phase == FILL || done;
    wire [NEURON_BITS-1:0] neuron_after = is_last ? {NEURON_BITS{1'b0}} : neuron + 1'b1;
    wire [NEURON_BITS-1:0] neuron_next = advance ? neuron_after : neuron;

    assign ready = phase != FETCH && phase != FILL;

    // a block of sums, the neuron that is updated first
    reg block_valid;
    reg [LANES*SUM_BITS-1:0] below, own;
    wire block_end;
    generate
        if (LANES > 1) begin : several
            reg [$clog2(LANES)-1:0] lane;
            always @(posedge clk) begin
                if (rst || block_hand) lane <= 0;
                else if (done) lane <= lane + 1'b1;
            end
            assign block_end = done && (is_last_of_layer || &lane);
        end else begin : single
            assign block_end = done;
        end
    endgenerate

    assign block_free = !block_valid || block_end;
    assign block_idle = !block_valid;
    always @(posedge clk) begin
        if (rst) block_valid <= 1'b0;
        else if (block_hand) block_valid <= 1'b1;
        else if (block_end) block_valid <= 1'b0;
        if (block_hand) begin
            below <= block_below;
            own <= block_own;
        end else if (done) begin
            below <= below >> SUM_BITS;
            own <= own >> SUM_BITS;
        end
    end

    always @(posedge clk) begin
        if (rst) begin
            phase <= FETCH;
            turn <= 0;
            neuron <= 0;
            layer <= 0;
            id <= 0;
        end else begin
            case (phase)
                FETCH: phase <= FILL;
                FILL: if (is_last) phase <= SYN;
                SYN, MEM:
                if (block_valid) begin
                    turn <= is_last_turn ? {TURN_BITS{1'b0}} : turn + 1'b1;
                    if (is_last_turn) phase <= phase == SYN ? MEM : END;
                end
                default: if (done) phase <= SYN;
            endcase
            neuron <= neuron_next;
            if (advance) begin
                id <= is_last_of_layer ? {ID_BITS{1'b0}} : id + 1'b1;
                if (is_last) layer <= 0;
                else if (is_last_of_layer) layer <= layer + 1'b1;
            end
        end
    end

    // memories
    wire [CONSTANT_BITS-1:0] constants;
    rsnn_rom #(
        .WIDTH(CONSTANT_BITS),
        .DEPTH(N_NEURONS),
        .ADDRESS_BITS(NEURON_BITS),
        .FILE(CONSTANTS)
    ) constant_words (
        .clk(clk),
        .read(1'b1),
        .read_address(neuron_next),
        .read_word(constants)
    );

    wire signed [LEVEL_BITS-1:0] level = constants[0+:LEVEL_BITS];
    wire [DECAY_BITS-1:0] decay_syn = constants[LEVEL_BITS+:DECAY_BITS];
    wire [DECAY_BITS-1:0] decay_mem = constants[LEVEL_BITS+DECAY_BITS+:DECAY_BITS];
    localparam AFTER_DECAYS = LEVEL_BITS + 2 * DECAY_BITS;
    localparam ANY_BIAS_BITS = BIAS_BITS > 0 ? BIAS_BITS : 1;
    localparam ANY_SHIFT_BITS = SHIFT_BITS > 0 ? SHIFT_BITS : 1;
    wire signed [ANY_BIAS_BITS-1:0] bias;
    wire [ANY_SHIFT_BITS-1:0] e_below, e_own;
    generate
        if (BIAS_BITS > 0) begin : biases
            assign bias = constants[AFTER_DECAYS+:BIAS_BITS];
        end else begin : no_biases
            assign bias = 1'b0;
        end
        if (SHIFT_BITS > 0) begin : shifts
            assign e_below = constants[AFTER_DECAYS+BIAS_BITS+:SHIFT_BITS];
            assign e_own = constants[AFTER_DECAYS+BIAS_BITS+SHIFT_BITS+:SHIFT_BITS];
        end else begin : no_shifts
            assign e_below = 1'b0;
            assign e_own = 1'b0;
        end
    endgenerate

    wire [STATE_BITS-1:0] state;
    wire signed [SYN_BITS-1:0] syn = state[MEM_BITS+:SYN_BITS];
    wire signed [MEM_BITS-1:0] mem = state[0+:MEM_BITS];
    reg signed [SYN_BITS-1:0] new_syn;
    wire signed [MEM_BITS-1:0] new_mem, first_mem;
    generate
        if (LEVEL_BITS < MEM_BITS) begin : longer
            assign first_mem = {{(MEM_BITS - LEVEL_BITS) {level[LEVEL_BITS-1]}}, level};
        end else begin : as_long
            assign first_mem = level[MEM_BITS-1:0];
        end
    endgenerate

    rsnn_ram #(
        .WIDTH(STATE_BITS),
        .DEPTH(N_NEURONS),
        .ADDRESS_BITS(NEURON_BITS)
    ) state_words (
        .clk(clk),
        .read(1'b1),
        .read_address(neuron_next),
        .read_word(state),
        .write(advance),
        .write_address(neuron),
        .write_word(
            done ? {new_syn, new_mem}
            : {{SYN_BITS{1'b0}}, is_row ? first_mem : {MEM_BITS{1'b0}}}
        )
    );

    // the arithmetic of a neuron
    wire signed [X_BITS-1:0] wide_syn = {{(X_BITS - SYN_BITS) {syn[SYN_BITS-1]}}, syn};
    wire signed [X_BITS-1:0] wide_mem = {{(X_BITS - MEM_BITS) {mem[MEM_BITS-1]}}, mem};
    wire signed [X_BITS-1:0] x = phase == SYN ? wide_syn : wide_mem;
    wire [DECAY_BITS-1:0] decay = phase == SYN ? decay_syn : decay_mem;
    reg signed [X_BITS-1:0] decayed;
    wire signed [X_BITS-1:0] next_decayed;
    always @(posedge clk) if (phase == SYN || phase == MEM) decayed <= next_decayed;
    generate
        if (MULTIPLIER != 0) begin : multiplying
            rsnn_decay_single #(
                .X_BITS(X_BITS),
                .DECAY_BITS(DECAY_BITS),
                .DECAY_FRAC(DECAY_FRAC),
                .ROUND_TO_ZERO(ROUND_TO_ZERO)
            ) decay_unit (
                .x(x),
                .decay(decay),
                .decayed(next_decayed)
            );
        end else begin : adding
            rsnn_decay_serial #(
                .X_BITS(X_BITS),
                .DECAY_BITS(DECAY_BITS),
                .DECAY_FRAC(DECAY_FRAC),
                .TURN_BITS(TURN_BITS),
                .ROUND_TO_ZERO(ROUND_TO_ZERO)
            ) decay_unit (
                .turn(turn),
                .left(decayed),
                .x(x),
                .decay(decay),
                .decayed(next_decayed)
            );
        end
    endgenerate

    wire signed [SYN_BITS-1:0] next_syn;
    rsnn_current #(
        .X_BITS(X_BITS),
        .SYN_BITS(SYN_BITS),
        .SUM_BITS(SUM_BITS),
        .SHIFT_BITS(ANY_SHIFT_BITS),
        .ACC_BITS(ACC_BITS),
        .FRAC_BITS(FRAC_BITS),
        .BIAS_BITS(ANY_BIAS_BITS),
        .SATURATE_SYN(SATURATE_SYN)
    ) current (
        .decayed(decayed),
        .sum_below(below[0+:SUM_BITS]),
        .sum_own(own[0+:SUM_BITS]),
        .e_below(e_below),
        .e_own(e_own),
        .bias(bias),
        .next_syn(next_syn)
    );
    always @(posedge clk) if (phase == MEM && turn == 0) new_syn <= next_syn;

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
        .mem(mem),
        .decayed(decayed),
        .drive(CURRENT_IS_NEW != 0 ? new_syn : syn),
        .threshold(level),
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
