// The decoder behind a serial port: a whole design for a board
// Integer network @DIGEST@
//
// Bytes are those of `@NAME@_bytes`. The last byte of an answer waits until the step is computed, so
// that a sender that waits for answers never sends too early.
`default_nettype none

module @NAME@_uart #(
    parameter DIVIDER = @DIVIDER@  // clocks per bit
) (
    input wire clk,
    input wire rx,
    output wire tx,
    output wire failed_n  // low once a byte was lost, or the decoder has raised a flag
);
    // memories of FPGAs are not readable at once, and nothing else resets the decoder
    reg [7:0] age = 8'd0;
    wire aresetn = &age;
    always @(posedge clk) if (!aresetn) age <= age + 1'b1;

    wire in_valid, in_ready, out_valid, out_ready, out_last, busy, overrun, error, lost;
    wire [7:0] in_byte, out_byte;
    wire passes = !out_last || !busy;
    wire sent_ready;
    assign out_ready = sent_ready && passes;
    assign failed_n = !(lost || overrun || error);

    rsnn_serial #(
        .DIVIDER(DIVIDER)
    ) port (
        .clk(clk),
        .rst(!aresetn),
        .rx(rx),
        .tx(tx),
        .received_valid(in_valid),
        .received_ready(in_ready),
        .received(in_byte),
        .lost(lost),
        .sent_valid(out_valid && passes),
        .sent_ready(sent_ready),
        .sent(out_byte)
    );

    @NAME@_bytes decoder (
        .aclk(clk),
        .aresetn(aresetn),
        .s_axis_tvalid(in_valid),
        .s_axis_tready(in_ready),
        .s_axis_tdata(in_byte),
        .m_axis_tvalid(out_valid),
        .m_axis_tready(out_ready),
        .m_axis_tdata(out_byte),
        .m_axis_tlast(out_last),
        .busy(busy),
        .overrun(overrun),
        .error(error)
    );
endmodule

`default_nettype wire
