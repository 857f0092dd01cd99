// Bytes over two wires: 8 data bits, the lowest first, no parity, one stop bit.
`default_nettype none

module rsnn_serial #(
    parameter DIVIDER = 12  // clocks per bit, at least 4
) (
    input wire clk,
    input wire rst,
    input wire rx,
    output wire tx,
    // bytes that were received; one is kept until it is taken
    output reg received_valid,
    input wire received_ready,
    output reg [7:0] received,
    output reg lost,  // since reset, a byte came before the one before was taken
    // bytes to send
    input wire sent_valid,
    output wire sent_ready,
    input wire [7:0] sent
);
    localparam TIMER_BITS = $clog2(DIVIDER);
    localparam [TIMER_BITS-1:0] WHOLE = DIVIDER[TIMER_BITS-1:0] - 1'b1;
    localparam [TIMER_BITS-1:0] HALF = DIVIDER[TIMER_BITS:1] - 1'b1;

    // receive: each bit is sampled in its middle
    reg [2:0] wire_now;  // the last two clocks ago
    reg receiving;
    reg [TIMER_BITS-1:0] rx_timer;
    reg [3:0] rx_left;
    wire sample = receiving && rx_timer == 0;
    wire is_start = rx_left == 4'd9;
    wire is_stop = rx_left == 4'd0;
    wire taken = received_valid && received_ready;
    always @(posedge clk) begin
        wire_now <= {wire_now[1:0], rx};
        if (rst) begin
            wire_now <= 3'b111;
            receiving <= 1'b0;
            received_valid <= 1'b0;
            lost <= 1'b0;
        end else begin
            if (taken) received_valid <= 1'b0;
            if (!receiving) begin
                receiving <= !wire_now[2];
                rx_timer <= HALF;
                rx_left <= 4'd9;
            end else if (sample) begin
                rx_timer <= WHOLE;
                rx_left <= rx_left - 1'b1;
                if (is_start && wire_now[2]) receiving <= 1'b0;  // it was none
                if (!is_start && received_valid && !taken) lost <= 1'b1;
                if (is_stop) begin
                    receiving <= 1'b0;
                    received_valid <= wire_now[2];
                end
            end else rx_timer <= rx_timer - 1'b1;
        end
        if (sample && !is_start && !is_stop) received <= {wire_now[2], received[7:1]};
    end

    // send
    reg [TIMER_BITS-1:0] tx_timer;
    reg [3:0] tx_left;
    reg [8:0] tx_bits;
    assign sent_ready = tx_left == 0;
    assign tx = tx_bits[0];
    always @(posedge clk) begin
        if (rst) begin
            tx_left <= 4'd0;
            tx_bits <= 9'h1ff;
            tx_timer <= 0;
        end else if (sent_ready) begin
            if (sent_valid) begin
                tx_left <= 4'd10;
                tx_bits <= {sent, 1'b0};
                tx_timer <= WHOLE;
            end
        end else if (tx_timer == 0) begin
            tx_left <= tx_left - 1'b1;
            tx_bits <= {1'b1, tx_bits[8:1]};
            tx_timer <= WHOLE;
        end else tx_timer <= tx_timer - 1'b1;
    end
endmodule

`default_nettype wire
