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
    input wire [ANY_BELOW_BITS-1:0] e_below,
    input wire [ANY_OWN_BITS-1:0] e_own,
    input wire signed [ANY_BIAS_BITS-1:0] bias,
    input wire [DECAY_BITS-1:0] decay_syn,
    input wire [DECAY_BITS-1:0] decay_mem,
    input wire signed [LEVEL_BITS-1:0] threshold,
    output wire syn_holds,
    output wire spk_holds,
    output wire mem_holds
);
    localparam SHARED_BITS = SYN_BITS > MEM_BITS ? SYN_BITS : MEM_BITS;
    localparam X_SYN_BITS = PIPELINED != 0 ? SYN_BITS : SHARED_BITS;
    localparam X_MEM_BITS = PIPELINED != 0 ? MEM_BITS : SHARED_BITS;
    localparam ANY_BIAS_BITS = BIAS_BITS > 0 ? BIAS_BITS : 1;
    localparam ANY_BELOW_BITS = BELOW_SHIFT_BITS > 0 ? BELOW_SHIFT_BITS : 1;
    localparam ANY_OWN_BITS = OWN_SHIFT_BITS > 0 ? OWN_SHIFT_BITS : 1;

    // what ships
    wire signed [X_SYN_BITS-1:0] wide_syn = syn;
    wire signed [X_MEM_BITS-1:0] wide_mem = mem;
    wire signed [ACC_BITS-1:0] shipped_acc;
    wire signed [SYN_BITS-1:0] next_syn;
    wire signed [MEM_BITS-1:0] next_mem;
    wire fires;
    wire signed [X_SYN_BITS+DECAY_FRAC-1:0] product_syn;
    wire signed [X_SYN_BITS-1:0] floor_syn;
    wire up_syn;
    rsnn_decay_single #(
        .X_BITS(X_SYN_BITS),
        .DECAY_BITS(DECAY_BITS),
        .DECAY_FRAC(DECAY_FRAC)
    ) of_syn (
        .x(wide_syn),
        .decay(decay_syn),
        .product(product_syn)
    );
    rsnn_round #(
        .X_BITS(X_SYN_BITS),
        .DECAY_FRAC(DECAY_FRAC),
        .ROUND_TO_ZERO(ROUND_TO_ZERO)
    ) round_syn (
        .product(product_syn),
        .down(floor_syn),
        .up(up_syn)
    );
    // sums of turns, which `rsnn_proof_turn` proves, come rounded
    wire signed [X_SYN_BITS-1:0] down_syn =
        MULTIPLIER != 0 ? floor_syn : floor_syn + $signed({{(X_SYN_BITS - 1) {1'b0}}, up_syn});
    wire rest_syn = MULTIPLIER != 0 && up_syn;
    wire signed [X_MEM_BITS+DECAY_FRAC-1:0] product_mem;
    wire signed [X_MEM_BITS-1:0] floor_mem;
    wire up_mem;
    rsnn_decay_single #(
        .X_BITS(X_MEM_BITS),
        .DECAY_BITS(DECAY_BITS),
        .DECAY_FRAC(DECAY_FRAC)
    ) of_mem (
        .x(wide_mem),
        .decay(decay_mem),
        .product(product_mem)
    );
    rsnn_round #(
        .X_BITS(X_MEM_BITS),
        .DECAY_FRAC(DECAY_FRAC),
        .ROUND_TO_ZERO(ROUND_TO_ZERO)
    ) round_mem (
        .product(product_mem),
        .down(floor_mem),
        .up(up_mem)
    );
    // sums of turns, which `rsnn_proof_turn` proves, come rounded
    wire signed [X_MEM_BITS-1:0] down_mem =
        MULTIPLIER != 0 ? floor_mem : floor_mem + $signed({{(X_MEM_BITS - 1) {1'b0}}, up_mem});
    wire rest_mem = MULTIPLIER != 0 && up_mem;
    rsnn_acc #(
        .SUM_BITS(SUM_BITS),
        .BELOW_SHIFT_BITS(ANY_BELOW_BITS),
        .OWN_SHIFT_BITS(ANY_OWN_BITS),
        .ACC_BITS(ACC_BITS)
    ) shifted (
        .sum_below(sum_below),
        .sum_own(sum_own),
        .e_below(e_below),
        .e_own(e_own),
        .acc(shipped_acc)
    );
    rsnn_current #(
        .X_BITS(X_SYN_BITS),
        .SYN_BITS(SYN_BITS),
        .ACC_BITS(ACC_BITS),
        .FRAC_BITS(FRAC_BITS),
        .BIAS_BITS(ANY_BIAS_BITS),
        .SATURATE_SYN(SATURATE_SYN)
    ) current (
        .down(down_syn),
        .up(rest_syn),
        .acc(shipped_acc),
        .bias(bias),
        .next_syn(next_syn)
    );
    wire shipped_over;
    rsnn_over #(
        .MEM_BITS(MEM_BITS),
        .LEVEL_BITS(LEVEL_BITS),
        .FIRES_AT_EQUAL(FIRES_AT_EQUAL)
    ) over_before (
        .mem(mem),
        .not_threshold(~threshold),
        .over(shipped_over)
    );
    rsnn_membrane #(
        .X_BITS(X_MEM_BITS),
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
        .was_over(shipped_over),
        .down(down_mem),
        .up(rest_mem),
        .drive(drive),
        .not_threshold(~threshold),
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

// A turn of `rsnn_decay_serial.v`, for any word between 0 and x that the turn before may have left.
//
// That all turns give D(x, decay) follows: let d be the decay's k lowest bits, and left its sum
// after k turns, so that left 2^k is x d, rounded toward zero (or down) to a multiple of 2^k. The
// next turn keeps the half of left + bit x + up that is proved here, so left' 2^(k+1) is
// x (d + bit 2^k) rounded to one of 2^(k+1). After DECAY_FRAC turns d is the decay.
module rsnn_proof_turn #(
    @TURN_PARAMETERS@
) (
    input wire [TURN_BITS-1:0] turn,
    input wire signed [X_BITS-1:0] left,
    input wire signed [X_BITS-1:0] x,
    input wire [DECAY_BITS-1:0] decay,
    output wire turn_holds
);
    localparam ALL_BITS = X_BITS + 4;

    wire signed [X_BITS-1:0] next;
    rsnn_decay_serial #(
        .X_BITS(X_BITS),
        .DECAY_BITS(DECAY_BITS),
        .DECAY_FRAC(DECAY_FRAC),
        .TURN_BITS(TURN_BITS),
        .ROUND_TO_ZERO(ROUND_TO_ZERO)
    ) shipped (
        .turn(turn),
        .left(left),
        .x(x),
        .decay(decay),
        .decayed(next)
    );

    wire signed [ALL_BITS-1:0] before = left, after = next, whole = x, none = 0;
    wire signed [ALL_BITS-1:0] up = ROUND_TO_ZERO != 0 && x < 0;
    wire signed [ALL_BITS-1:0] term = ((decay >> turn) & 1) != 0 ? whole : none;
    wire signed [ALL_BITS-1:0] dropped = before + term + up - (after <<< 1);
    wire possible = turn < DECAY_FRAC && decay <= 1 << DECAY_FRAC
        && (x < 0 ? before <= 0 && before >= whole : before >= 0 && before <= whole);
    wire stays = x < 0 ? after <= 0 && after >= whole : after >= 0 && after <= whole;
    wire is_unity = decay == 1 << DECAY_FRAC;
    wire halves = dropped == 0 || dropped == 1;
    assign turn_holds = !possible || (is_unity ? after == whole : stays && halves);
endmodule

`default_nettype wire
