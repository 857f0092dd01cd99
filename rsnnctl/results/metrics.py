"""Columns that tables share: NeuroBench's, with the row of a model on a session; of a share."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rsnnctl.results.kind import Column

if TYPE_CHECKING:
    from base.metrics import Metrics

MODEL = (
    Column("model", "text", "File or kind of decoder, and its numbers."),
    Column("session", "text", "Recording and part of it."),
)
FIGURES = (
    Column("n_steps", "integer", "Steps that were decoded."),
    Column("footprint", "integer", "Bytes of all parameters.", "B"),
    Column("connection_sparsity", "number", "Share of weights that are zero."),
    Column("activation_sparsity", "number", "Share of hidden neurons and steps without a spike."),
    Column("dense", "number", "Operations of a network without zeros.", "per step"),
    Column("effective_macs", "number", "Multiply-accumulates that remain.", "per step"),
    Column("effective_acs", "number", "Accumulates that remain.", "per step"),
    Column("r2", "number?", "R2, averaged over the coordinates; null where none is defined."),
)
METRICS = MODEL + FIGURES
INTERVAL = (
    Column("low", "number", "Lower end of Wilson's 95 % interval."),
    Column("high", "number", "Upper end of it."),
)
"""Of a share, in the column before."""
BASELINE = tuple(
    column for column in METRICS if "sparsity" not in column.name and "effective" not in column.name
)


def metrics_row(name: str, stream: str, metrics: "Metrics") -> dict[str, Any]:
    """One row with the columns `METRICS`."""
    return {"model": name, "session": stream} | asdict(metrics)
