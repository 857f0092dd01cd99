// The membrane of a step, whether it fires, and what a reset leaves of it.
//
// integrated = mem(D(mem, decay_mem) + drive)
// cleared    = mem(what RESET_SUBTRACTS and RESET_DROPS_INPUT leave of it)
// was_over   = mem > threshold (>= if FIRES_AT_EQUAL)
// tested     = mem, integrated, or cleared where was_over, else integrated  (FIRES_ON 0, 1, 2)
// fires      = tested > threshold
// mem'       = cleared where fires (was_over if RESET_DELAY), else integrated
`default_nettype none

module rsnn_membrane #(
    parameter X_BITS = 16,
    parameter SYN_BITS = 16,
    parameter MEM_BITS = 16,
    parameter LEVEL_BITS = 16,
    parameter FIRES_ON = 0,
    parameter FIRES_AT_EQUAL = 0,
    parameter RESET_SUBTRACTS = 0,
    parameter RESET_DROPS_INPUT = 1,
    parameter RESET_DELAY = 0,
    parameter SATURATE_MEM = 1
) (
    input wire is_row,  // of the readout: it never fires
    input wire was_over,  // the membrane before this step, as `rsnn_over.v` says
    input wire signed [X_BITS-1:0] down,  // D is this, or 1 more
    input wire up,
    input wire signed [SYN_BITS-1:0] drive,
    input wire signed [LEVEL_BITS-1:0] not_threshold,  // ~threshold, which is -threshold - 1
    output wire fires,
    output wire signed [MEM_BITS-1:0] next_mem
);
    localparam LARGER_BITS = X_BITS > LEVEL_BITS ? X_BITS : LEVEL_BITS;
    localparam WIDE_BITS = (LARGER_BITS > SYN_BITS ? LARGER_BITS : SYN_BITS) + 2;

    wire signed [WIDE_BITS-1:0] kept = {{(WIDE_BITS - X_BITS) {down[X_BITS-1]}}, down};
    wire signed [WIDE_BITS-1:0] driven = {{(WIDE_BITS - SYN_BITS) {drive[SYN_BITS-1]}}, drive};
    wire signed [WIDE_BITS-1:0] not_level =
        {{(WIDE_BITS - LEVEL_BITS) {not_threshold[LEVEL_BITS-1]}}, not_threshold};
    wire signed [WIDE_BITS-1:0] none = {WIDE_BITS{1'b0}};

    // the lowest bit of a sum is the carry
    wire signed [WIDE_BITS:0] sum = {kept, 1'b1} + {driven, up};
    wire signed [WIDE_BITS:0] alone = {kept, 1'b1} + {none, up};
    wire signed [WIDE_BITS:0] subtracted = {alone[WIDE_BITS:1], 1'b1} + {not_level, 1'b1};

    wire signed [MEM_BITS-1:0] integrated;
    rsnn_fit #(
        .FROM_BITS(WIDE_BITS),
        .TO_BITS(MEM_BITS),
        .SATURATE(SATURATE_MEM)
    ) fit_integrated (
        .value($signed(sum[WIDE_BITS:1])),
        .word(integrated)
    );

    wire signed [WIDE_BITS-1:0] left =
        RESET_SUBTRACTS != 0 ? $signed(subtracted[WIDE_BITS:1]) : none;
    wire signed [MEM_BITS-1:0] cleared;
    rsnn_fit #(
        .FROM_BITS(WIDE_BITS),
        .TO_BITS(MEM_BITS),
        .SATURATE(SATURATE_MEM)
    ) fit_cleared (
        .value(RESET_DROPS_INPUT != 0 ? left : left + driven),
        .word(cleared)
    );

    wire signed [MEM_BITS-1:0] tested = FIRES_ON == 2 && was_over ? cleared : integrated;
    wire is_over;
    rsnn_over #(
        .MEM_BITS(MEM_BITS),
        .LEVEL_BITS(LEVEL_BITS),
        .FIRES_AT_EQUAL(FIRES_AT_EQUAL)
    ) test_it (
        .mem(tested),
        .not_threshold(not_threshold),
        .over(is_over)
    );
    assign fires = !is_row && (FIRES_ON == 0 ? was_over : is_over);

    wire resets = RESET_DELAY != 0 ? was_over : fires;
    wire unused = &{1'b0, sum[0], alone[0], subtracted};
    assign next_mem = resets && !is_row ? cleared : integrated;
endmodule

`default_nettype wire
