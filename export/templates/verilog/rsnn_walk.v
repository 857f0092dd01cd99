// Neurons one after the other, in the order of computation, then again from the first.
`default_nettype none

module rsnn_walk #(
    parameter N_LAYERS = 2,
    parameter LAYER_BITS = 1,
    parameter N_NEURONS = 2,
    parameter NEURON_BITS = 1,
    parameter COUNT_BITS = 8,
    parameter ID_BITS = 8,
    parameter [N_LAYERS*COUNT_BITS-1:0] NEURONS = 0,
    parameter READOUT_LAYER = 0
) (
    input wire clk,
    input wire rst,
    input wire advance,
    output reg [NEURON_BITS-1:0] neuron,
    output wire [NEURON_BITS-1:0] neuron_next,  // what `neuron` is a clock later
    output reg [LAYER_BITS-1:0] layer,
    output reg [ID_BITS-1:0] id,  // within its layer
    output wire is_row,  // of the readout
    output wire is_last,
    output wire is_last_of_layer
);
    wire [COUNT_BITS-1:0] n_layer = NEURONS[layer*COUNT_BITS+:COUNT_BITS];
    wire [31:0] whole_id = {{(32 - ID_BITS) {1'b0}}, id};

    assign is_row = {{(32 - LAYER_BITS) {1'b0}}, layer} == READOUT_LAYER;
    assign is_last = {{(32 - NEURON_BITS) {1'b0}}, neuron} == N_NEURONS - 1;
    assign is_last_of_layer = whole_id + 1 == {{(32 - COUNT_BITS) {1'b0}}, n_layer};
    wire [NEURON_BITS-1:0] neuron_after = is_last ? {NEURON_BITS{1'b0}} : neuron + 1'b1;
    assign neuron_next = advance ? neuron_after : neuron;

    always @(posedge clk) begin
        if (rst) begin
            neuron <= 0;
            layer <= 0;
            id <= 0;
        end else begin
            neuron <= neuron_next;
            if (advance) begin
                id <= is_last_of_layer ? {ID_BITS{1'b0}} : id + 1'b1;
                if (is_last) layer <= 0;
                else if (is_last_of_layer) layer <= layer + 1'b1;
            end
        end
    end
endmodule

`default_nettype wire
