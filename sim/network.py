"""The waist: an integer network that holds every integer any backend will use.

Whoever makes one gets it checked once, here; afterwards it is trusted and cannot be changed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.errors import MismatchError, RangeError
from sim.contract import NumericContract, signed_range

MAX_EXPONENT = 15
_SUM_LIMIT = (1 << 31) - 1


@dataclass(frozen=True)
class CubaLIF:
    """A hidden layer of current-based leaky integrate-and-fire neurons, in integers.

    Equations: `NumericContract`. Per neuron unless said:

    Attributes:
        w_in: (post, pre) weights of what comes from below.
        w_rec: (post, post) recurrent weights, or None.
        e_in, e_rec: (post,) left shift of the row of `w_in` and `w_rec`, 0..15.
        decay_syn, decay_mem: (post,) decay factors, 0..2^decay_frac.
        threshold: (post,) in units of `mem`.
        bias: (post,) in units of `syn`, added in each step, or None.
    """

    w_in: NDArray[np.integer]
    w_rec: NDArray[np.integer] | None
    e_in: NDArray[np.integer]
    e_rec: NDArray[np.integer]
    decay_syn: NDArray[np.integer]
    decay_mem: NDArray[np.integer]
    threshold: NDArray[np.integer]
    bias: NDArray[np.integer] | None = None

    @property
    def n_neurons(self) -> int:
        return self.w_in.shape[0]


@dataclass(frozen=True)
class CubaLI:
    """The readout: heads of current-based leaky integrators, in integers.

    Rows are ordered head by head: row `h * n_outputs + k` is output k of head h.

    Attributes:
        w_out: (n_heads * n_outputs, pre) weights.
        decay_syn, decay_mem: (rows,) decay factors.
        initial_out: (rows,) value of `out` before the first step.
        out_scale: (rows,) float64; `out * out_scale` is in the unit of the training target.
        n_heads: heads whose outputs are averaged.
        bias: (rows,) in units of `syn`, added in each step, or None.
    """

    w_out: NDArray[np.integer]
    decay_syn: NDArray[np.integer]
    decay_mem: NDArray[np.integer]
    initial_out: NDArray[np.integer]
    out_scale: NDArray[np.float64]
    n_heads: int = 1
    bias: NDArray[np.integer] | None = None

    @property
    def n_neurons(self) -> int:
        return self.w_out.shape[0]

    @property
    def n_outputs(self) -> int:
        return self.w_out.shape[0] // self.n_heads

    def decode(self, out: NDArray[np.integer]) -> NDArray[np.float64]:
        """Turn `out` words (n_steps, rows) into decoded values (n_steps, n_outputs).

        The mean over heads of `out * out_scale`, summed in head order: the one place where floats
        return.
        """
        scaled = out * self.out_scale
        if self.n_heads == 1:  # for closed loops, where every call of numpy counts
            return scaled
        scaled = scaled.reshape(len(out), self.n_heads, self.n_outputs)
        total = scaled[:, 0]
        for head in range(1, self.n_heads):
            total = total + scaled[:, head]
        return total / self.n_heads


Layer = CubaLIF | CubaLI


@dataclass(frozen=True)
class IntegerNetwork:
    """Hidden layers and one readout, under one numeric contract.

    Attributes:
        layers: one or more `CubaLIF`, then one `CubaLI`.
        contract: how each step is computed.
        dt: seconds a step.
        metadata: where it came from; not part of the digest.

    Raises:
        RangeError: a number does not fit in the contract's widths.
        MismatchError: shapes do not fit together.
    """

    layers: tuple[Layer, ...]
    contract: NumericContract
    dt: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not np.isfinite(self.dt) or self.dt <= 0:
            raise RangeError(f"dt is {self.dt} s; a step must be longer than 0 s")
        kinds = [type(layer) for layer in self.layers]
        if len(kinds) < 2 or kinds[-1] is not CubaLI or any(k is not CubaLIF for k in kinds[:-1]):
            raise MismatchError(
                "a network is one or more CubaLIF layers followed by one CubaLI readout; got "
                + ", ".join(kind.__name__ for kind in kinds)
            )
        for name, layer in zip(self.layer_names, self.layers, strict=True):
            weights = layer.w_out if isinstance(layer, CubaLI) else layer.w_in
            if weights.ndim != 2 or weights.size == 0:
                raise MismatchError(
                    f"{name} has weights of shape {weights.shape}; (post, pre) with at least one"
                    " neuron and one input is needed"
                )
        checked, n_pre = [], self.n_inputs
        for name, layer in zip(self.layer_names, self.layers, strict=True):
            checked.append(_checked(name, layer, n_pre, self.contract))
            n_pre = layer.n_neurons
        object.__setattr__(self, "layers", tuple(checked))

    @property
    def hidden(self) -> tuple[CubaLIF, ...]:
        return self.layers[:-1]  # type: ignore[return-value]

    @property
    def readout(self) -> CubaLI:
        return self.layers[-1]  # type: ignore[return-value]

    @property
    def n_inputs(self) -> int:
        return self.hidden[0].w_in.shape[1]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """`hidden0`, `hidden1`, ..., `readout`: how layers are called everywhere."""
        return (*(f"hidden{i}" for i in range(len(self.layers) - 1)), "readout")

    def arrays(self) -> Iterator[tuple[str, NDArray]]:
        """Yield every array with its name, `hidden0.w_in` and so on, in a fixed order."""
        for name, layer in zip(self.layer_names, self.layers, strict=True):
            for item in fields(layer):
                value = getattr(layer, item.name)
                if isinstance(value, np.ndarray):
                    yield f"{name}.{item.name}", value

    def connections(self) -> dict[str, NDArray[np.integer]]:
        """Every weight matrix (post, pre) by name, in the order in which signals pass them."""
        return {name: array for name, array in self.arrays() if ".w_" in name}

    def digest(self) -> str:
        """SHA-256 over layers, contract and dt, in hexadecimal; metadata do not count."""
        description = {
            "contract": self.contract.identity(),
            "dt": float(self.dt).hex(),
            "n_heads": self.readout.n_heads,
        }
        digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
        for name, array in self.arrays():
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name} {little.dtype.str} {little.shape}\n".encode())
            digest.update(little.tobytes())
        return digest.hexdigest()


def _checked(name: str, layer: Layer, n_pre: int, contract: NumericContract) -> Layer:
    """Return the layer with its arrays in their canonical dtypes, read-only, or raise."""
    n = layer.n_neurons
    weight = np.dtype(np.int8 if contract.weight_bits <= 8 else np.int16)
    weight_range = signed_range(contract.weight_bits)
    decay_range = (0, 1 << contract.decay_frac)
    mem_range = signed_range(contract.mem_bits)

    def integers(key: str, shape: tuple[int, ...], dtype, low: int, high: int) -> NDArray:
        return _integer_array(f"{name}.{key}", getattr(layer, key), shape, dtype, low, high)

    decays = {
        key: integers(key, (n,), np.int32, *decay_range) for key in ("decay_syn", "decay_mem")
    }
    bias = layer.bias
    if bias is not None:
        bias = integers("bias", (n,), np.int32, *signed_range(contract.syn_bits))
    if isinstance(layer, CubaLIF):
        w_in = integers("w_in", (n, n_pre), weight, *weight_range)
        w_rec = layer.w_rec
        if w_rec is not None:
            w_rec = integers("w_rec", (n, n), weight, *weight_range)
        e_in = integers("e_in", (n,), np.uint8, 0, MAX_EXPONENT)
        e_rec = integers("e_rec", (n,), np.uint8, 0, MAX_EXPONENT)
        _check_sums(f"{name}.w_in", w_in)
        if w_rec is not None:
            _check_sums(f"{name}.w_rec", w_rec)
        threshold = integers("threshold", (n,), np.int32, *mem_range)
        return CubaLIF(w_in, w_rec, e_in, e_rec, threshold=threshold, bias=bias, **decays)
    w_out = integers("w_out", (n, n_pre), weight, *weight_range)
    _check_sums(f"{name}.w_out", w_out)
    if layer.n_heads < 1 or n % layer.n_heads:
        raise MismatchError(
            f"{name} has {n} rows, which {layer.n_heads} heads cannot share equally"
        )
    scale = np.array(layer.out_scale, dtype=np.float64)
    if scale.shape != (n,):
        raise MismatchError(f"{name}.out_scale has shape {scale.shape}; {(n,)} is needed")
    if not np.all(np.isfinite(scale)):
        raise RangeError(f"{name}.out_scale holds a value that is not finite; scales must be")
    scale.flags.writeable = False
    initial = integers("initial_out", (n,), np.int32, *mem_range)
    return CubaLI(
        w_out, initial_out=initial, out_scale=scale, n_heads=layer.n_heads, bias=bias, **decays
    )


def _integer_array(
    name: str, value: ArrayLike, shape: tuple[int, ...], dtype, low: int, high: int
) -> NDArray:
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise RangeError(f"{name} has dtype {array.dtype}; integers are needed")
    if array.shape != shape:
        raise MismatchError(f"{name} has shape {array.shape}; {shape} is needed")
    for found, outside in ((array.min(), array.min() < low), (array.max(), array.max() > high)):
        if outside:
            way_out = ""
            if ".w_" in name:
                way_out = f"; quantize with `bits={int(_bits_for(found))}` or more"
            raise RangeError(f"{name} holds {found}; {low}..{high} is possible{way_out}")
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def _bits_for(value: np.integer) -> int:
    return int(value if value >= 0 else ~value).bit_length() + 1


def _check_sums(name: str, weights: NDArray) -> None:
    """Refuse a neuron whose weights could overflow a 32-bit accumulator.

    It follows that all else is exact in 64 bits: two such sums, shifted by at most 15 + 16 bits,
    a bias and a decayed state of 32 bits stay below 2^63.
    """
    worst = np.abs(weights.astype(np.int64)).sum(1).max()
    if worst > _SUM_LIMIT:
        raise RangeError(
            f"{name}: the weights of a neuron add up to {worst}; a 32-bit accumulator holds"
            f" {_SUM_LIMIT}. Use fewer inputs or quantize with fewer `bits`"
        )
