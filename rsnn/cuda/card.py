"""Kernels on a card: compiled by NVRTC at first use, kept on disk, launched on torch's stream."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from base.errors import ToolError

SOURCES = Path(__file__).parent / "kernels"
FILES = {  # in which each kernel is
    "input_spikes": "spikes.cu",
    "keep_masks": "spikes.cu",
    "project": "spikes.cu",
    "run_hidden": "hidden.cu",
    "run_readout": "readout.cu",
    "pull_readout": "readout.cu",
    "pull_narrow": "pull_narrow.cu",
    "pull_wide": "pull_wide.cu",
    "weight_gradient": "weights.cu",
}
OLDEST = 8  # compute capability whose warps add integers in one instruction
GIVEN_SHARED = 48 << 10  # bytes of shared memory of a block that no kernel has to ask for
Argument = Tensor | np.generic | None


class Launch(NamedTuple):
    """A kernel, and how it runs.

    Attributes:
        name: a key of `FILES`.
        sizes: macros that it is compiled with.
        grid: blocks, (x, y); none runs if one of them is 0.
        block: threads per block.
        shared: bytes of shared memory per block.
        arguments: contiguous tensors, numpy scalars of the kernel's types, None for no array.
    """

    name: str
    sizes: Mapping[str, int]
    grid: tuple[int, int]
    block: int
    shared: int
    arguments: Sequence[Argument]


class Kernels(Protocol):
    """What runs kernels.

    Attributes:
        n_processors: multiprocessors, each of which runs one or more blocks at a time.
        most_shared: bytes of shared memory that a block can ask for.
    """

    n_processors: int
    most_shared: int

    def launch(self, wanted: Launch) -> None:
        """Run a kernel after those launched before it."""
        ...


class Card:
    """The kernels of a CUDA device.

    Raises:
        ToolError: cuda-core or NVRTC is not installed, or the card is too old.
    """

    def __init__(self, device: torch.device) -> None:
        try:
            from cuda.core import Device
            from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib
        except ImportError as error:
            raise ToolError(
                "kernel is cuda, which needs cuda-core: pip install 'rsnnctl[cuda]', or choose the"
                " slower `kernel=torch`"
            ) from error
        self._device = Device(torch.cuda.current_device())
        self._device.set_current()
        properties = self._device.properties
        self.n_processors = properties.multiprocessor_count
        self.most_shared = properties.max_shared_memory_per_block_optin
        major, minor = torch.cuda.get_device_capability(device)
        if major < OLDEST:
            raise ToolError(
                f"kernel is cuda, which needs compute capability {OLDEST}.0, and this card has"
                f" {major}.{minor}; choose `kernel=torch`"
            )
        self._arch = f"sm_{major}{minor}"
        try:
            load_nvidia_dynamic_lib("nvrtc")
        except DynamicLibNotFoundError as error:
            raise ToolError(
                "kernel is cuda, which NVRTC compiles: pip install nvidia-cuda-nvrtc, or choose the"
                " slower `kernel=torch`"
            ) from error
        self._largest: dict[Any, int] = {}

    def launch(self, wanted: Launch) -> None:
        """As `Kernels.launch`."""
        from cuda.core import LaunchConfig, launch

        if 0 in wanted.grid:
            return
        kernel = _kernel(wanted.name, tuple(wanted.sizes.items()), self._arch)
        if wanted.shared > self._largest.get(kernel, GIVEN_SHARED):
            self._allow(kernel, wanted.shared)
            self._largest[kernel] = wanted.shared
        stream = _stream(torch.cuda.current_stream().cuda_stream)
        config = LaunchConfig(grid=wanted.grid, block=wanted.block, shmem_size=wanted.shared)
        launch(stream, config, kernel, *map(_value, wanted.arguments))

    def _allow(self, kernel: Any, shared: int) -> None:
        from cuda.bindings import driver

        which = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        handle = driver.CUkernel(int(kernel.handle))
        (status,) = driver.cuKernelSetAttribute(which, shared, handle, self._device.device_id)
        assert status == driver.CUresult.CUDA_SUCCESS, status  # most_shared was asked before


def compiled(name: str, sizes: Sequence[tuple[str, int]], arch: str, logs: Any = None) -> Any:
    """Compile the file of a kernel, without a card too; returns cuda-core's ObjectCode.

    Args:
        arch: such as `sm_90`.
        logs: a text file for ptxas's report of registers and spills; then nothing is kept on disk.
    """
    from cuda.core import ObjectCode, Program, ProgramOptions
    from cuda.core.utils import FileStreamProgramCache, make_program_cache_key

    text = (SOURCES / FILES[name]).read_text()
    options = ProgramOptions(
        arch=arch,
        fma=False,
        define_macro=[(macro, str(value)) for macro, value in sizes] or None,
        include_path=str(SOURCES),
        ptxas_options=None if logs is None else ["-v"],
    )
    if logs is not None:
        return Program(text, "c++", options).compile("cubin", logs=logs)
    headers = b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.h")))
    key = make_program_cache_key(
        code=text,
        code_type="c++",
        options=options,
        target_type="cubin",
        extra_digest=hashlib.sha256(headers).digest(),
    )
    try:
        with FileStreamProgramCache() as kept:
            if (found := kept.get(key)) is not None:
                return ObjectCode.from_cubin(found)
            made = Program(text, "c++", options).compile("cubin")
            kept[key] = made
    except OSError:  # the folder cannot be written, so nothing is kept
        return Program(text, "c++", options).compile("cubin")
    return made


@cache
def _kernel(name: str, sizes: tuple[tuple[str, int], ...], arch: str) -> Any:
    return compiled(name, sizes, arch).get_kernel(name)


@cache
def _stream(handle: int) -> Any:
    from cuda.core import Stream

    return Stream.from_handle(handle)


def _value(argument: Argument) -> Any:
    if argument is None:
        return 0
    if isinstance(argument, Tensor):
        assert argument.is_contiguous()
        return argument.data_ptr()
    return argument
