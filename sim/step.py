"""One time step, written once: the definition of every network under every contract.

A step is a function over an arithmetic `o`, which says what the operations are. Over exact integers
(`sim/arithmetic/exact.py`) it is the reference with which everything else is compared; over
symbols it is the equations of docs/numeric-contract.md, ONNX, C and Numba source; over intervals,
bounds; over torch's floats, a model that can be trained. An arithmetic has

    o.order                 the contract or, for float models, only the order
    o.delivered(k, source)  the weighted sums of what `source` sends through connection `k`
    o.scaled(acc)           the same in the unit of the current: acc << frac_bits
    o.constant(name)        an array of the layer, one value per neuron
    o.decayed(x, name)      D(x, d): what is left of x after a decay d, the array of that name
    o.fit(x, word)          x brought into the word `syn` or `mem`, saturated or wrapped
    o.over(x, threshold)    whether a membrane is over threshold
    o.where(mask, a, b)     a where the mask holds, else b
    o.zero(x)               zeros like x
    o.number(n)             a whole number, or the contract's field of that name
    o.positive(x)           whether x is above 0
    o.larger(a, b)          the larger of two values
    o.each(x, senders)      x after every spike of `senders`, pairs of a connection and what is sent
                            through it, has been added by itself and brought into the word `syn`:
                            the least and the most that this was asked to hold, and it
    o.count(x, threshold)   how often the threshold can be taken off x while x is over it, at most
                            `max_spikes` times; thresholds are above 0
    o.less(x, n, threshold) x less n times the threshold

and its values can be added and subtracted. Each function returns every intermediate by the name it
has in docs/numeric-contract.md; its `asked` returns the values that words are asked to hold.

In equations, `D(x, d) = x * d / 2^decay_frac`, rounded as `rounding` says, or, where `decay` is
`shift`, x - floor(x / 2^d), at least 1 less if x > 0; `syn()` and `mem()` are the overflow rules of
the two state words; a primed state is that after the step; `>` is `>=` where `fires_when` says so;
`x_j` is a spike of `delay_steps` before, unless `inputs_at_once` or `readout_delayed` says
otherwise, `spk_k` one of the step before; `n(x, th)` is how often th can be taken off x while
x > th, at most `max_spikes` times; `each(x)` is x after every spike of the step has been added to
it by itself, by `syn()` each time, and `least(x)` and `most(x)` are the least and the most that
`syn()` is given meanwhile.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

Value = Any  # a value of the arithmetic


class Current(NamedTuple):
    """The synaptic current of a step, and what the membrane integrates of it."""

    acc: Value
    asked_syn: Value
    syn: Value
    drive: Value


class Membrane(NamedTuple):
    """The membrane of a step, whether it fires, and whether it is reset."""

    decayed: Value
    asked_sum: Value
    integrated: Value
    asked_reset: Value
    cleared: Value
    was_over: Value
    tested: Value
    fires: Value
    resets: Value
    mem: Value


class Hidden(NamedTuple):
    """Every intermediate of a step of a CuBa-LIF layer; `fires` is the spike."""

    acc: Value
    asked_syn: Value
    syn: Value
    drive: Value
    decayed: Value
    asked_sum: Value
    integrated: Value
    asked_reset: Value
    cleared: Value
    was_over: Value
    tested: Value
    fires: Value
    resets: Value
    mem: Value

    @property
    def spk(self) -> Value:
        return self.fires

    def asked(self, o: Any) -> dict[str, tuple[Value, ...]]:
        """What each word is asked to hold."""
        return asked_of(o, self)


class Readout(NamedTuple):
    """Every intermediate of a step of a CuBa-LI readout."""

    acc: Value
    asked_syn: Value
    syn: Value
    drive: Value
    decayed: Value
    asked_sum: Value
    out: Value

    def asked(self, o: Any) -> dict[str, tuple[Value, ...]]:
        """What each word is asked to hold."""
        return {"syn": (self.asked_syn,), "out": (self.asked_sum,)}


class Synapse(NamedTuple):
    """A synaptic current in a step, from the word `start` to which spikes are added.

    `least` and `most` are what the word is asked to hold: all at once or, where spikes come one by
    one, the least and the most after any of them.
    """

    acc: Value
    start: Value
    asked_syn: Value
    least: Value
    most: Value
    syn: Value


def synapse(
    o: Any,
    senders: Sequence[tuple[Any, Value]],
    held: Value,
    decay: str,
    bias: Value | None = None,
) -> Synapse:
    """A synaptic current after a step.

    Args:
        o: the arithmetic.
        senders: the connections in order, and what is sent through each.
        held: the current before the step.
        decay: name of the array of its decays.
        bias: added to what arrives at once, or None.
    """
    acc = o.delivered(*senders[0])
    for sender in senders[1:]:
        acc = acc + o.delivered(*sender)
    arrived = o.scaled(acc) if bias is None else o.scaled(acc) + bias
    start = held if o.order.adds_first else o.decayed(held, decay)
    asked = start + arrived
    if o.order.delivery == "sum":
        least, most, summed = asked, asked, o.fit(asked, "syn")
    else:
        least, most, summed = o.each(start, senders)
    syn = o.decayed(summed, decay) if o.order.adds_first else summed
    return Synapse(acc, start, asked, least, most, syn)


def current(o: Any, layer: Any, old: Any, source: Value) -> Current:
    """The synaptic current: the decayed current, and what arrives in this step."""
    bias = None if layer.bias is None else o.constant("bias")
    on_membrane = o.order.bias_on == "membrane"
    below, *own = layer.connections()
    senders = [(below, source), *((connection, old.spk) for connection in own)]
    found = synapse(o, senders, old.syn, "decay_syn", None if on_membrane else bias)
    drive = old.syn if o.order.current == "previous" else found.syn
    if bias is not None and on_membrane:
        drive = drive + bias
    return Current(found.acc, found.asked_syn, found.syn, drive)


def membrane(o: Any, mem: Value, drive: Value, threshold: Value) -> Membrane:
    """The membrane: the decayed membrane and the drive, or what a reset leaves of both."""
    c = o.order
    decayed = o.decayed(mem, "decay_mem")
    asked_sum = decayed + drive
    integrated = o.fit(asked_sum, "mem")
    asked_reset = o.zero(decayed) if c.reset == "zero" else decayed - threshold
    if not c.reset_drops_input:
        asked_reset = asked_reset + drive
    cleared = o.fit(asked_reset, "mem")
    was_over = o.over(mem, threshold)
    if c.fires_on == "previous_membrane":
        tested = mem
    elif c.fires_on == "new_membrane":
        tested = integrated
    else:
        tested = o.where(was_over, cleared, integrated)
    fires = o.over(tested, threshold)
    resets = was_over if c.reset_delay else fires
    new = o.where(resets, cleared, integrated)
    return Membrane(
        decayed, asked_sum, integrated, asked_reset, cleared, was_over, tested, fires, resets, new
    )


MEMBRANE = {
    "bias_on": ("membrane",),
    "delivery": ("sum", "each"),
    "by_increment": (False, True),
}
"""The choices that kinds compute which add a bias, and perhaps increments, to the membrane."""

COUNTING = MEMBRANE | {
    "max_spikes": range(1, 256),
    "fires_on": ("new_membrane",),
    "reset": ("subtract",),
    "reset_drops_input": (False,),
    "reset_delay": (False,),
}
"""The choices that kinds compute whose membranes give up thresholds as long as they are over."""


class Integral(NamedTuple):
    """What a membrane integrates; `asked_rise` and `asked_mem` are what words are asked to hold."""

    decayed: Value
    asked_rise: Value
    rise: Value
    asked_mem: Value
    integrated: Value


def asked_of_integral(o: Any, update: Any) -> tuple[Value, ...]:
    """The values that a membrane's word is asked to hold, an increment's among them."""
    increment = (update.asked_rise, update.rise) if o.order.by_increment else ()
    return (update.asked_mem, *increment)


def integral(o: Any, layer: Any, mem: Value, drive: Value) -> Integral:
    """The decayed membrane, the drive and a bias: at once, or as an increment with its own words.

    SynSense's Xylo does the latter (xylosim 0.1.3, core 2).
    """
    decayed = o.decayed(mem, "decay_mem")
    if o.order.by_increment:
        asked_rise = o.fit(decayed - mem, "fall") + drive
        rise = o.fit(asked_rise, "mem")
        if layer.bias is not None:
            rise = rise + o.constant("bias")
        asked_mem = mem + o.fit(rise, "mem")
    else:
        asked_rise = drive
        rise = drive if layer.bias is None else drive + o.constant("bias")
        asked_mem = decayed + rise
    return Integral(decayed, asked_rise, rise, asked_mem, o.fit(asked_mem, "mem"))


def counted(o: Any, layer: Any, mem: Value, drive: Value) -> tuple[Value, ...]:
    """A membrane that spikes several times."""
    total = integral(o, layer, mem, drive)
    threshold = o.constant("threshold")
    n = o.count(total.integrated, threshold)
    return (*total, n, o.less(total.integrated, n, threshold))


def hidden(o: Any, layer: Any, old: Any, source: Value) -> Hidden:
    """One step of a CuBa-LIF layer from its words `old`: `spk`, `syn` and `mem`.

    acc         = sum_j (w_in << e_in) x_j + sum_k (w_rec << e_rec) spk_k
    asked_syn   = D(syn, decay_syn) + (acc << frac_bits) + bias  bias_on == current, not adds_first
                = syn + (acc << frac_bits) + bias                bias_on == current, adds_first
                = D(syn, decay_syn) + (acc << frac_bits)         bias_on == membrane, not adds_first
                = syn + (acc << frac_bits)                       bias_on == membrane, adds_first
    syn'        = syn(asked_syn)                not adds_first
                = D(syn(asked_syn), decay_syn)  adds_first
    drive       = syn          current == previous, bias_on == current
                = syn + bias   current == previous, bias_on == membrane
                = syn'         current == new, bias_on == current
                = syn' + bias  current == new, bias_on == membrane
    decayed     = D(mem, decay_mem)
    asked_sum   = decayed + drive
    integrated  = mem(asked_sum)
    asked_reset = drive                        reset == zero, not reset_drops_input
                = 0                            reset == zero, reset_drops_input
                = decayed - threshold + drive  reset == subtract, not reset_drops_input
                = decayed - threshold          reset == subtract, reset_drops_input
    cleared     = mem(asked_reset)
    was_over    = mem > threshold
    tested      = mem                                      fires_on == previous_membrane
                = integrated                               fires_on == new_membrane
                = cleared where was_over, else integrated  fires_on == reset_membrane
    spk'        = tested > threshold
    resets      = spk'      not reset_delay
                = was_over  reset_delay
    mem'        = cleared where resets, else integrated
    """
    syn = current(o, layer, old, source)
    return Hidden(*syn, *membrane(o, old.mem, syn.drive, o.constant("threshold")))


def asked_of(o: Any, update: Any) -> dict[str, tuple[Value, ...]]:
    """The values `syn` and `mem` are asked to hold: those before `fit` that are tested or kept."""
    kept = o.where(update.resets, update.asked_reset, update.asked_sum)
    tested = {
        "previous_membrane": kept,
        "new_membrane": update.asked_sum,
        "reset_membrane": o.where(update.was_over, update.asked_reset, update.asked_sum),
    }[o.order.fires_on]
    return {"syn": (update.asked_syn,), "mem": (kept, tested)}


def readout(o: Any, layer: Any, old: Any, source: Value) -> Readout:
    """One step of a CuBa-LI readout from its words `old`: `syn` and `out`.

    acc       = sum_j (w_out << e_out) x_j
    asked_syn = D(syn, decay_syn) + (acc << frac_bits) + bias  bias_on == current, not adds_first
              = syn + (acc << frac_bits) + bias                bias_on == current, adds_first
              = D(syn, decay_syn) + (acc << frac_bits)         bias_on == membrane, not adds_first
              = syn + (acc << frac_bits)                       bias_on == membrane, adds_first
    syn'      = syn(asked_syn)                not adds_first
              = D(syn(asked_syn), decay_syn)  adds_first
    drive     = syn          current == previous, bias_on == current
              = syn + bias   current == previous, bias_on == membrane
              = syn'         current == new, bias_on == current
              = syn' + bias  current == new, bias_on == membrane
    decayed   = D(out, decay_mem)
    asked_sum = decayed + drive
    out'      = mem(asked_sum)
    """
    syn = current(o, layer, old, source)
    decayed = o.decayed(old.out, "decay_mem")
    asked_sum = decayed + syn.drive
    return Readout(*syn, decayed, asked_sum, o.fit(asked_sum, "mem"))
