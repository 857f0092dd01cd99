// The sums of a step from weights without their zeros: each event adds a row of them.
//
// A row begins with the place of its first weight; then come bits, one per neuron of the layer, the
// lowest first, that say whose weights follow each other there. A weight takes a clock, so does a
// word without bits, and an event 4 more. When all events of a layer have been added, its sums are
// handed over one by one, and cleared; after a reset all are cleared.
`default_nettype none

module rsnn_scatter #(
    parameter WEIGHT_BITS = 8,
    parameter SUM_BITS = 12,
    parameter N_LAYERS = 2,
    parameter LAYER_BITS = 1,
    parameter COUNT_BITS = 8,
    parameter ID_BITS = 8,
    parameter POINTER_BITS = 8,
    parameter N_WORDS = 16,  // weights
    parameter WORD_ADDRESS_BITS = 4,
    parameter N_MAPS = 16,  // words of rows
    parameter MAP_ADDRESS_BITS = 4,
    parameter MAP_BITS = 16,
    parameter MAP_INDEX_BITS = 4,
    parameter SUM_ADDRESS_BITS = 4,  // of a neuron in the largest layer
    parameter DELAY_STEPS = 1,
    parameter FIRST_LAYER = 0,
    parameter [N_LAYERS*COUNT_BITS-1:0] NEURONS = 0,
    parameter [N_LAYERS*MAP_ADDRESS_BITS-1:0] BELOW_MAPS = 0,  // where rows begin, by layer
    parameter [N_LAYERS*MAP_ADDRESS_BITS-1:0] OWN_MAPS = 0,
    parameter [N_LAYERS-1:0] RECURRENT = 0,
    parameter [N_LAYERS*POINTER_BITS-1:0] BELOW_START = 0,
    parameter [N_LAYERS*POINTER_BITS-1:0] OWN_START = 0,
    parameter WEIGHTS = "",
    parameter MAPS = ""
) (
    input wire clk,
    input wire rst,
    output wire ready,
    input wire start,
    output wire [LAYER_BITS-1:0] list_layer,
    output wire list_is_below,
    output wire list_read,
    output wire [POINTER_BITS-1:0] list_pointer,
    input wire [POINTER_BITS-1:0] list_end,
    input wire [ID_BITS-1:0] list_id,
    input wire block_free,
    input wire block_idle,
    output wire block_hand,
    output wire [SUM_BITS-1:0] block_below,
    output wire [SUM_BITS-1:0] block_own
);
    localparam [3:0] CLEAR = 0, WAIT = 1, NEXT = 2, ROW = 3, PLACE = 4, MAP = 5, BITS = 6, OWN = 7,
        BELOW = 8, HAND = 9;
    localparam PART_BITS = SUM_ADDRESS_BITS > MAP_INDEX_BITS ? SUM_ADDRESS_BITS - MAP_INDEX_BITS : 1;

    reg [3:0] state;
    reg is_below, is_first;
    reg [POINTER_BITS-1:0] pointer;
    reg [LAYER_BITS-1:0] any_layer;
    wire [LAYER_BITS-1:0] layer =
        N_LAYERS - FIRST_LAYER == 1 ? FIRST_LAYER[LAYER_BITS-1:0] : any_layer;
    wire is_last_layer = {{(32 - LAYER_BITS) {1'b0}}, layer} == N_LAYERS - 1;
    wire [LAYER_BITS-1:0] layer_after =
        is_last_layer ? FIRST_LAYER[LAYER_BITS-1:0] : layer + 1'b1;
    wire [LAYER_BITS-1:0] layer_then = state == WAIT ? layer : layer_after;
    wire [31:0] n_neurons = {{(32 - COUNT_BITS) {1'b0}}, NEURONS[layer*COUNT_BITS+:COUNT_BITS]};

    // events
    wire waits = DELAY_STEPS == 0 && is_first && !block_idle;
    wire more = pointer != list_end && (is_below || RECURRENT[layer]);
    assign ready = state != CLEAR;
    assign list_layer = layer;
    assign list_is_below = is_below;
    assign list_read = state == NEXT;
    assign list_pointer = pointer;

    // rows
    reg [MAP_ADDRESS_BITS-1:0] map_after;
    wire [31:0] row_words = (n_neurons + MAP_BITS - 1) / MAP_BITS + 1;
    wire [31:0] whole_row = {{(32 - ID_BITS) {1'b0}}, list_id} * row_words;
    wire [MAP_ADDRESS_BITS-1:0] first_map =
        (is_below ? BELOW_MAPS[layer*MAP_ADDRESS_BITS+:MAP_ADDRESS_BITS]
                  : OWN_MAPS[layer*MAP_ADDRESS_BITS+:MAP_ADDRESS_BITS])
        + whole_row[MAP_ADDRESS_BITS-1:0];
    wire [MAP_ADDRESS_BITS-1:0] map_address = state == ROW ? first_map : map_after;
    wire [MAP_BITS-1:0] map;
    wire row_end;
    wire reads_map = state == ROW || state == PLACE || state == MAP || (state == BITS && row_end);
    rsnn_rom #(
        .WIDTH(MAP_BITS),
        .DEPTH(N_MAPS),
        .ADDRESS_BITS(MAP_ADDRESS_BITS),
        .FILE(MAPS)
    ) map_words (
        .clk(clk),
        .read(reads_map),
        .read_address(map_address),
        .read_word(map)
    );

    // bits, the lowest first
    reg [MAP_BITS-1:0] left;
    reg [PART_BITS-1:0] part;  // of the neurons, MAP_BITS each
    wire [MAP_BITS-1:0] rest = left & (left - 1'b1);
    wire has_bit = state == BITS && left != 0;
    wire is_last_part = {{(32 - PART_BITS) {1'b0}}, part} + 2 == row_words;
    assign row_end = rest == 0;
    reg [MAP_INDEX_BITS-1:0] lowest;
    wire unused = &{1'b0, whole_row, lowest};
    integer k;
    always @* begin
        lowest = 0;
        for (k = MAP_BITS - 1; k >= 0; k = k - 1)
            if (left[k]) lowest = k[MAP_INDEX_BITS-1:0];
    end

    // neurons that are handed over
    reg [SUM_ADDRESS_BITS-1:0] neuron;
    wire is_last = {{(32 - SUM_ADDRESS_BITS) {1'b0}}, neuron} + 1 == n_neurons;
    wire hands = state == HAND && block_free;
    wire clears = state == CLEAR;

    always @(posedge clk) begin
        if (rst) begin
            state <= CLEAR;
            any_layer <= FIRST_LAYER[LAYER_BITS-1:0];
            neuron <= 0;
            is_below <= 1'b0;
        end else begin
            case (state)
                CLEAR: begin
                    neuron <= neuron + 1'b1;
                    if (&neuron) begin
                        is_below <= !is_below;
                        if (is_below) state <= WAIT;
                    end
                end
                WAIT: if (start) state <= NEXT;
                NEXT:
                if (!waits) begin
                    if (more) state <= ROW;
                    else if (is_below) state <= OWN;
                end
                ROW: state <= PLACE;
                PLACE: state <= MAP;
                MAP: state <= BITS;
                BITS: if (row_end && is_last_part) state <= NEXT;
                OWN: state <= BELOW;
                BELOW: state <= HAND;
                default:
                if (hands) begin
                    state <= !is_last ? OWN : is_last_layer ? WAIT : NEXT;
                    neuron <= is_last ? {SUM_ADDRESS_BITS{1'b0}} : neuron + 1'b1;
                    if (is_last) begin
                        is_below <= 1'b0;
                        any_layer <= layer_after;
                    end
                end
            endcase
            if (state == NEXT && !waits && !more) is_below <= 1'b1;
        end
        if (state == WAIT || hands) is_first <= 1'b1;
        else if (state == NEXT && !waits) is_first <= 1'b0;
        if (state == WAIT || hands)
            pointer <= OWN_START[layer_then*POINTER_BITS+:POINTER_BITS];
        else if (state == NEXT && !waits)
            pointer <= more ? pointer + 1'b1
                            : BELOW_START[layer*POINTER_BITS+:POINTER_BITS];
        if (reads_map) map_after <= map_address + 1'b1;
        if (state == MAP || (state == BITS && row_end)) left <= map;
        else if (state == BITS) left <= rest;
        if (state == MAP) part <= 0;
        else if (state == BITS && row_end) part <= part + 1'b1;
    end

    // weights
    reg [WORD_ADDRESS_BITS-1:0] place;
    wire [WEIGHT_BITS-1:0] weight;
    always @(posedge clk) begin
        if (state == PLACE) place <= map[WORD_ADDRESS_BITS-1:0];
        else if (has_bit) place <= place + 1'b1;
    end
    rsnn_rom #(
        .WIDTH(WEIGHT_BITS),
        .DEPTH(N_WORDS),
        .ADDRESS_BITS(WORD_ADDRESS_BITS),
        .FILE(WEIGHTS)
    ) weight_words (
        .clk(clk),
        .read(has_bit),
        .read_address(place),
        .read_word(weight)
    );

    // sums: a read, and a write a clock later
    reg adds, adds_below;
    reg [SUM_ADDRESS_BITS-1:0] added;
    wire [SUM_ADDRESS_BITS-1:0] adding;
    generate
        if (SUM_ADDRESS_BITS > MAP_INDEX_BITS) begin : in_parts
            assign adding = {part, lowest};
        end else begin : in_one_part
            assign adding = lowest[SUM_ADDRESS_BITS-1:0];
        end
    endgenerate
    always @(posedge clk) begin
        adds <= has_bit && !rst;
        adds_below <= is_below;
        added <= adding;
    end
    wire signed [SUM_BITS-1:0] sum;
    wire signed [SUM_BITS-1:0] term = {{(SUM_BITS - WEIGHT_BITS) {weight[WEIGHT_BITS-1]}}, weight};
    wire zeroes_below = clears ? is_below : state == HAND;
    rsnn_ram #(
        .WIDTH(SUM_BITS),
        .DEPTH(2 << SUM_ADDRESS_BITS),
        .ADDRESS_BITS(SUM_ADDRESS_BITS + 1)
    ) sums (
        .clk(clk),
        .read(has_bit || state == OWN || state == BELOW),
        .read_address(state == BITS ? {is_below, adding} : {state == BELOW, neuron}),
        .read_word(sum),
        .write(adds || clears || state == BELOW || hands),
        .write_address(adds ? {adds_below, added} : {zeroes_below, neuron}),
        .write_word(adds ? sum + term : {SUM_BITS{1'b0}})
    );

    reg [SUM_BITS-1:0] own;
    always @(posedge clk) if (state == BELOW) own <= sum;
    assign block_hand = hands;
    assign block_own = own;
    assign block_below = sum;
endmodule

`default_nettype wire
