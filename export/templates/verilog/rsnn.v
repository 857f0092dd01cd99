// Decoder of the integer network @DIGEST@
// @SHAPE@
// @OPTIONS@
//
@READING@
`default_nettype none

module @NAME@ (
    input wire aclk,
    input wire aresetn,  // synchronous, active low
    @LOAD_PORTS@
    // AXI4-Stream of events: the channels that spike in a step, in any order; tlast ends the step.
    // All ones are no channel, for a step without spikes, or to end one.
    @ORDER@
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    input wire [@DATA_BITS_1@:0] s_axis_tdata,
    input wire s_axis_tlast,
    // AXI4-Stream of `out` words, signed: one per row of the readout, the last one marked
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    output wire [31:0] m_axis_tdata,
    output wire m_axis_tlast,
    output wire busy,  // a step is computed; otherwise the clock may stand still
    output wire overrun,  // since reset, a step was complete before the one before was computed
    output wire error,  // since reset, @ERRORS@ was left out
    // every state word when it is written; leave open what is not used
    output wire trace_valid,
    output wire [@NEURON_BITS_1@:0] trace_neuron,
    output wire trace_spk,
    output wire signed [@SYN_BITS_1@:0] trace_syn,
    output wire signed [@MEM_BITS_1@:0] trace_mem
);
    @LOAD_WIRES@
    wire signed [@MEM_BITS_1@:0] out_word;
    assign m_axis_tdata = @OUT_WORD@;

    rsnn_core #(
        @PARAMETERS@
    ) core (
        .clk(aclk),
        .rst(!aresetn),
        @LOAD_PINS@
        .in_valid(s_axis_tvalid),
        .in_ready(s_axis_tready),
        .in_channel(s_axis_tdata),
        .in_last(s_axis_tlast),
        .out_valid(m_axis_tvalid),
        .out_ready(m_axis_tready),
        .out_word(out_word),
        .out_last(m_axis_tlast),
        .busy(busy),
        .overrun(overrun),
        .error(error),
        .trace_valid(trace_valid),
        .trace_neuron(trace_neuron),
        .trace_spk(trace_spk),
        .trace_syn(trace_syn),
        .trace_mem(trace_mem)
    );
endmodule

`default_nettype wire
