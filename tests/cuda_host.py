"""The CUDA kernels compiled by g++, launched like those of a card."""

import ctypes
import hashlib
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from rsnn.cuda.card import FILES, SOURCES, Launch

HEADER = Path(__file__).with_name("cuda_host.h")
C_TYPES = {"int": ctypes.c_int, "float": ctypes.c_float}


class Host:
    """Kernels on the processor: tensors are on the CPU, and a block's threads are the system's."""

    def __init__(self, folder: Path, n_processors: int = 8, flags: Sequence[str] = ()) -> None:
        self.folder = folder
        self.n_processors = n_processors
        self.most_shared = 100_000
        self.flags = [*flags]
        self.launched: list[str] = []

    def launch(self, wanted: Launch) -> None:
        """As `rsnn.cuda.card.Kernels.launch`."""
        name, sizes, grid, block, shared, arguments = wanted
        self.launched.append(name)
        if 0 in grid:
            return
        assert block % 32 == 0
        assert block <= 1024
        assert shared <= self.most_shared
        values, kept = [], []
        for argument in arguments:
            if argument is None:
                values.append(ctypes.c_void_p(None))
            elif isinstance(argument, torch.Tensor):
                assert argument.is_contiguous()
                assert argument.device.type == "cpu"
                kept.append(argument)
                values.append(ctypes.c_void_p(argument.data_ptr()))
            else:
                kind = ctypes.c_int if isinstance(argument, np.int32) else ctypes.c_float
                values.append(kind(argument.item()))
        pointers = (ctypes.c_void_p * len(values))(*(map(ctypes.addressof, values)))
        self._library(name, sizes).on_host(*grid, block, shared, pointers)

    def _library(self, name: str, sizes: Mapping[str, int]) -> ctypes.CDLL:
        source = (SOURCES / FILES[name]).read_text()
        parameters = re.search(rf"\b{name}\(([^)]*)\)", source[source.index("KERNEL") :])
        assert parameters
        types = [
            re.sub(r"\w+\s*$", "", parameter).replace("const ", "").strip()
            for parameter in parameters[1].split(",")
        ]
        unpacked = ", ".join(f"*({kind} *)a[{k}]" for k, kind in enumerate(types))
        how = "run" if "SHARED_MEMORY" in source else "run_alone"
        glue = (
            f'#include "{SOURCES / FILES[name]}"\n'
            'extern "C" void on_host(int x, int y, int n, int shared, void **a) {\n'
            f"    {how}(x, y, n, shared, [=] {{ {name}({unpacked}); }});\n"
            "}\n"
        )
        flags = [*(f"-D{macro}={value}" for macro, value in sizes.items()), *self.flags]
        inputs = [glue, HEADER.read_text(), *flags, *(p.read_text() for p in SOURCES.iterdir())]
        mark = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
        library = self.folder / f"{name}-{mark}.so"
        if not library.exists():
            code = library.with_suffix(".cc")
            code.write_text(glue)
            command = ["g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-pthread", "-mfma"]
            command += [
                "-ffp-contract=off",
                "-fno-strict-aliasing",
                "-Wno-unknown-pragmas",
                "-include",
                HEADER,
            ]
            subprocess.run([*command, *flags, "-o", library, code], check=True)
        return ctypes.CDLL(library)
