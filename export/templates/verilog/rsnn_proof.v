// The arithmetic of a neuron beside the equations of the numeric contract, for a solver: each output
// is 1 whatever the inputs. `make proof` runs it. Network @DIGEST@
//
// Under what the weights allow: sums, shifted, fit ACC_BITS, decays are at most unity, and a word
// that cannot overflow is not asked to. The membrane is proved for any drive, be it the current of
// this step or of the one before.
`default_nettype none

module rsnn_proof #(
    @PARAMETERS@
) (
    input wire is_row,
    input wire signed [SYN_BITS-1:0] syn,
    input wire signed [MEM_BITS-1:0] mem,
    input wire signed [SYN_BITS-1:0] drive,
    input wire signed [SUM_BITS-1:0] sum_below,
    input wire signed [SUM_BITS-1:0] sum_own,
    input wire [ANY_SHIFT_BITS-1:0] e_below,
    input wire [ANY_SHIFT_BITS-1:0] e_own,
    input wire signed [ANY_BIAS_BITS-1:0] bias,
    input wire [DECAY_BITS-1:0] decay_syn,
    input wire [DECAY_BITS-1:0] decay_mem,
    input wire signed [LEVEL_BITS-1:0] threshold,
    output wire syn_holds,
    output wire spk_holds,
    output wire mem_holds
);
    localparam X_BITS = SYN_BITS > MEM_BITS ? SYN_BITS : MEM_BITS;
    localparam ANY_BIAS_BITS = BIAS_BITS > 0 ? BIAS_BITS : 1;
    localparam ANY_SHIFT_BITS = SHIFT_BITS > 0 ? SHIFT_BITS : 1;

    // what ships
    wire signed [X_BITS-1:0] wide_syn = syn;
    wire signed [X_BITS-1:0] wide_mem = mem;
    wire signed [X_BITS-1:0] kept_syn, kept_mem;
    wire signed [SYN_BITS-1:0] next_syn;
    wire signed [MEM_BITS-1:0] next_mem;
    wire fires;
    rsnn_decay_single #(
        .X_BITS(X_BITS),
        .DECAY_BITS(DECAY_BITS),
        .DECAY_FRAC(DECAY_FRAC),
        .ROUND_TO_ZERO(ROUND_TO_ZERO)
    ) of_syn (
        .x(wide_syn),
        .decay(decay_syn),
        .decayed(kept_syn)
    );
    rsnn_decay_single #(
        .X_BITS(X_BITS),
        .DECAY_BITS(DECAY_BITS),
        .DECAY_FRAC(DECAY_FRAC),
        .ROUND_TO_ZERO(ROUND_TO_ZERO)
    ) of_mem (
        .x(wide_mem),
        .decay(decay_mem),
        .decayed(kept_mem)
    );
    rsnn_current #(
        .X_BITS(X_BITS),
        .SYN_BITS(SYN_BITS),
        .SUM_BITS(SUM_BITS),
        .SHIFT_BITS(ANY_SHIFT_BITS),
        .ACC_BITS(ACC_BITS),
        .FRAC_BITS(FRAC_BITS),
        .BIAS_BITS(ANY_BIAS_BITS),
        .SATURATE_SYN(SATURATE_SYN)
    ) current (
        .decayed(kept_syn),
        .sum_below(sum_below),
        .sum_own(sum_own),
        .e_below(e_below),
        .e_own(e_own),
        .bias(bias),
        .next_syn(next_syn)
    );
    rsnn_membrane #(
        .X_BITS(X_BITS),
        .SYN_BITS(SYN_BITS),
        .MEM_BITS(MEM_BITS),
        .LEVEL_BITS(LEVEL_BITS),
        .FIRES_ON(FIRES_ON),
        .FIRES_AT_EQUAL(FIRES_AT_EQUAL),
        .RESET_SUBTRACTS(RESET_SUBTRACTS),
        .RESET_DROPS_INPUT(RESET_DROPS_INPUT),
        .RESET_DELAY(RESET_DELAY),
        .SATURATE_MEM(SATURATE_MEM)
    ) membrane (
        .is_row(is_row),
        .mem(mem),
        .decayed(kept_mem),
        .drive(drive),
        .threshold(threshold),
        .fires(fires),
        .next_mem(next_mem)
    );

    // the contract, in words that hold everything
    localparam ALL_BITS = @ALL_BITS@;
    localparam signed [ALL_BITS-1:0] ONE = 1;

    function signed [ALL_BITS-1:0] whole(input signed [ALL_BITS-1:0] product);
        // sign(x d) (|x d| >> decay_frac), or the arithmetic shift
        whole = ROUND_TO_ZERO == 0 || product >= 0 ? product >>> DECAY_FRAC
                                                   : -((-product) >>> DECAY_FRAC);
    endfunction

    function within(input signed [ALL_BITS-1:0] value, input integer bits);
        within = value >= -(ONE <<< (bits - 1)) && value < (ONE <<< (bits - 1));
    endfunction

    function signed [ALL_BITS-1:0] word(
        input signed [ALL_BITS-1:0] value, input integer bits, input integer saturate
    );
        if (within(value, bits)) word = value;
        else if (saturate == 0) word = (value <<< (ALL_BITS - bits)) >>> (ALL_BITS - bits);
        else word = value < 0 ? -(ONE <<< (bits - 1)) : (ONE <<< (bits - 1)) - ONE;
    endfunction

    wire signed [ALL_BITS-1:0] x_syn = syn, x_mem = mem, driven = drive;
    wire signed [ALL_BITS-1:0] level = threshold, added = bias;
    wire signed [ALL_BITS-1:0] d_syn = {1'b0, decay_syn}, d_mem = {1'b0, decay_mem};
    wire signed [ALL_BITS-1:0] from_below = sum_below, from_own = sum_own;
    wire signed [ALL_BITS-1:0] acc = (from_below <<< e_below) + (from_own <<< e_own);
    wire possible = d_syn <= (ONE <<< DECAY_FRAC) && d_mem <= (ONE <<< DECAY_FRAC)
        && within(from_below <<< e_below, ACC_BITS) && within(from_own <<< e_own, ACC_BITS)
        && within(acc, ACC_BITS);

    wire signed [ALL_BITS-1:0] asked_syn = whole(x_syn * d_syn) + (acc <<< FRAC_BITS) + added;
    wire signed [ALL_BITS-1:0] right_syn = word(asked_syn, SYN_BITS, SATURATE_SYN);
    wire syn_fits = FITS_SYN == 0 || within(asked_syn, SYN_BITS);
    wire signed [ALL_BITS-1:0] found_syn = next_syn;
    assign syn_holds = !possible || !syn_fits || found_syn == right_syn;

    wire signed [ALL_BITS-1:0] decayed = whole(x_mem * d_mem);
    wire signed [ALL_BITS-1:0] asked_sum = decayed + driven;
    wire signed [ALL_BITS-1:0] asked_reset =
        (RESET_SUBTRACTS != 0 ? decayed - level : 0) + (RESET_DROPS_INPUT != 0 ? 0 : driven);
    wire signed [ALL_BITS-1:0] integrated = word(asked_sum, MEM_BITS, SATURATE_MEM);
    wire signed [ALL_BITS-1:0] cleared = word(asked_reset, MEM_BITS, SATURATE_MEM);
    wire was_over = FIRES_AT_EQUAL != 0 ? x_mem >= level : x_mem > level;
    wire signed [ALL_BITS-1:0] tested =
        FIRES_ON == 0 ? x_mem : FIRES_ON == 1 || !was_over ? integrated : cleared;
    wire spk = !is_row && (FIRES_AT_EQUAL != 0 ? tested >= level : tested > level);
    wire resets = !is_row && (RESET_DELAY != 0 ? was_over : spk);
    wire signed [ALL_BITS-1:0] right_mem = resets ? cleared : integrated;

    wire keeps = within(resets ? asked_reset : asked_sum, MEM_BITS);
    wire tests = FIRES_ON == 0 || is_row
        || within(FIRES_ON == 2 && was_over ? asked_reset : asked_sum, MEM_BITS);
    wire mem_fits = FITS_MEM == 0 || keeps && tests;
    wire assumed = possible && mem_fits;
    wire signed [ALL_BITS-1:0] found_mem = next_mem;
    assign spk_holds = !assumed || fires == spk;
    assign mem_holds = !assumed || found_mem == right_mem;
endmodule

`default_nettype wire
