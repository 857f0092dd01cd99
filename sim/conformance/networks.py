"""Networks and inputs of conformance cases: numbers that depend on a key alone, everywhere."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.contract import NumericContract, signed_range
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.layer import Layer
from sim.network import IntegerNetwork

_DRAWS = 1  # the draws depend on it: a new version need not change every case
DT = 0.004
METADATA = {"conformance": 2}  # the version in which provenance was last told apart


def hand_made(
    contract: NumericContract,
    w_in: ArrayLike,
    *,
    w_rec: ArrayLike | None = None,
    w_out: ArrayLike | None = None,
    e_in: int = 0,
    threshold: ArrayLike | None = None,
    syn: ArrayLike = 0.75,
    mem: ArrayLike = 0.875,
) -> IntegerNetwork:
    """One hidden layer; decays as fractions of unity; no threshold: one that is never passed."""
    weights = np.array(w_in)
    n = len(weights)
    unity = 1 << contract.decay_frac

    def each(value: ArrayLike) -> NDArray[np.int64]:
        return np.array(np.broadcast_to(value, n), np.int64)

    def decays(value: ArrayLike) -> NDArray[np.int64]:
        fractions: NDArray[np.float64] = np.broadcast_to(np.asarray(value, float), n)
        return np.floor(fractions * unity).astype(np.int64)

    low, high = signed_range(contract.weight_bits)
    out = np.array([[high, low, 1, -1][:n]]) if w_out is None else np.array(w_out)
    rows = len(out)
    layer = CubaLIF(
        w_in=weights,
        w_rec=None if w_rec is None else np.array(w_rec),
        e_in=each(e_in),
        e_rec=each(e_in),
        decay_syn=decays(syn),
        decay_mem=decays(mem),
        threshold=each(signed_range(contract.mem_bits)[1] if threshold is None else threshold),
    )
    readout = CubaLI(
        w_out=out,
        decay_syn=np.full(rows, unity // 2),
        decay_mem=np.full(rows, unity - unity // 8),
        initial_out=np.full(rows, -1),
        out_scale=np.full(rows, 2.0**-6),
    )
    return IntegerNetwork((layer, readout), contract, DT, METADATA)


def drawn_network(
    key: str, contract: NumericContract, hidden: Sequence[int] = (6, 5)
) -> IntegerNetwork:
    """Several layers and two heads with numbers over the whole range that the contract allows."""
    low, high = signed_range(contract.weight_bits)
    mem_low, mem_high = signed_range(contract.mem_bits)
    unity = contract.largest_decay
    top = min(mem_high, high << min(contract.frac_bits + 2, 20))
    layers: list[CubaLIF | CubaLI] = []
    n_pre = 8
    for n in hidden:
        k = f"{key} {len(layers)}"
        layers.append(
            CubaLIF(
                w_in=draw(f"{k} w_in", (n, n_pre), low, high),
                w_rec=draw(f"{k} w_rec", (n, n), low, high),
                e_in=draw(f"{k} e_in", (n,), 0, 2),
                e_rec=draw(f"{k} e_rec", (n,), 0, 2),
                decay_syn=draw(f"{k} decay_syn", (n,), 0, unity),
                decay_mem=draw(f"{k} decay_mem", (n,), unity // 2, unity),
                threshold=draw(f"{k} threshold", (n,), max(mem_low, -(top // 8)), top),
            )
        )
        n_pre = n
    layers.append(
        CubaLI(
            w_out=draw(f"{key} w_out", (4, n_pre), low, high),
            decay_syn=draw(f"{key} out decay_syn", (4,), 0, unity),
            decay_mem=draw(f"{key} out decay_mem", (4,), 0, unity),
            initial_out=draw(f"{key} initial", (4,), max(mem_low, -99), min(mem_high, 99)),
            out_scale=np.array([1.0, 2.0, 0.5, 0.25]),
            n_heads=2,
        )
    )
    return IntegerNetwork(tuple(layers), contract, DT, METADATA)


def spikes(key: str, n_steps: int, n_inputs: int) -> NDArray[np.uint8]:
    """Sparse spikes, a stretch of silence, then dense ones."""
    percent = np.full((n_steps, 1), 20)
    percent[n_steps // 2 : 3 * n_steps // 4] = 0
    percent[3 * n_steps // 4 :] = 70
    return (draw(f"{key} raster", (n_steps, n_inputs), 0, 99) < percent).astype(np.uint8)


def inputs(key: str, n_steps: int, n_inputs: int, contract: NumericContract) -> NDArray[Any]:
    """`spikes`, each of which has a value of the whole range that inputs have under a contract.

    The last steps hold the ends of the range.
    """
    sent, (low, high) = spikes(key, n_steps, n_inputs), contract.input_values
    values = draw(f"{key} values", sent.shape, low, high)
    values[-4:-2], values[-2:] = high, low
    return (sent * values).astype(np.int8 if contract.input_signed else np.uint8)


def draw(key: str, shape: tuple[int, ...], low: int, high: int) -> NDArray[np.int64]:
    """Numbers in low..high that depend on the key alone."""
    n = int(np.prod(shape))
    stream = hashlib.shake_256(f"{_DRAWS} {key}".encode()).digest(4 * n)
    return (np.frombuffer(stream, "<u4").astype(np.int64) % (high - low + 1) + low).reshape(shape)


def drawn_layer(kind: type[Layer], key: str, shape: tuple[int, int], c: NumericContract) -> Layer:
    """A layer (post, pre) of any kind with numbers over the whole range that it declares."""
    sizes = dict(zip(("post", "pre"), shape, strict=True))
    top = min(signed_range(c.mem_bits)[1], signed_range(c.weight_bits)[1] << (c.frac_bits + 2))
    values: dict[str, Any] = {}
    for name, declared in kind.declared().items():
        if declared.content == "scale":
            values[name] = np.ones(sizes["post"])
            continue
        low, high = declared.range(c)
        if declared.content == "shift":
            high = 2
        elif declared.content in ("syn", "mem"):
            low, high = max(low, -(top // 8)), min(high, top)
        values[name] = draw(f"{key} {name}", tuple(sizes[a] for a in declared.axes), low, high)
    return kind(**values)
