"""A snnTorch module run beside the model made of it, since only running tells what it computes."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from base.errors import DataError
from rsnn.model import RSNN
from rsnn.snntorch.description import Description

Forward = Callable[[Tensor], Any]

N_STEPS = 120
_GAINS = [4.0**k for k in range(13)]  # of a raster
_N_RASTERS = 10
_ULPS = 8  # by which parameters are changed, to see what rounding can do
_EPS = 2.0**-40  # of the model, whose weights are divided by 1 - beta and multiplied by it again
_WAY_OUT = "name a function that runs it with forward=, or describe its state dict"


class _Traces(NamedTuple):
    """Spikes (N_STEPS, n_neurons) of each hidden layer and `out` (N_STEPS, n_outputs)."""

    spk: tuple[Tensor, ...]
    out: Tensor


def check_same(
    module: nn.Module, model: RSNN, description: Description, forward: Forward | None = None
) -> None:
    """Refuse a module that computes anything but what the model made of it computes.

    Both run on a raster that makes at least half of each layer's neurons fire and reset. Spikes
    must be equal in each step, and the output to within the rounding of the module's dtype. Where a
    membrane is next to its threshold, rounding decides on the spike: models with slightly other
    parameters show when that happens first. A difference before is an error; one after it proves
    nothing, and another raster is tried.

    Args:
        module: run in evaluation, from states of zero; left as it was.
        model: in float64.
        description: of both.
        forward: takes a raster (N_STEPS, 1, n_inputs) in the module's dtype and returns the output
            of each step, alone or among others: (N_STEPS, 1, n_outputs), or a list of N_STEPS. None
            for the module itself: called with (1, n_inputs) in each step if all its neurons have
            `init_hidden`, else with the raster.

    Raises:
        DataError: the first difference, or the module cannot be run.
    """
    layers = [layer for layer in description.layers if layer.name is not None]
    neurons = {str(layer.name): module.get_submodule(str(layer.name)) for layer in layers}
    hidden = list(neurons)[: len(model.layers)]
    run: Forward = forward or module
    if forward is None and all(layer.init_hidden for layer in layers):
        run = _each_step(module)
    weight = next(module.parameters())
    unsure = ""
    for seed in range(_N_RASTERS):
        raster, ours = _exciting(model, hidden, seed, weight.dtype)
        calls: dict[str, list[Any]] = {name: [] for name in hidden}
        with _at_rest(module, neurons.values()), _recorded(neurons, calls):
            result = _called(run, raster.to(weight.device))
        spk = tuple(_spikes(*call, own) for call, own in zip(calls.items(), ours.spk, strict=True))
        n_sure, tolerance = _rounding(model, raster, ours)
        step, text = max(
            _first_difference(_Traces(spk, out), ours, tolerance, hidden)
            for out in _outputs(result, ours.out)
        )
        if step == N_STEPS:
            return
        if step < n_sure:
            raise DataError(
                "the module computes something else than its Linear layers and neurons one after"
                f" the other: {text}; {_WAY_OUT}"
            )
        unsure = text
    raise DataError(
        f"rounding decides on spikes of the module in each of {_N_RASTERS} rasters, so it cannot be"
        f" compared with the model made of it (in one, {unsure}); describe its state dict"
    )


def _each_step(module: nn.Module) -> Forward:
    """The module as a function of a raster, called once per step."""
    return lambda raster: [module(x) for x in raster]


def _exciting(
    model: RSNN, names: Sequence[str], seed: int, dtype: torch.dtype
) -> tuple[Tensor, _Traces]:
    """A raster (N_STEPS, 1, n_inputs) that makes half of each layer's neurons fire and reset.

    Its spikes have amplitudes of their own, and only where that does not do, signs as well. With
    it comes the run of the model.
    """
    generator = torch.Generator().manual_seed(seed)
    size = (N_STEPS, 1, model.architecture.n_inputs)
    spikes = (torch.rand(size, generator=generator) < 0.3).float()
    amplitudes = 0.5 + torch.rand(size, generator=generator)
    signs = torch.randint(0, 2, size, generator=generator) * 2.0 - 1.0
    most = dict.fromkeys(names, 0.0)
    for raster in (spikes * amplitudes, spikes * amplitudes * signs):
        for gain in _GAINS:
            scaled = (raster * gain).to(dtype)
            ours = _run_model(model, scaled)
            # the reset of a spike in the last step may come after it
            shares = [float(spk[:-1].any(0).double().mean()) for spk in ours.spk]
            if min(shares) >= 0.5:
                return scaled, ours
            most = {name: max(most[name], now) for name, now in zip(names, shares, strict=True)}
    name = min(most, key=lambda name: most[name])
    raise DataError(
        f"no raster tried makes half of each layer's neurons fire, of `{name}` {most[name]:.0%} at"
        " most, so the module cannot be compared with the model made of it; describe its state dict"
    )


def _run_model(model: RSNN, raster: Tensor) -> _Traces:
    with torch.inference_mode():
        decoded = model(raster.double().transpose(0, 1))
    return _Traces(tuple(spk[0] for spk in decoded.spk), decoded.out[0])


@contextmanager
def _at_rest(module: nn.Module, neurons: Iterable[Any]) -> Iterator[None]:
    """The module in evaluation, its neurons in states of zero; afterwards as it was."""
    parts = list(module.modules())
    training = [part.training for part in parts]
    buffers = [dict(part.named_buffers(recurse=False)) for part in parts]
    module.eval()
    for each in neurons:
        each.reset_mem()
    try:
        yield
    finally:
        for part, was_training, kept in zip(parts, training, buffers, strict=True):
            part.training = was_training
            for name, tensor in kept.items():
                setattr(part, name, tensor)


@contextmanager
def _recorded(neurons: Mapping[str, nn.Module], calls: Mapping[str, list[Any]]) -> Iterator[None]:
    """Append what the neurons named in `calls` return to their lists there."""

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _neurons, _given, result: calls[name].append(result)

    hooks = [neurons[name].register_forward_hook(keep(name)) for name in calls]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _called(run: Forward, raster: Tensor) -> Any:
    try:
        with torch.no_grad():
            return run(raster)
    except Exception as error:  # whatever their code raises
        first = next(iter(str(error).splitlines()), "")
        raise DataError(
            f"the module cannot be run on a raster of shape {tuple(raster.shape)}:"
            f" {type(error).__name__}: {first}; {_WAY_OUT}"
        ) from error


def _spikes(name: str, results: Sequence[Any], own: Tensor) -> Tensor:
    """The spikes that neurons returned, in the shape of the model's."""
    if len(results) != N_STEPS:
        raise DataError(
            f"the module computes `{name}` {len(results)} times in {N_STEPS} steps, the model made"
            f" of it once in each; {_WAY_OUT}"
        )
    spk = [result[0] if isinstance(result, tuple) else result for result in results]
    found = _series(spk, own.shape)
    if not found:
        raise DataError(
            f"the module computes `{name}` with spikes of shape {tuple(spk[0].shape)} in a step,"
            f" the model made of it with {(1, own.shape[1])}; {_WAY_OUT}"
        )
    return found[0]


def _outputs(result: Any, own: Tensor) -> list[Tensor]:
    """Whatever may be the output in what the module returned, in the shape of the model's."""
    if found := _series(result, own.shape):
        return found
    raise DataError(
        f"the module returns nothing of shape {(N_STEPS, 1, own.shape[1])}, its output per step;"
        f" {_WAY_OUT}"
    )


def _series(result: Any, shape: torch.Size) -> list[Tensor]:
    """Every series of `shape` among tensors, or lists of a tensor per step, in tuples or lists."""
    if isinstance(result, Tensor):
        fits = result.dim() > 0 and len(result) == shape[0] and result.numel() == shape.numel()
        return [result.detach().double().cpu().reshape(shape)] if fits else []
    if not isinstance(result, list | tuple):
        return []
    if len(result) == shape[0]:
        if all(isinstance(each, Tensor) for each in result):
            same = all(each.shape == result[0].shape for each in result)
            return _series(torch.stack(list(result)), shape) if same else []
        if all(isinstance(each, list | tuple) for each in result):
            result = [list(each) for each in zip(*result, strict=False)]
    return [series for each in result for series in _series(each, shape)]


def _rounding(model: RSNN, raster: Tensor, ours: _Traces) -> tuple[int, Tensor]:
    """What rounding in the dtype of the raster can do to a run of the model.

    Returns:
        The number of steps in which it changes no spike, and how far it moves each output: by some
        units in the last place of the sum of all that arrives there, without signs.
    """
    size = _ULPS * max(torch.finfo(raster.dtype).eps, _EPS)
    n_sure, magnitude = N_STEPS, torch.zeros_like(ours.out[0])
    for direction in (1.0, -1.0):  # one of the two lifts a membrane at its threshold over it
        generator = torch.Generator().manual_seed(1)
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                rows = parameter.new_zeros(len(parameter), *[1] * (parameter.dim() - 1))
                for shape, share in ((rows.shape, 1.0), (parameter.shape, 0.5)):
                    signs = torch.randint(0, 2, shape, generator=generator).double() * 2.0 - 1.0
                    parameter.mul_(1.0 + direction * share * size * signs)
            for head in other.readouts:
                head.w_out.abs_()
                if head.bias is not None:
                    head.bias.abs_()
        rounded = _run_model(other, raster)
        for spk, own in zip(rounded.spk, ours.spk, strict=True):
            n_sure = min(n_sure, _first(spk != own))
        magnitude = torch.maximum(magnitude, rounded.out.amax(0))
    return n_sure, size * magnitude


def _first_difference(
    theirs: _Traces, ours: _Traces, tolerance: Tensor, names: Sequence[str]
) -> tuple[int, str]:
    """The step of the first difference, in the first layer that has one in it; else N_STEPS."""
    found = N_STEPS, ""
    ends = [*[f"of `{name}`" for name in names], "of the output"]
    pairs = [*zip(theirs.spk, ours.spk, strict=True), (theirs.out, ours.out)]
    for end, (their, our) in zip(ends, pairs, strict=True):
        margin = tolerance if end is ends[-1] else torch.zeros(())
        differs = ~((their - our).abs() <= margin)  # a NaN differs
        step = _first(differs)
        if step < found[0]:
            unit = int(differs[step].byte().argmax())
            values = f"{their[step, unit]:.9g} in the module and {our[step, unit]:.9g} in the model"
            found = step, f"in step {step}, unit {unit} {end} is {values} made of it"
    return found


def _first(differs: Tensor) -> int:
    """The first step with a difference, of (n_steps, n); n_steps if there is none."""
    steps = differs.any(1).nonzero()
    return int(steps[0]) if len(steps) else len(differs)
