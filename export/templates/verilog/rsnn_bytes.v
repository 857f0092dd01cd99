// The decoder of the integer network @DIGEST@ behind a stream of bytes
//
// In: @IN@.
@FIRST@
// Out: a word of `out` per row of the readout, as 4 bytes, the lowest first, signed.
`default_nettype none

module @NAME@_bytes (
    input wire aclk,
    input wire aresetn,  // synchronous, active low
    // AXI4-Streams of bytes; tlast is at the last byte of the last row
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    input wire [7:0] s_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    output wire [7:0] m_axis_tdata,
    output wire m_axis_tlast,
    // as those of `@NAME@`
    output wire busy,
    output wire overrun,
    output wire error
);
    wire loaded, byte_ready, event_valid, event_ready;
    wire byte_valid = s_axis_tvalid && loaded;
    assign s_axis_tready = !loaded || byte_ready;
    wire [@DATA_BITS_1@:0] event_number;

    @LOADED@
    @EVENTS@

    reg [1:0] place;  // of the byte in the word
    wire word_last;
    wire [31:0] word;
    always @(posedge aclk) begin
        if (!aresetn) place <= 2'd0;
        else if (m_axis_tvalid && m_axis_tready) place <= place + 1'b1;
    end
    assign m_axis_tdata = word[8*place+:8];
    assign m_axis_tlast = word_last && place == 2'd3;

    @NAME@ decoder (
        .aclk(aclk),
        .aresetn(aresetn),
        @LOAD_PINS@
        .s_axis_tvalid(event_valid),
        .s_axis_tready(event_ready),
        .s_axis_tdata(event_number),
        .s_axis_tlast(&event_number),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready && place == 2'd3),
        .m_axis_tdata(word),
        .m_axis_tlast(word_last),
        .busy(busy),
        .overrun(overrun),
        .error(error),
        // verilator lint_off PINCONNECTEMPTY
        .trace_valid(),
        .trace_neuron(),
        .trace_spk(),
        .trace_syn(),
        .trace_mem()
        // verilator lint_on PINCONNECTEMPTY
    );
endmodule

`default_nettype wire
