// Sends the bytes of `link.in` to the decoder behind a stream of bytes, or a serial port (-D UART),
// step by step, and writes those of its answers to `link.out`.
//
// An answer is waited for before the next step; both sides make each other wait now and then. A flag
// that is raised, or a byte that is marked wrongly, inverts all bytes from there on.
`default_nettype none

module rsnn_link_replay;
    localparam STEP_BYTES = @STEP_BYTES@;  // of an answer
    localparam EVENT_BYTES = @EVENT_BYTES@;
    localparam LOAD_BYTES = @LOAD_BYTES@;  // that come first
    reg clk = 0;
    always #1 clk = !clk;

    reg aresetn = 0;
    reg in_valid = 0, out_ready = 0;
    reg [7:0] in_byte = 0;
    wire in_ready, out_valid, out_last, failed;
    wire [7:0] out_byte;
    integer from, to, answered, read, place, waits, loads;

`ifdef UART
    wire to_board, from_board, failed_n, lost;
    rsnn_serial #(
        .DIVIDER(12)
    ) host (
        .clk(clk),
        .rst(!aresetn),
        .rx(from_board),
        .tx(to_board),
        .received_valid(out_valid),
        .received_ready(out_ready),
        .received(out_byte),
        .lost(lost),
        .sent_valid(in_valid),
        .sent_ready(in_ready),
        .sent(in_byte)
    );
    @NAME@_uart #(
        .DIVIDER(12)
    ) board (
        .clk(clk),
        .rx(to_board),
        .tx(from_board),
        .failed_n(failed_n)
    );
    assign failed = lost || !failed_n;
    assign out_last = answered == STEP_BYTES - 1;
    wire started = board.aresetn;
`else
    wire busy, overrun, error;
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
    // a step that is complete while the one before is computed waits: that is no failure here
    wire unused = &{1'b0, busy, overrun};
    assign failed = error;
    wire started = 1'b1;
`endif

    reg [15:0] turn;
    reg faulty, ends, is_end;  // the step has been sent; the event is its end so far
    initial begin
        from = $fopen("link.in", "rb");
        to = $fopen("link.out", "wb");
        answered = 0;
        place = 0;
        waits = 0;
        loads = 0;
        turn = 1;
        faulty = 0;
        ends = 0;
    end

    always @(posedge clk) begin
        turn <= {turn[14:0], turn[15] ^ turn[13] ^ turn[12] ^ turn[10]};
        waits = waits + 1;
        aresetn <= 1;
        out_ready <= turn[0];
        if (aresetn && started && (failed !== 1'b0)) faulty = 1;
        if (in_valid && in_ready) begin
            in_valid <= 0;
            in_byte <= ~in_byte;
            if (loads < LOAD_BYTES) begin
                loads = loads + 1;
                waits = 0;
            end else begin
                is_end = (place == 0 || is_end) && in_byte == 8'hff;
                place = (place + 1) % EVENT_BYTES;
                if (place == 0) ends = is_end;
            end
        end else if (!in_valid && aresetn && started && !ends && turn[1]) begin
            read = $fgetc(from);
            if (read < 0) begin
                $fclose(to);
                $finish(0);
            end
            in_byte <= read[7:0];
            in_valid <= 1;
        end
        if (out_valid && out_ready) begin
            if (out_last != (answered == STEP_BYTES - 1)) faulty = 1;
            if ((^out_byte === 1'bx)) faulty = 1;
            $fwrite(to, "%c", faulty ? ~out_byte : out_byte);
            waits = 0;
            answered = answered + 1;
            if (answered == STEP_BYTES) begin
                answered = 0;
                ends = 0;
            end
        end
        if (waits > @LIMIT@) begin
            $fclose(to);
            $finish(0);
        end
    end
endmodule

`default_nettype wire
