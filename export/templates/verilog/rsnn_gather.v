// The sums of a step: for each block of LANES neurons, the weights of all events are added up.
//
// Layers are walked in the order of computation. For each block, first the layer's own spikes of
// the step before are taken from their list, then what arrives from below. Each event reads one
// word, the weights of a block's neurons, and a lane adds its own. A block's sums are handed over
// as one, and while neurons are updated with them, the next block is gathered. One clock per event,
// and two per block: one puts the sums of own spikes aside, one hands over.
`default_nettype none

module rsnn_gather #(
    parameter LANES = 1,
    parameter WEIGHT_BITS = 8,
    parameter SUM_BITS = 12,
    parameter N_LAYERS = 2,
    parameter LAYER_BITS = 1,
    parameter COUNT_BITS = 8,
    parameter ID_BITS = 8,
    parameter POINTER_BITS = 8,  // of a place in the lists of events
    parameter N_WORDS = 16,
    parameter WORD_ADDRESS_BITS = 4,
    parameter DELAY_STEPS = 1,
    parameter FIRST_LAYER = 0,  // those before it have no blocks
    parameter [N_LAYERS*COUNT_BITS-1:0] NEURONS = 0,  // by layer, the lowest bits for the first
    parameter [N_LAYERS*WORD_ADDRESS_BITS-1:0] N_BELOW = 0,
    parameter [N_LAYERS*WORD_ADDRESS_BITS-1:0] N_OWN = 0,  // 0: not recurrent
    parameter [N_LAYERS*POINTER_BITS-1:0] BELOW_START = 0,
    parameter [N_LAYERS*POINTER_BITS-1:0] OWN_START = 0,
    parameter LOADED = 0,  // weights come by `load_byte`, not from a file
    parameter WEIGHTS = ""
) (
    input wire clk,
    input wire rst,
    output wire ready,  // weights are there
    input wire load_valid,
    input wire [7:0] load_byte,
    input wire start,
    // the lists of events, which are read a clock later
    output wire [LAYER_BITS-1:0] list_layer,
    output wire list_is_below,
    output wire list_read,
    output wire [POINTER_BITS-1:0] list_pointer,
    input wire [POINTER_BITS-1:0] list_end,
    input wire [ID_BITS-1:0] list_id,
    // a block of sums
    input wire block_free,
    input wire block_idle,  // nothing is being updated
    output wire block_hand,
    output wire [LANES*SUM_BITS-1:0] block_below,
    output wire [LANES*SUM_BITS-1:0] block_own
);
    localparam [1:0] NOTHING = 0, ADD = 1, ASIDE = 2, HAND = 3;

    // issue: one operation per clock
    reg running, is_below, is_first;
    reg [LAYER_BITS-1:0] any_layer;
    wire [LAYER_BITS-1:0] layer =
        N_LAYERS - FIRST_LAYER == 1 ? FIRST_LAYER[LAYER_BITS-1:0] : any_layer;
    reg [COUNT_BITS-1:0] left;  // neurons of the layer that are not handed over
    reg [POINTER_BITS-1:0] pointer;

    wire go;
    reg [1:0] op_read, op_add;
    wire is_last_block = left <= LANES[COUNT_BITS-1:0];
    wire is_last_layer = {{(32 - LAYER_BITS) {1'b0}}, layer} == N_LAYERS - 1;
    wire [LAYER_BITS-1:0] layer_after =
        is_last_layer ? FIRST_LAYER[LAYER_BITS-1:0] : layer + 1'b1;
    wire [LAYER_BITS-1:0] layer_next = is_last_block ? layer_after : layer;
    wire [WORD_ADDRESS_BITS-1:0] n_below = N_BELOW[layer*WORD_ADDRESS_BITS+:WORD_ADDRESS_BITS];
    wire [WORD_ADDRESS_BITS-1:0] n_own = N_OWN[layer*WORD_ADDRESS_BITS+:WORD_ADDRESS_BITS];

    // without delay a layer waits until all spikes of the layer below are in their list
    wire drained = op_read == NOTHING && op_add == NOTHING && block_idle;
    wire waits = DELAY_STEPS == 0 && is_first && !drained;
    wire more = pointer != list_end && (is_below || n_own != 0);
    wire [1:0] op = !running || waits ? NOTHING : more ? ADD : is_below ? HAND : ASIDE;

    assign list_layer = layer;
    assign list_is_below = is_below;
    assign list_read = go;
    assign list_pointer = pointer;

    always @(posedge clk) begin
        if (rst) begin
            running <= 1'b0;
            any_layer <= FIRST_LAYER[LAYER_BITS-1:0];
        end else if (start) begin
            running <= 1'b1;
            is_below <= 1'b0;
            is_first <= 1'b1;
            left <= NEURONS[FIRST_LAYER*COUNT_BITS+:COUNT_BITS];
            pointer <= OWN_START[FIRST_LAYER*POINTER_BITS+:POINTER_BITS];
        end else if (go) begin
            if (op != NOTHING) is_first <= 1'b0;
            if (op == ADD) pointer <= pointer + 1'b1;
            if (op == ASIDE) begin
                is_below <= 1'b1;
                pointer <= BELOW_START[layer*POINTER_BITS+:POINTER_BITS];
            end
            if (op == HAND) begin
                is_below <= 1'b0;
                pointer <= OWN_START[layer_next*POINTER_BITS+:POINTER_BITS];
                any_layer <= layer_next;
                left <= left - LANES[COUNT_BITS-1:0];
                if (is_last_block) begin
                    is_first <= 1'b1;
                    left <= NEURONS[layer_after*COUNT_BITS+:COUNT_BITS];
                    if (is_last_layer) running <= 1'b0;
                end
            end
        end
    end

    // read: an event's word of weights lies at the start of its rows, plus the sender
    reg [WORD_ADDRESS_BITS-1:0] rows, jump;
    wire [WORD_ADDRESS_BITS-1:0] sender;
    wire [LANES*WEIGHT_BITS-1:0] weights;

    generate
        if (WORD_ADDRESS_BITS > ID_BITS) begin : wider
            assign sender = {{(WORD_ADDRESS_BITS - ID_BITS) {1'b0}}, list_id};
        end else begin : as_wide
            assign sender = list_id[WORD_ADDRESS_BITS-1:0];
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) op_read <= NOTHING;
        else if (go) op_read <= op;
        if (go) jump <= is_below ? n_below : n_own;
        if (start) rows <= 0;
        else if (go && (op_read == ASIDE || op_read == HAND))
            rows <= rows + jump;
    end

    generate
        if (LOADED != 0) begin : loaded_weights
            rsnn_loaded #(
                .WIDTH(LANES * WEIGHT_BITS),
                .DEPTH(N_WORDS),
                .ADDRESS_BITS(WORD_ADDRESS_BITS)
            ) weight_words (
                .clk(clk),
                .read(go),
                .read_address(rows + sender),
                .read_word(weights),
                .load_valid(load_valid),
                .load_byte(load_byte),
                .loaded(ready)
            );
        end else begin : filled_weights
            wire unused = &{1'b0, load_valid, load_byte};
            rsnn_rom #(
                .WIDTH(LANES * WEIGHT_BITS),
                .DEPTH(N_WORDS),
                .ADDRESS_BITS(WORD_ADDRESS_BITS),
                .FILE(WEIGHTS)
            ) weight_words (
                .clk(clk),
                .read(go),
                .read_address(rows + sender),
                .read_word(weights)
            );
            assign ready = 1'b1;
        end
    endgenerate

    // add
    always @(posedge clk) begin
        if (rst) op_add <= NOTHING;
        else if (go) op_add <= op_read;
    end

    assign go = op_add != HAND || block_free;
    assign block_hand = op_add == HAND && block_free;

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
            reg signed [SUM_BITS-1:0] sum, aside;
            wire [WEIGHT_BITS-1:0] weight = weights[lane*WEIGHT_BITS+:WEIGHT_BITS];
            wire signed [SUM_BITS-1:0] term =
                {{(SUM_BITS - WEIGHT_BITS) {weight[WEIGHT_BITS-1]}}, weight};

            always @(posedge clk) begin
                if (rst) sum <= 0;
                else if (go) begin
                    if (op_add == ADD) sum <= sum + term;
                    if (op_add == ASIDE) aside <= sum;
                    if (op_add == ASIDE || op_add == HAND) sum <= 0;
                end
            end

            assign block_below[lane*SUM_BITS+:SUM_BITS] = sum;
            assign block_own[lane*SUM_BITS+:SUM_BITS] = aside;
        end
    endgenerate
endmodule

`default_nettype wire
