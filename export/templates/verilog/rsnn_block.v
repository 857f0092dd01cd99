// A block of sums while its neurons are updated, the one that is updated first in the lowest bits.
// The sums stay where they are: moving them along would toggle all lanes at each neuron.
`default_nettype none

module rsnn_block #(
    parameter LANES = 1,
    parameter SUM_BITS = 12
) (
    input wire clk,
    input wire rst,
    input wire hand,
    input wire [LANES*SUM_BITS-1:0] hand_below,
    input wire [LANES*SUM_BITS-1:0] hand_own,
    input wire take,  // the neuron has been updated, or needs its sums no more
    input wire is_last_of_layer,
    output reg valid,
    output wire free,
    output wire signed [SUM_BITS-1:0] sum_below,
    output wire signed [SUM_BITS-1:0] sum_own
);
    reg [LANES*SUM_BITS-1:0] below, own;
    always @(posedge clk) begin
        if (hand) begin
            below <= hand_below;
            own <= hand_own;
        end
    end

    wire block_end;
    generate
        if (LANES > 1) begin : several
            reg [$clog2(LANES)-1:0] lane;
            always @(posedge clk) begin
                if (rst || hand) lane <= 0;
                else if (take) lane <= lane + 1'b1;
            end
            assign block_end = take && (is_last_of_layer || &lane);
            assign sum_below = below[lane*SUM_BITS+:SUM_BITS];
            assign sum_own = own[lane*SUM_BITS+:SUM_BITS];
        end else begin : single
            wire unused = is_last_of_layer;
            assign block_end = take;
            assign sum_below = below;
            assign sum_own = own;
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) valid <= 1'b0;
        else if (hand) valid <= 1'b1;
        else if (block_end) valid <= 1'b0;
    end

    assign free = !valid || block_end;
endmodule

`default_nettype wire
