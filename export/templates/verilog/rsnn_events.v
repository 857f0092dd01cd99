// The lists of events, inputs and spikes: those of this step, and those of the step before.
//
// A channel comes as its number. One that is sent twice in a step counts once: `places` says where
// in the list a channel was put last, and if that place is in use and holds the channel, it is
// there already. So nothing has to be cleared between steps. With UNIQUE_INPUTS channels have to
// come in ascending order instead, which one register can tell.
`default_nettype none

module rsnn_events #(
    parameter N_INPUTS = 8,
    parameter UNIQUE_INPUTS = 0,
    parameter DATA_BITS = 8,  // of the stream; all ones stand for no channel
    parameter N_LAYERS = 2,
    parameter LAYER_BITS = 1,
    parameter ID_BITS = 8,
    parameter INPUT_BITS = 3,  // of a channel, and of its place
    parameter POINTER_BITS = 8,
    parameter DELAY_STEPS = 1,
    parameter [N_LAYERS*LAYER_BITS-1:0] SOURCE_BELOW = 0,  // list by layer; its own is the next
    parameter [N_LAYERS*POINTER_BITS-1:0] LIST_START = 0  // by list: inputs, then hidden layers
) (
    input wire clk,
    input wire rst,
    input wire busy,
    // events of a step, the last one marked
    input wire in_valid,
    output wire in_ready,
    input wire [DATA_BITS-1:0] in_channel,
    input wire in_last,
    output reg start,
    output reg error,  // a number that is no channel, or one out of order, was left out
    // lists that are read
    input wire [LAYER_BITS-1:0] list_layer,
    input wire list_is_below,
    input wire list_read,
    input wire [POINTER_BITS-1:0] list_pointer,
    output wire [POINTER_BITS-1:0] list_end,
    output wire [ID_BITS-1:0] list_id,
    // spikes of this step
    input wire spike,
    input wire [LAYER_BITS-1:0] spike_layer,
    input wire [ID_BITS-1:0] spike_id,
    input wire step_end
);
    reg half;  // in which lists of this step lie
    wire [N_LAYERS*POINTER_BITS-1:0] ends, ends_before;

    // inputs
    wire [POINTER_BITS-1:0] inputs_end = ends[0+:POINTER_BITS];
    wire [INPUT_BITS-1:0] channel;  // that comes into the list
    wire new_input;
    wire looks;  // into the list
    wire [POINTER_BITS-1:0] looked_at;
    wire [ID_BITS-1:0] whole_channel;
    wire [INPUT_BITS-1:0] first_channel = in_channel[INPUT_BITS-1:0];
    wire is_channel = {{(32 - DATA_BITS) {1'b0}}, in_channel} < N_INPUTS;
    wire is_none = in_channel == {DATA_BITS{1'b1}};
    wire taken = in_valid && in_ready;

    generate
        if (ID_BITS > INPUT_BITS) begin : named
            assign whole_channel = {{(ID_BITS - INPUT_BITS) {1'b0}}, channel};
        end else begin : named_as_wide
            assign whole_channel = channel;
        end
        if (UNIQUE_INPUTS != 0) begin : ascending
            reg any;
            reg [INPUT_BITS-1:0] last;
            wire in_order = !any || first_channel > last;
            always @(posedge clk) begin
                start <= taken && in_last && !rst;
                if (rst || start) any <= 1'b0;
                else if (new_input) any <= 1'b1;
                if (new_input) last <= first_channel;
                if (rst) error <= 1'b0;
                else if (taken && (is_channel ? !in_order : !is_none)) error <= 1'b1;
            end
            assign in_ready = !busy && !start;
            assign channel = first_channel;
            assign new_input = taken && is_channel && in_order;
            assign looks = 1'b0;
            assign looked_at = inputs_end;
        end else begin : stamped
            localparam [1:0] OPEN = 0, LOOK = 1, JUDGE = 2;
            reg [1:0] state;
            reg [INPUT_BITS-1:0] taken_channel;
            reg is_last;
            wire [INPUT_BITS-1:0] place;
            wire known = looked_at < inputs_end && list_id == whole_channel;
            if (POINTER_BITS > INPUT_BITS) begin : placed
                assign looked_at = {{(POINTER_BITS - INPUT_BITS) {1'b0}}, place};
            end else begin : placed_as_wide
                assign looked_at = place;
            end
            always @(posedge clk) begin
                start <= 1'b0;
                if (rst) begin
                    state <= OPEN;
                    error <= 1'b0;
                end else begin
                    case (state)
                        OPEN:
                        if (taken) begin
                            if (is_channel) state <= LOOK;
                            else begin
                                start <= in_last;
                                if (!is_none) error <= 1'b1;
                            end
                        end
                        LOOK: state <= JUDGE;
                        default: begin
                            state <= OPEN;
                            start <= is_last;
                        end
                    endcase
                end
                if (taken) begin
                    taken_channel <= first_channel;
                    is_last <= in_last;
                end
            end
            rsnn_ram #(
                .WIDTH(INPUT_BITS),
                .DEPTH(N_INPUTS),
                .ADDRESS_BITS(INPUT_BITS)
            ) places (
                .clk(clk),
                .read(taken),
                .read_address(first_channel),
                .read_word(place),
                .write(new_input),
                .write_address(channel),
                .write_word(inputs_end[INPUT_BITS-1:0])
            );
            assign in_ready = state == OPEN && !busy && !start;
            assign channel = taken_channel;
            assign new_input = state == JUDGE && !known;
            assign looks = state == LOOK;
        end
    endgenerate

    // lists
    wire [LAYER_BITS-1:0] below = SOURCE_BELOW[list_layer*LAYER_BITS+:LAYER_BITS];
    wire [LAYER_BITS-1:0] list = list_is_below ? below : below + 1'b1;
    wire of_now = list_is_below && DELAY_STEPS == 0;
    assign list_end = of_now ? ends[list*POINTER_BITS+:POINTER_BITS]
                             : ends_before[list*POINTER_BITS+:POINTER_BITS];

    wire [LAYER_BITS-1:0] spike_list =
        SOURCE_BELOW[spike_layer*LAYER_BITS+:LAYER_BITS] + 1'b1;
    wire [POINTER_BITS-1:0] spikes_end = ends[spike_list*POINTER_BITS+:POINTER_BITS];

    wire [POINTER_BITS-1:0] now_end = busy ? spikes_end : inputs_end;

    rsnn_ram #(
        .WIDTH(ID_BITS),
        .DEPTH(2 << POINTER_BITS),
        .ADDRESS_BITS(POINTER_BITS + 1)
    ) lists (
        .clk(clk),
        .read(busy ? list_read : looks),
        .read_address(
            busy || UNIQUE_INPUTS != 0 ? {half ^ !of_now, list_pointer} : {half, looked_at}
        ),
        .read_word(list_id),
        .write(new_input || spike),
        .write_address({half, now_end}),
        .write_word(busy ? spike_id : whole_channel)
    );

    wire [POINTER_BITS-1:0] end_after = now_end + 1'b1;
    genvar i;
    generate
        for (i = 0; i < N_LAYERS; i = i + 1) begin : each_list
            localparam [POINTER_BITS-1:0] START = LIST_START[i*POINTER_BITS+:POINTER_BITS];
            reg [POINTER_BITS-1:0] kept, former;
            wire adds;
            if (i == 0) begin : of_inputs
                assign adds = new_input;
            end else begin : of_spikes
                assign adds = spike && {{(32 - LAYER_BITS) {1'b0}}, spike_list} == i;
            end
            always @(posedge clk) begin
                if (rst) begin
                    kept <= START;
                    former <= START;
                end else if (step_end) begin
                    kept <= START;
                    former <= i != 0 && adds ? end_after : kept;  // the last spike of the step
                end else if (adds) kept <= end_after;
            end
            assign ends[i*POINTER_BITS+:POINTER_BITS] = kept;
            assign ends_before[i*POINTER_BITS+:POINTER_BITS] = former;
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) half <= 1'b0;
        else if (step_end) half <= !half;
    end
endmodule

`default_nettype wire
