// The sums of the readout for the next step: a neuron that spikes has its weights at hand, among
// its constants, so that its row of the readout needs neither an event nor a word of weights.
`default_nettype none

module rsnn_rows #(
    parameter N_ROWS = 2,
    parameter WEIGHT_BITS = 8,
    parameter SUM_BITS = 12,
    parameter ID_BITS = 8
) (
    input wire clk,
    input wire spike,
    input wire [N_ROWS*WEIGHT_BITS-1:0] weights,  // of the neuron that spikes
    input wire clear,  // the last row has been taken, or gets its first value
    input wire [ID_BITS-1:0] row,
    output wire signed [SUM_BITS-1:0] sum
);
    wire [N_ROWS*SUM_BITS-1:0] sums;

    genvar i;
    generate
        for (i = 0; i < N_ROWS; i = i + 1) begin : rows
            reg signed [SUM_BITS-1:0] kept;
            wire [WEIGHT_BITS-1:0] weight = weights[i*WEIGHT_BITS+:WEIGHT_BITS];
            wire signed [SUM_BITS-1:0] term =
                {{(SUM_BITS - WEIGHT_BITS) {weight[WEIGHT_BITS-1]}}, weight};
            always @(posedge clk) begin
                if (clear) kept <= 0;
                else if (spike) kept <= kept + term;
            end
            assign sums[i*SUM_BITS+:SUM_BITS] = kept;
        end
        if (N_ROWS > 1) begin : several
            localparam ROW_BITS = $clog2(N_ROWS);
            wire [ROW_BITS-1:0] index = row[ROW_BITS-1:0];
            if (ID_BITS > ROW_BITS) begin : longer
                wire unused = &{1'b0, row[ID_BITS-1:ROW_BITS]};
            end
            assign sum = sums[index*SUM_BITS+:SUM_BITS];
        end else begin : single
            wire unused = &{1'b0, row};
            assign sum = sums;
        end
    endgenerate
endmodule

`default_nettype wire
