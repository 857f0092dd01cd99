"""The content of a float model: shape, parameters and time constants, as data."""

from typing import Any

import torch

from rsnn.model import RSNN


def describe(model: RSNN) -> dict[str, Any]:
    """Describe a model with values that JSON can hold; time constants are in milliseconds."""
    connections = model.connections()
    with torch.no_grad():
        return {
            "architecture": model.architecture.as_dict(),
            "precision": str(next(model.parameters()).dtype).removeprefix("torch."),
            "parameters": sum(p.numel() for p in model.parameters()),
            "footprint": sum(p.numel() * p.element_size() for p in model.parameters()),
            "layers": [
                {
                    "layer": name,
                    "neurons": len(layer.tau.mem_param),
                    "tau_mem_ms": _range(layer.tau.tau_mem() * 1000),
                    "tau_syn_ms": _range(layer.tau.tau_syn() * 1000),
                }
                | ({} if layer.bias is None else {"bias": _range(layer.bias)})
                for name, layer in model.named_layers().items()
            ],
            "weights": {
                name: {
                    "shape": list(w.shape),
                    "zero": int((w == 0).sum()),
                    "range": _range(w),
                }
                for name, w in connections.items()
            },
        }


def _range(values: torch.Tensor) -> dict[str, float]:
    return {"min": float(values.min()), "max": float(values.max())}
