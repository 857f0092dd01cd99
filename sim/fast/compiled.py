"""The compiled step, over blocks of neurons that vectorise.

State and constants of a neuron lie in one array of 32-bit words, the arena, as `FIELDS` rows of
`LANES` neurons for each block, so that a block's loop has a constant length, no branch and no two
arrays that a compiler must suspect to overlap. Hidden layers follow each other and the readout
comes last; each fills whole blocks, and a spare lane has no weights and never fires.

A decay factor is kept with 16 fractional bits whatever the contract's `decay_frac`, which is exact
and makes every product fit 32 bits: with x = 2^16 h + l, x d / 2^16 is h d + l d / 2^16.

`update` is compiled for each contract and called by address from `advance`, the loop over time,
which is compiled once for each width of weights and sums. All of it stands in this file, because
the date of a file decides whether what was compiled from it and cached on disk is still good.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg, no-any-return"
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from base.numba_cache import can_cache
from sim.contract import NumericContract

# Indices are unsigned: numba would test a signed one for being negative, which no loop survives.
LANES = np.uint64(16)
SYN, MEM, DECAY_SYN, DECAY_MEM = map(np.uint64, range(4))
THRESHOLD, SHIFT_IN, SHIFT_REC, BIAS = map(np.uint64, range(4, 8))
FIELDS = np.uint64(8)
DECAY_BITS = 16
# Columns of the table of layers, of which the readout is the last.
N_BLOCKS, FIRST_BLOCK, FIRST_IN, FIRST_REC, IS_RECURRENT = map(np.uint64, range(5))
_WORD_BYTES, _WORD_BITS = np.uint64(8), np.uint64(64)  # bytes in a word of spikes
_ZERO, _ONE, _TWO, _THREE, _FOUR = map(np.uint64, (0, 1, 2, 3, 4))
_LOW = np.uint32((1 << DECAY_BITS) - 1)
_UPDATE = (
    types.CPointer(types.int32),
    types.CPointer(types.uint8),
    types.CPointer(types.int64),
    types.uint64,
    types.uint64,
    types.uint64,
)


@cache
def update(c: NumericContract, *, is_wide: bool, sums_are_short: bool) -> Any:
    """Compile one step of the neurons in the blocks from `first_block` to `end_block`.

    Those before `readout_block` are hidden ones. `advance` calls it by its `address`. `is_wide`
    takes sums in 64 bits, for networks in which 32 might not hold them; `sums_are_short` says that
    what arrives was summed in 16 bits.
    """
    current_is_previous, fires_at_equal = c.current == "previous", c.fires_when == ">="
    fires_on_previous = c.fires_on == "previous_membrane"
    fires_after_reset = c.fires_on == "reset_membrane"
    reset_to_zero, reset_drops_input = c.reset == "zero", c.reset_drops_input
    reset_delay, floor = c.reset_delay, c.rounding == "floor"
    wrap_syn, wrap_mem = c.overflow_syn == "wrap", c.overflow_mem == "wrap"
    word = np.int64 if is_wide else np.int32
    last_bit = word(63 if is_wide else 31)  # tells the compiler that no shift is longer
    sums = types.CPointer(types.int16 if sums_are_short else types.int32)

    @cfunc(types.void(sums, sums, *_UPDATE), cache=can_cache(__file__), error_model="numpy")
    def step(sums_in, sums_rec, arena, spk, limits, first_block, readout_block, end_block):
        syn_high = word(limits[0])
        mem_high = word(limits[1])
        syn_low = word(-syn_high - 1)
        mem_low = word(-mem_high - 1)
        syn_spare = word(limits[2]) & last_bit
        mem_spare = word(limits[3]) & last_bit

        for block in range(first_block, readout_block):
            base = block * (FIELDS * LANES)
            first = block * LANES
            for lane in range(LANES):
                i = base + lane
                unit = first + lane
                syn = arena[i + SYN * LANES]
                mem = arena[i + MEM * LANES]
                threshold = arena[i + THRESHOLD * LANES]
                sum_in = word(sums_in[unit]) << (word(arena[i + SHIFT_IN * LANES]) & last_bit)
                sum_rec = word(sums_rec[unit]) << (word(arena[i + SHIFT_REC * LANES]) & last_bit)
                kept = _decayed(syn, arena[i + DECAY_SYN * LANES], floor)
                arrived = word(word(sum_in) + word(sum_rec))
                arrived = word(arrived + word(arena[i + BIAS * LANES]))
                new = word(word(kept) + arrived)
                if wrap_syn:
                    new_syn = np.int32(word(new << syn_spare) >> syn_spare)
                else:
                    new_syn = np.int32(min(max(new, syn_low), syn_high))
                drive = syn if current_is_previous else new_syn

                kept = _decayed(mem, arena[i + DECAY_MEM * LANES], floor)
                new = word(word(kept) + word(drive))
                if wrap_mem:
                    integrated = np.int32(word(new << mem_spare) >> mem_spare)
                else:
                    integrated = np.int32(min(max(new, mem_low), mem_high))

                new = word(0) if reset_to_zero else word(word(kept) - word(threshold))
                if not reset_drops_input:
                    new = word(new + word(drive))
                if wrap_mem:
                    cleared = np.int32(word(new << mem_spare) >> mem_spare)
                else:
                    cleared = np.int32(min(max(new, mem_low), mem_high))

                was_over = mem >= threshold if fires_at_equal else mem > threshold
                if fires_on_previous:
                    fires = was_over
                else:
                    tested = cleared if fires_after_reset and was_over else integrated
                    fires = tested >= threshold if fires_at_equal else tested > threshold
                resets = was_over if reset_delay else fires
                arena[i + SYN * LANES] = new_syn
                arena[i + MEM * LANES] = cleared if resets else integrated
                spk[unit] = fires

        for block in range(readout_block, end_block):
            base = block * (FIELDS * LANES)
            first = block * LANES
            for lane in range(LANES):
                i = base + lane
                syn = arena[i + SYN * LANES]
                kept = _decayed(syn, arena[i + DECAY_SYN * LANES], floor)
                sum_in = word(sums_in[first + lane]) << (
                    word(arena[i + SHIFT_IN * LANES]) & last_bit
                )
                arrived = word(word(sum_in) + word(arena[i + BIAS * LANES]))
                new = word(word(kept) + arrived)
                if wrap_syn:
                    new_syn = np.int32(word(new << syn_spare) >> syn_spare)
                else:
                    new_syn = np.int32(min(max(new, syn_low), syn_high))
                drive = syn if current_is_previous else new_syn
                kept = _decayed(arena[i + MEM * LANES], arena[i + DECAY_MEM * LANES], floor)
                new = word(word(kept) + word(drive))
                if wrap_mem:
                    new_out = np.int32(word(new << mem_spare) >> mem_spare)
                else:
                    new_out = np.int32(min(max(new, mem_low), mem_high))
                arena[i + SYN * LANES] = new_syn
                arena[i + MEM * LANES] = new_out

    return step


@njit(cache=can_cache(__file__), nogil=True, error_model="numpy")
def advance(
    raster,
    are_bytes,
    at_once,
    arriving,
    update_address,
    arena,
    spk,
    events,
    uncounted,
    sums_in,
    sums_rec,
    table,
    w_in,
    w_rec,
    limits,
    input_counts,
    sent_counts,
    out_kept,
    spk_kept,
    syn_kept,
    mem_kept,
):
    """Do the steps of a raster.

    Args:
        raster: (n_steps, n_words) uint64, spikes.
        are_bytes: whether a byte of the raster is an input, 0 or 1, or a bit is.
        at_once: whether spikes reach the layer above in their own step, not in the next.
        arriving: (n_inputs + 1,) uint64, inputs whose spikes arrive next, then their number.
        update_address: address of the function compiled by `update`.
        arena: (n_blocks * FIELDS * LANES,) int32.
        spk: (hidden lanes,) uint8, lanes that fired in the step before.
        events: (hidden lanes,) uint64, scratch.
        uncounted: (hidden lanes,) int64, scratch.
        sums_in, sums_rec: (lanes,) and (hidden lanes,), scratch for what arrives.
        table: (n_layers, 5) uint64, where each layer lies.
        w_in, w_rec: rows of all layers, by presynaptic unit, padded to whole blocks.
        limits: (4,) int64, largest syn and mem, and the bits they leave in a word.
        input_counts, sent_counts: (n_inputs,) and (hidden lanes,) int64, counts to increase.
        out_kept: (n_steps, n_rows) int32, to fill.
        spk_kept, syn_kept, mem_kept: likewise for each lane; zero steps if not wanted.
    """
    n_hidden = np.uint64(table.shape[0] - 1)
    readout_block = table[n_hidden, FIRST_BLOCK]
    end_block = readout_block + table[n_hidden, N_BLOCKS]
    record = spk_kept.shape[0] > 0
    spk_words = spk.view(np.uint64)
    raster_words = raster.ravel()  # because a row of its own would be counted on and off in a step
    n_words = np.uint64(raster.shape[1])
    n_arriving = arriving[arriving.size - 1]

    own_counts = uncounted if at_once else sent_counts
    first_update = readout_block if at_once else _ZERO

    for t in range(np.uint64(raster.shape[0])):
        if at_once:
            n_arriving = _find_inputs(raster_words, are_bytes, t, n_words, arriving, input_counts)
        _add_rows(sums_in, _ZERO, w_in, _ZERO, arriving, n_arriving, table[_ZERO, N_BLOCKS])
        for layer in range(n_hidden):
            block, n_blocks = table[layer, FIRST_BLOCK], table[layer, N_BLOCKS]
            first = block * LANES
            word, words = first // _WORD_BYTES, n_blocks * LANES // _WORD_BYTES
            n = _find_bytes(spk_words, word, words, events, own_counts, first)
            if table[layer, IS_RECURRENT] != _ZERO:
                base = table[layer, FIRST_REC]
                _add_rows(sums_rec, first, w_rec, base, events, n, n_blocks)
            if at_once:
                end = block + n_blocks
                _call(update_address, sums_in, sums_rec, arena, spk, limits, block, end, end)  # type: ignore[call-arg]
                n = _find_bytes(spk_words, word, words, events, sent_counts, first)
            above = layer + _ONE
            first = table[above, FIRST_BLOCK] * LANES
            base = table[above, FIRST_IN]
            _add_rows(sums_in, first, w_in, base, events, n, table[above, N_BLOCKS])
        if not at_once:
            n_arriving = _find_inputs(raster_words, are_bytes, t, n_words, arriving, input_counts)
        _call(  # type: ignore[call-arg]
            update_address,
            sums_in,
            sums_rec,
            arena,
            spk,
            limits,
            first_update,
            readout_block,
            end_block,
        )

        for row in range(np.uint64(out_kept.shape[1])):
            block = readout_block + row // LANES
            out_kept[t, row] = arena[(block * FIELDS + MEM) * LANES + row % LANES]
        if record:
            for unit in range(np.uint64(spk.size)):
                spk_kept[t, unit] = spk[unit]
            for unit in range(end_block * LANES):
                i = unit // LANES * (FIELDS * LANES) + unit % LANES
                syn_kept[t, unit] = arena[i + SYN * LANES]
                mem_kept[t, unit] = arena[i + MEM * LANES]
    arriving[arriving.size - 1] = _ZERO if at_once else n_arriving


@njit(nogil=True, error_model="numpy", forceinline=True)
def _find_inputs(words, are_bytes, step, n_words, arriving, counts):
    """List the inputs that spike in a step of a raster; return how many there are."""
    first = step * n_words
    if are_bytes:
        return _find_bytes(words, first, n_words, arriving, counts, _ZERO)
    count = _ZERO
    for k in range(n_words):
        count = _list_bits(words[first + k], k * _WORD_BITS, arriving, count, counts, _ZERO)
    return count


@njit(nogil=True, error_model="numpy")
def _decayed(x, decay, floor):
    """`x * decay / 2^16`, rounded towards zero or, with `floor`, down; all in 32 bits."""
    sign = np.int32(0) if floor else np.int32(x >> np.int32(31))
    size = np.int32(np.int32(x ^ sign) - sign)
    # unsigned, because the size of -2^31 and the low product need all 32 bits
    high = size >> np.int32(DECAY_BITS) if floor else np.uint32(size) >> np.uint32(DECAY_BITS)
    low = np.uint32(np.uint32(np.uint32(size) & _LOW) * np.uint32(decay))
    result = np.int32(np.int32(np.int32(high) * decay) + np.int32(low >> np.uint32(DECAY_BITS)))
    return np.int32(np.int32(result ^ sign) - sign)


@njit(nogil=True, error_model="numpy")
def _find_bytes(words, first, n, found, counts, first_count):
    """List the bytes that are not 0 in `words[first : first + n]`; return how many there are.

    64 bytes become the bits of one word, so that a loop of unforeseeable length is left once for
    all of them: a processor that guesses wrong waits, and small networks did little else. Eight
    bytes are loaded at a time and not 64, because spikes were just stored in parts of that and
    would have to reach the cache first.
    """
    count = place = _ZERO
    end = first + n
    while first + _WORD_BYTES <= end:
        bits = _ZERO
        for k in range(_WORD_BYTES):
            bits |= _set_bytes(words, first + k) << (k * _WORD_BYTES)  # type: ignore[call-arg]
        count = _list_bits(bits, place, found, count, counts, first_count)
        first += _WORD_BYTES
        place += _WORD_BITS
    bits = _ZERO
    for k in range(end - first):
        bits |= _set_bytes(words, first + k) << (k * _WORD_BYTES)  # type: ignore[call-arg]
    return _list_bits(bits, place, found, count, counts, first_count)


@njit(nogil=True, error_model="numpy")
def _list_bits(bits, place, found, count, counts, first_count):
    """Append the indices of the set bits, counted from `place`; count each; return how many."""
    while bits != _ZERO:
        unit = place + _trailing_zeros(bits)  # type: ignore[call-arg]
        found[count] = unit
        counts[first_count + unit] += 1
        count += _ONE
        bits &= bits - _ONE
    return count


@njit(nogil=True, error_model="numpy", forceinline=True)
def _add_rows(sums, first, weights, base, events, n, n_blocks):
    """Set the `n_blocks` blocks of `sums` from `first` to the sum of the rows of `n` events.

    Four rows at a time, because then every sum is read and written a quarter as often. Inlined,
    because a call goes by an address in a register, and where code happens to lie decides whether
    the processor foresees it: steps of a small network took twice as long in some processes.
    """
    number = sums.dtype.type
    width = n_blocks * LANES
    for i in range(width):
        sums[first + i] = 0
    k = _ZERO
    while k + _FOUR <= n:
        a = base + events[k] * width
        b = base + events[k + _ONE] * width
        c = base + events[k + _TWO] * width
        d = base + events[k + _THREE] * width
        for i in range(width):
            pair = number(number(weights[a + i]) + number(weights[b + i]))
            other = number(number(weights[c + i]) + number(weights[d + i]))
            sums[first + i] += number(pair + other)
        k += _FOUR
    while k < n:
        a = base + events[k] * width
        for i in range(width):
            sums[first + i] += number(weights[a + i])
        k += _ONE


@intrinsic
def _trailing_zeros(typingctx, word):
    """Index of the lowest bit set in a uint64 that is not 0."""

    def build(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


@intrinsic
def _set_bytes(typingctx, words, index):
    """Bit k of the result says whether byte k of a word of an array is not 0."""

    def build(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        eight = ir.VectorType(ir.IntType(8), 8)
        word = builder.load(builder.gep(data, [arguments[1]]))
        is_set = builder.icmp_unsigned("!=", builder.bitcast(word, eight), ir.Constant(eight, None))
        return builder.zext(builder.bitcast(is_set, ir.IntType(8)), ir.IntType(64))

    return types.uint64(words, index), build


@intrinsic
def _call(typingctx, address, sums_in, sums_rec, arena, spk, limits, first, readout, end):
    """Call what `update` compiled, by its address; the last three are blocks."""
    signature = types.void(address, sums_in, sums_rec, arena, spk, limits, first, readout, end)

    def build(context, builder, signature, arguments):
        arrays = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args[1:6], arguments[1:6], strict=True)
        ]
        given = [*arrays, *arguments[6:]]
        function = ir.FunctionType(ir.VoidType(), [value.type for value in given])
        pointer = builder.inttoptr(arguments[0], function.as_pointer())
        builder.call(pointer, given)
        return context.get_dummy_value()

    return signature, build
