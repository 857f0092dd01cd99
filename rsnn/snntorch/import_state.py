"""Import of snnTorch networks: Leaky, RLeaky, Synaptic and RSynaptic neurons behind Linear layers.

A checkpoint is a state dict and a description of what it lacks; a module in memory has both, and
is run beside its import. With beta and alpha clamped to 0..1, snnTorch 1.0 does in a step

    syn' = alpha syn + W x + b + V spk        (Leaky and RLeaky: alpha = 0)
    mem' = beta mem + syn'                    less the reset, which `versions` tells

and fires above its threshold; a float model does

    syn' = decay_syn syn + W' x + b' + V' spk        mem' = decay_mem mem + (1 - decay_mem) syn'

and fires above 1. They are the same, but for one factor in each state, with

    W' = W / ((1 - beta) threshold)           and b, V the same

A membrane with a beta of 1 has a gain of 1 there, so W' = W / threshold.

A neuron that never resets (`reset_mechanism="none"`) is a readout, whose `mem` is what is decoded:
it has no threshold. Layers are computed one after the other, so spikes from below have no delay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from base.errors import DataError
from base.order import Order
from rsnn.from_arrays import model_of
from rsnn.layer_arrays import LayerArrays, check_size
from rsnn.model import RSNN
from rsnn.snntorch.compare import Forward, check_same
from rsnn.snntorch.describe_module import describe
from rsnn.snntorch.description import MECHANISMS, VERSIONS, Description, Layer
from rsnn.snntorch.versions import step_of
from rsnn.state_dict import plain_tensors

Array = NDArray[np.float64]


def import_snntorch(
    module: nn.Module, *, dt: float, output: str | None = None, forward: Forward | None = None
) -> RSNN:
    """Make a float model of a snnTorch module in memory, and run both to see that they agree.

    Args:
        module: `nn.Linear` layers, each followed by neurons, registered in the order of signals;
            the last may be neurons without reset, whose `mem` is decoded, or weights alone.
        dt: seconds per step.
        output: `mem` or `spk` of the last neurons; None: `mem` where they never reset.
        forward: runs the module, as `compare.check_same` says; None for the module itself.

    Raises:
        DataError: no float model can represent it; the text names the layer and the reason. It
            cannot be run, or computes something else than the model.
        RangeError: an impossible dt or output, or more weights than any plausible network has.
    """
    description = describe(module, dt, output)
    model = import_state(plain_tensors("the module", module.state_dict()), description)
    check_same(module, model, description, forward)
    return model


def import_state(state: Mapping[str, Tensor], description: Description) -> RSNN:
    """Make a float model of a state dict and its description; errors as in `import_snntorch`."""
    last = description.layers[-1]
    version = description.snntorch or VERSIONS[-1]
    stages = [_Stage.of(state, layer, version) for layer in description.layers]
    for before, behind in pairwise(stages):
        if before.layer.name is None:
            raise DataError(
                f"`{before.layer.linear}` has no neurons behind it, but `{behind.layer.linear}`;"
                " multiply their weights"
            )
        if before.mechanism == "none":
            raise DataError(
                f"`{before.layer.name}` never resets; only the last neurons can be without reset"
            )
        if behind.w_in.shape[1] != len(before.w_in):
            raise DataError(
                f"`{behind.layer.linear}` takes {behind.w_in.shape[1]} inputs, but"
                f" `{before.layer.name}` has {len(before.w_in)} neurons"
            )
    output = description.output or ("mem" if stages[-1].mechanism in ("none", None) else "spk")
    if stages[-1].mechanism in ("none", None):
        if output == "spk" and last.name is not None:
            raise DataError(f"`{last.name}` never resets; its `mem` is the output, not its spikes")
        *hidden, end = stages
        if end.w_rec is not None:
            raise DataError(f"`{last.name}` is the output and recurrent; a readout cannot be")
        readout = end.arrays()
    else:
        if output == "mem":
            raise DataError(
                f"`{last.name}` resets, so its `mem` is no output here; use output spk, or"
                ' reset_mechanism="none" for the last neurons'
            )
        hidden, n = stages, len(stages[-1].w_in)
        check_size([(n, n)])
        readout = LayerArrays(np.eye(n), None, np.zeros(n), np.zeros(n))  # passes the spikes on
    if not hidden:
        raise DataError("no layer of it spikes; a network has at least one that does")
    _check_explained(state, description)
    return model_of([stage.arrays() for stage in hidden], readout, description.dt, _order(hidden))


def _order(stages: "list[_Stage]") -> Order:
    """The order of a step, shared by all layers."""
    first = stages[0]
    for stage in stages[1:]:
        if stage.order != first.order:
            raise DataError(
                f"{first.called()} and {stage.called()} reset in different ways; a network has one"
                " contract: use one class, reset_mechanism and reset_delay"
            )
    return Order(current="new", delay_steps=0, **dict(first.order))


def _check_explained(state: Mapping[str, Tensor], description: Description) -> None:
    """Refuse a state dict that holds more than the layers of its description."""
    explained = {key for layer in description.layers for key in _keys(state, layer)}
    if left := [f"`{key}`" for key in state if key not in explained]:
        more = f" and {len(left) - 4} more" * (len(left) > 4)
        raise DataError(
            f"the state dict holds {', '.join(left[:4])}{more}, which no layer of the description"
            " explains; describe every layer, each with its class"
        )


def _keys(state: Mapping[str, Tensor], layer: Layer) -> set[str]:
    """Keys that a layer may have in a state dict: what it computes with, and states left there."""
    found = {f"{layer.linear}.weight", f"{layer.linear}.bias"}
    if layer.name is None:
        return found
    own = {"beta", "threshold", "reset_mechanism_val", "graded_spikes_factor", "mem"}
    if layer.neuron in ("Synaptic", "RSynaptic"):
        own |= {"alpha", "syn"}
    if layer.neuron in ("RLeaky", "RSynaptic"):
        dense = f"{layer.name}.recurrent.weight" in state
        own |= {"recurrent.weight", "recurrent.bias"} if dense else {"V", "recurrent.V"}
        own |= {"spk"}
    return found | {f"{layer.name}.{key}" for key in own}


@dataclass(frozen=True)
class _Stage:
    """A layer's parameters as snnTorch has them, each neuron's own, in float64.

    `w_in` is (post, pre), `w_rec` (post, post) or None, the rest (post,). `mechanism` is None
    without neurons. `order` holds fields of `Order`, none where nothing resets.
    """

    layer: Layer
    mechanism: str | None
    w_in: Array
    w_rec: Array | None
    bias: Array
    alpha: Array
    beta: Array
    threshold: Array
    order: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, state: Mapping[str, Tensor], layer: Layer, version: str) -> "_Stage":
        w_in, bias = _linear(state, layer.linear)
        n = len(w_in)
        if layer.name is None:
            zero = np.zeros(n)
            return cls(layer, None, w_in, None, bias, zero, zero, np.ones(n))
        name, w_rec = layer.name, None
        if layer.neuron in ("RLeaky", "RSynaptic"):
            w_rec, more = _recurrence(state, name, n)
            bias = bias + more
        alpha = np.zeros(n)
        if layer.neuron in ("Synaptic", "RSynaptic"):
            alpha = np.clip(_each(state, f"{name}.alpha", n), 0.0, 1.0)
        factor = _each(state, f"{name}.graded_spikes_factor", n, default=1.0)
        if np.any(factor != 1.0):
            raise DataError(
                f"`{name}.graded_spikes_factor` is {factor[factor != 1.0][0]:g}; spikes are 1 here,"
                " multiply the weights behind by it"
            )
        mechanism = layer.reset_mechanism or _mechanism(state, name)
        beta = np.clip(_each(state, f"{name}.beta", n), 0.0, 1.0)
        threshold = np.ones(n) if mechanism == "none" else _threshold(state, name, n)
        step = step_of(layer, mechanism, version)
        if step.synapse == "membrane":
            beta = _sum(layer, version, alpha, beta)
        if step.synapse != "own":
            alpha = np.zeros(n)
        return cls(layer, mechanism, w_in, w_rec, bias, alpha, beta, threshold, step.order)

    def called(self) -> str:
        """Name of the neurons and what decides on their reset."""
        layer = self.layer
        options = [f"reset_delay {str(layer.reset_delay).lower()}"]
        if layer.init_hidden is not None:
            options.append(f"init_hidden {str(layer.init_hidden).lower()}")
        return f"`{layer.name}` ({layer.neuron}, {self.mechanism}, {', '.join(options)})"

    def arrays(self) -> LayerArrays:
        """The layer in the units of a float model."""
        leak = np.where(self.beta == 1.0, 1.0, 1.0 - self.beta)  # a float model's gain
        with np.errstate(over="ignore", invalid="ignore"):
            gain = 1.0 / (leak * self.threshold)
            parts = [part * gain[:, None] for part in self._columns()]
        if not all(np.isfinite(part).all() for part in parts):
            raise DataError(
                f"weights of `{self.layer.linear}` over the threshold and 1 - beta are too large"
                " for a float64; scale them"
            )
        w_in, bias, *w_rec = parts
        return LayerArrays(
            w_in,
            w_rec[0] if w_rec else None,
            decay_mem=self.beta,
            decay_syn=self.alpha,
            bias=bias[:, 0] if bias.any() else None,
        )

    def _columns(self) -> list[Array]:
        """All weights that add to the current, each (post, some)."""
        return [self.w_in, self.bias[:, None], *([] if self.w_rec is None else [self.w_rec])]


def _linear(state: Mapping[str, Tensor], name: str) -> tuple[Array, Array]:
    """Weights (post, pre) and bias (post,) of an `nn.Linear`."""
    weight = _array(state, f"{name}.weight")
    if weight.ndim != 2 or weight.size == 0:
        raise DataError(
            f"`{name}.weight` has shape {weight.shape}; a Linear's is (outputs, inputs)"
        )
    if f"{name}.bias" not in state:
        return weight, np.zeros(len(weight))
    return weight, _each(state, f"{name}.bias", len(weight))


def _sum(layer: Layer, version: str, alpha: Array, beta: Array) -> Array:
    """Decay of a membrane that stands in for its synaptic current too."""
    total = alpha + beta
    if np.any(total > 1.0):
        raise DataError(
            f"`{layer.name}`, a Synaptic of snnTorch {version}, takes its membrane for the synaptic"
            f" current that is passed, so it is multiplied by alpha + beta, {total.max():g}, in a"
            " step; it cannot grow here, train it again with 1.0"
        )
    return total


def _recurrence(state: Mapping[str, Tensor], name: str, n: int) -> tuple[Array, Array]:
    """Recurrent weights (n, n) and bias (n,): dense, or V one to one."""
    if f"{name}.recurrent.weight" in state:
        shape = tuple(state[f"{name}.recurrent.weight"].shape)
        if shape != (n, n):
            raise DataError(f"`{name}.recurrent.weight` has shape {shape}; {(n, n)} is needed")
        return _linear(state, f"{name}.recurrent")
    check_size([(n, n)])
    keys = [key for key in (f"{name}.V", f"{name}.recurrent.V") if key in state]
    found = [_each(state, key, n) for key in keys or [f"{name}.V"]]
    if np.any(found[0] != found[-1]):
        raise DataError(
            f"`{keys[0]}` and `{keys[1]}` differ; they are one parameter, save it again"
        )
    return np.diag(found[0]), np.zeros(n)


def _mechanism(state: Mapping[str, Tensor], name: str) -> str:
    value = _array(state, f"{name}.reset_mechanism_val")
    if value.size != 1 or value.item() not in range(len(MECHANISMS)):
        given = f"{value.item():g}" if value.size == 1 else f"of shape {value.shape}"
        raise DataError(
            f"`{name}.reset_mechanism_val` is {given}; 0 to {len(MECHANISMS) - 1} is known"
        )
    return MECHANISMS[int(value.item())]


def _threshold(state: Mapping[str, Tensor], name: str, n: int) -> Array:
    threshold = _each(state, f"{name}.threshold", n)
    if np.any(threshold <= 0):
        raise DataError(
            f"`{name}.threshold` is {threshold.min():g}; it is above 0, where the membrane rests"
        )
    return threshold


def _each(state: Mapping[str, Tensor], key: str, n: int, *, default: float | None = None) -> Array:
    """A parameter of each of n neurons; one value stands for all."""
    if default is not None and key not in state:
        return np.full(n, default)
    array = _array(state, key)
    if array.size == 1:
        return np.full(n, array.item())
    if array.reshape(-1).shape != (n,) or array.ndim > 2:
        raise DataError(f"`{key}` has shape {array.shape}; {(n,)} or one value fits")
    return array.reshape(-1)


def _array(state: Mapping[str, Tensor], key: str) -> Array:
    """A tensor as float64, checked to be finite."""
    if key not in state:
        raise DataError(f"the state dict has no `{key}`; compare the description with its keys")
    tensor = state[key].detach().cpu()
    if tensor.is_complex():
        raise DataError(f"`{key}` holds complex numbers; real ones are needed")
    array = tensor.double().numpy()
    if not np.isfinite(array).all():
        raise DataError(f"`{key}` holds NaN or infinity; every value must be finite")
    return array
