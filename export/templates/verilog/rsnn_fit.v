// A value brought into a narrower word: at the nearest end, or without its upper bits.
`default_nettype none

module rsnn_fit #(
    parameter FROM_BITS = 8,  // at least TO_BITS
    parameter TO_BITS = 8,
    parameter SATURATE = 1
) (
    input wire signed [FROM_BITS-1:0] value,
    output wire signed [TO_BITS-1:0] word
);
    generate
        if (SATURATE != 0 && FROM_BITS > TO_BITS) begin : saturating
            wire negative = value[FROM_BITS-1];
            wire [FROM_BITS-TO_BITS-1:0] upper = value[FROM_BITS-2:TO_BITS-1];
            wire beyond = upper != {(FROM_BITS - TO_BITS) {negative}};
            assign word = beyond ? {negative, {(TO_BITS - 1) {!negative}}} : value[TO_BITS-1:0];
        end else begin : wrapping
            assign word = value[TO_BITS-1:0];
            if (FROM_BITS > TO_BITS) begin : dropped
                wire unused = &{1'b0, value[FROM_BITS-1:TO_BITS]};
            end
        end
    endgenerate
endmodule

`default_nettype wire
