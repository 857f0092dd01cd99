"""Engines for exported models: onnxruntime, and ONNX's own definition of its operators."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from base.extras import extra
from export.onnx.models import initial_states, serialized, to_scan_model, to_step_model
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace, empty_trace, variable_names

Run = Callable[[Sequence[str], Mapping[str, NDArray]], list[NDArray]]
Engine = Callable[[bytes], Run]


def run_onnxruntime(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Every state word by onnxruntime: the model over time, and its first steps one by one.

    Raises:
        ToolError: onnxruntime cannot be imported.
        MismatchError: the raster has a different number of channels.
    """
    return run_models(network, raster, by_onnxruntime)


def run_reference(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Every state word by onnx.reference, ONNX's own definition of its operators."""
    return run_models(network, raster, by_reference)


def run_models(network: IntegerNetwork, raster: NDArray[np.uint8], engine: Engine) -> Trace:
    """Trace of the first half of a raster, at most 500 steps, by the step model, and of
    the rest by the model over time.

    Both models are exported, so each is compared with the reference on its half.
    """
    check_channels(network, raster.shape)
    if len(raster) == 0:  # which Scan of onnxruntime refuses
        return empty_trace(network, 0)
    half = min(len(raster) // 2, 500)
    first, states = _by_steps(network, raster[:half], engine(serialized(to_step_model(network))))
    rest = _over_time(network, raster[half:], engine(serialized(to_scan_model(network))), states)
    return Trace({name: np.concatenate([*first[name], rest[name]]) for name in rest})


def run_step(network: IntegerNetwork, raster: NDArray[np.uint8], run: Run) -> Trace:
    """Trace of a raster by a step model alone."""
    check_channels(network, raster.shape)
    if len(raster) == 0:
        return empty_trace(network, 0)
    parts, _ = _by_steps(network, raster, run)
    return Trace({name: np.concatenate(arrays) for name, arrays in parts.items()})


def run_scan(network: IntegerNetwork, raster: NDArray[np.uint8], run: Run) -> Trace:
    """Trace of a raster by a model over time alone."""
    check_channels(network, raster.shape)
    if len(raster) == 0:  # which Scan of onnxruntime refuses
        return empty_trace(network, 0)
    return Trace(_over_time(network, raster, run, initial_states(network)))


def _by_steps(
    network: IntegerNetwork, raster: NDArray[np.uint8], run: Run
) -> tuple[dict[str, list[NDArray]], dict[str, NDArray]]:
    """Each variable after each step, (1, n_neurons), and the states after the last."""
    states = initial_states(network)
    parts: dict[str, list[NDArray]] = {name: [] for name in variable_names(network)}
    wanted = [f"{name}.next" for name in states]
    for x in raster:
        found = run(wanted, states | {"x": x[None]})
        states = dict(zip(states, found, strict=True))
        for name, arrays in parts.items():
            arrays.append(states[name])
    return parts, states


def _over_time(
    network: IntegerNetwork, raster: NDArray[np.uint8], run: Run, states: Mapping[str, NDArray]
) -> dict[str, NDArray]:
    """Each variable after every step, (n_steps, n_neurons), from the states before the first."""
    names = variable_names(network)
    found = run([f"{name}.trace" for name in names], {**states, "raster": raster[:, None]})
    return {name: array[:, 0] for name, array in zip(names, found, strict=True)}


def by_onnxruntime(model: bytes) -> Run:
    """Load a model into onnxruntime, on one thread.

    Raises:
        ToolError: onnxruntime cannot be imported.
    """
    onnxruntime = extra("onnxruntime", "onnxruntime", "this backend")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda names, feeds: session.run(list(names), dict(feeds))


def by_reference(model: bytes) -> Run:
    """Load a model into onnx.reference."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    return lambda names, feeds: list(evaluator.run(list(names), dict(feeds)))
