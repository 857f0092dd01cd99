"""ONNX: one step with its state, and the loop over time, in integer operators."""

from pathlib import Path
from typing import TYPE_CHECKING

from export.format import Format

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.network import IntegerNetwork
    from sim.trace import Trace
    from sim.verify import Backend

_SUFFIXES = (".step.onnx", ".scan.onnx")


def _write(network: "IntegerNetwork", path: Path) -> list[Path]:
    from export.onnx.models import export_onnx

    step, scan = (path.with_name(path.name + suffix) for suffix in _SUFFIXES)
    export_onnx(network, step, scan)
    return [step, scan]


def _onnxruntime(network: "IntegerNetwork", raster: "NDArray[np.uint8]") -> "Trace":
    from export.onnx.engines import run_onnxruntime

    return run_onnxruntime(network, raster)


def _reference(network: "IntegerNetwork", raster: "NDArray[np.uint8]") -> "Trace":
    from export.onnx.engines import run_reference

    return run_reference(network, raster)


def _read_digest(path: Path) -> str | None:
    from export.onnx.models import read_digest

    return read_digest(path)


def _open_written(path: Path, network: "IntegerNetwork") -> "dict[str, Backend]":
    from export.onnx.engines import by_onnxruntime, by_reference, run_scan, run_step
    from export.onnx.models import check_written, to_scan_model, to_step_model

    step, _ = _SUFFIXES
    run = run_step if path.name.endswith(step) else run_scan
    model = to_step_model(network) if run is run_step else to_scan_model(network)
    content = check_written(path, model)
    return {
        "onnxruntime": lambda _, raster: run(network, raster, by_onnxruntime(content)),
        "onnx-reference": lambda _, raster: run(network, raster, by_reference(content)),
    }


FORMAT = Format(
    description="ONNX in integer operators",
    details="Two models: one step with its state, and the loop over time.",
    write=_write,
    suffixes=_SUFFIXES,
    backends={"onnxruntime": _onnxruntime, "onnx-reference": _reference},
    read_digest=_read_digest,
    open_written=_open_written,
)
