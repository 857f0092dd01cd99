// The words of a neuron: its constants, read a clock after `neuron_next`, and its state.
//
// PACKED, both are in one memory, constants first: where `read_state` was, a clock later the state
// comes, and is kept while constants are read.
`default_nettype none

module rsnn_words #(
    parameter PACKED = 0,
    parameter N_NEURONS = 2,
    parameter NEURON_BITS = 1,
    parameter STATE_BITS = 32,
    parameter CONSTANT_BITS = 40,
    parameter FILE = ""
) (
    input wire clk,
    input wire read_state,
    input wire keep_state,  // it has come
    input wire [NEURON_BITS-1:0] neuron_next,
    output wire [CONSTANT_BITS-1:0] constants,
    output wire [STATE_BITS-1:0] state,
    input wire write,
    input wire [NEURON_BITS-1:0] neuron,
    input wire [STATE_BITS-1:0] new_state
);
    generate
        if (PACKED != 0) begin : packed_words
            localparam WIDTH = STATE_BITS > CONSTANT_BITS ? STATE_BITS : CONSTANT_BITS;
            wire [WIDTH-1:0] word, new_word;
            reg [STATE_BITS-1:0] kept;
            if (WIDTH > STATE_BITS) begin : longer
                assign new_word = {{(WIDTH - STATE_BITS) {1'b0}}, new_state};
            end else begin : as_long
                assign new_word = new_state;
            end
            rsnn_ram #(
                .WIDTH(WIDTH),
                .DEPTH((1 << NEURON_BITS) + N_NEURONS),
                .ADDRESS_BITS(NEURON_BITS + 1),
                .FILLED(1),
                .FILE(FILE)
            ) both (
                .clk(clk),
                .read(1'b1),
                .read_address({read_state, neuron_next}),
                .read_word(word),
                .write(write),
                .write_address({1'b1, neuron}),
                .write_word(new_word)
            );
            always @(posedge clk) if (keep_state) kept <= word[STATE_BITS-1:0];
            assign state = kept;
            assign constants = word[CONSTANT_BITS-1:0];
        end else begin : words_apart
            wire unused = &{1'b0, read_state, keep_state};
            rsnn_rom #(
                .WIDTH(CONSTANT_BITS),
                .DEPTH(N_NEURONS),
                .ADDRESS_BITS(NEURON_BITS),
                .FILE(FILE)
            ) constant_words (
                .clk(clk),
                .read(1'b1),
                .read_address(neuron_next),
                .read_word(constants)
            );
            rsnn_ram #(
                .WIDTH(STATE_BITS),
                .DEPTH(N_NEURONS),
                .ADDRESS_BITS(NEURON_BITS)
            ) state_words (
                .clk(clk),
                .read(1'b1),
                .read_address(neuron_next),
                .read_word(state),
                .write(write),
                .write_address(neuron),
                .write_word(new_state)
            );
        end
    endgenerate
endmodule

`default_nettype wire
