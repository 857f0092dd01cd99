"""A project around an exported decoder: a test bench with the golden run, a proof, a Makefile."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.files import atomic_path, write_text
from export.firmware.replay import thirds
from export.firmware.templates import filled
from export.verilog.design import Design
from export.verilog.links import answered_bytes, host_source, link_bench, sent_bytes
from export.verilog.simulators import bench
from export.verilog.source import proof_source
from sim import reference


def write_project(
    design: Design, golden: NDArray[np.uint8], folder: Path, *, goal: str
) -> list[Path]:
    """Write all files of a project except the decoder, which is called `rsnn`; return them.

    Args:
        design: the decoder.
        golden: raster (n_steps, n_inputs) that the test bench replays.
        folder: folder of the decoder's sources.
        goal: of the Makefile, its default.
    """
    trace = reference.run(design.network, golden)
    words = [array.astype("<i4") for array in trace.variables.values()]
    ends = np.array([part.stop for part in thirds(len(golden))], "<u4")
    data = {
        "golden.in": ends.tobytes() + golden.tobytes(),
        "golden.out": np.concatenate(words, axis=1).tobytes(),
    }
    parts = {"DIGEST": design.network.digest(), "GOAL": goal}
    made = {
        **bench(design, "rsnn"),
        "rsnn_proof.v": proof_source(design),
        "Makefile": filled("verilog/Makefile", parts),
    }
    if design.shape.link != "stream":
        define = "-DUART" if design.shape.link == "uart" else ""
        made["rsnn_link_replay.v"] = link_bench(design, "rsnn")
        made["link.mk"] = filled("verilog/link.mk", {"DEFINE": define})
        if design.shape.link == "uart":
            made["host.py"] = host_source(design, "rsnn")
        data["link.in"] = sent_bytes(design, golden)
        data["link.golden"] = answered_bytes(trace)
    for name, text in made.items():
        write_text(folder / name, text)
    for name, content in data.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)
    return [folder / name for name in (*made, *data)]
