"""What stands around the CUDA kernels: NVRTC's report, refusals, the kernel that is told."""

import io
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cuda_models import FakeCard
from tools import needed_module

from base.errors import RangeError, RsnnWarning, ToolError
from base.order import Order
from rsnn.cuda import bptt as cuda
from rsnn.cuda import card as cards
from rsnn.cuda.run import HISTORY
from rsnn.cuda.stream import decode_on_card
from rsnn.evaluate import decode
from rsnn.model import RSNN, Architecture
from rsnn.neurons import NO_LEAK
from rsnn.surrogate import Surrogate
from rsnn.training.captured import bytes_per_sample, check_memory
from rsnn.training.recipe import TrainConfig
from rsnn.training.train import find_forward, kernel_used

SIXTY_FOUR = {"N": 64, "RECURRENT": 1}
WIDE = {"N": 1024}
# Bytes spilt and loaded again, at most, by NVRTC 13 on sm_80, sm_90 and sm_100: none at 64 neurons.
SPILT = {
    "input_spikes": ({}, (0, 0, 0)),
    "keep_masks": ({}, (0, 0, 0)),
    "project": ({}, (0, 0, 0)),
    "run_readout": ({}, (0, 0, 0)),
    "pull_readout": ({}, (0, 0, 0)),
    "weight_gradient": ({}, (0, 0, 0)),
    "run_hidden": (SIXTY_FOUR | {"IN_SHARED": 1}, (0, 0, 0)),
    "pull_narrow": (SIXTY_FOUR | {"N_ABOVE": 2, "COLUMNS": 64}, (0, 0, 0)),
    "run_hidden 1024": (WIDE | {"RECURRENT": 1, "IN_SHARED": 0}, (16, 16, 0)),
    "pull_narrow 128": ({"N": 128, "RECURRENT": 1, "N_ABOVE": 16, "COLUMNS": 128}, (0, 0, 0)),
    "pull_wide 1024": (WIDE | {"N_ABOVE": 10}, (0, 0, 0)),
}


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (Architecture(1025), "the input has 1025 units, the kernels at most 1024"),
        (Architecture(4, n_outputs=1025), "the readout has 1025 units, the kernels at most 1024"),
        (
            Architecture(4, (250,)),
            "hidden0 has 250 neurons, which takes 73728 bytes of shared memory, and the card has"
            " 73000",
        ),
        (Architecture(4, (8, 1025)), "hidden1 has 1025 units, the kernels at most 1024"),
        (Architecture(4, (289,)), "hidden0 has 289 neurons, the card 9 multiprocessors"),
        (
            Architecture(4, (8,), order=Order(reset="subtract")),
            "its neurons or the order of its step are not the published ones",
        ),
        (Architecture(4, (288, 1024), recurrent=False), None),
        (Architecture(1024, (224,)), None),
    ],
)
def test_what_the_kernels_cannot_compute_is_told(architecture, reason):
    assert cuda.unsupported(RSNN(architecture), FakeCard()) == reason


def test_integrators_and_double_precision_are_not_for_the_kernels():
    model = RSNN(Architecture(4, (8,)))
    assert cuda.unsupported(model.double(), FakeCard()) == "its parameters are not torch.float32"
    with torch.no_grad():
        model.float().layers[0].tau.mem_param[2] = NO_LEAK
    assert "published" in cuda.unsupported(model, FakeCard())


def test_a_model_for_the_torch_loop_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("rsnn.training.captured.Card", FakeCard)
    config = TrainConfig(kernel="cuda", device="cuda")
    with pytest.warns(RsnnWarning) as warned:
        find_forward(RSNN(Architecture(1025)), config, torch.device("cuda"))
    assert [str(each.message) for each in warned] == [
        "the cuda kernel cannot compute this model: the input has 1025 units, the kernels at most"
        " 1024; the torch kernel does"
    ]
    find_forward(RSNN(Architecture(12)), config, torch.device("cuda"))


def test_cuda_core_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cuda.core", None)
    with pytest.raises(ToolError) as refusal:
        cards.Card(torch.device("cuda"))
    assert str(refusal.value) == (
        "kernel is cuda, which needs cuda-core: pip install 'rsnnctl[cuda]', or choose the slower"
        " `kernel=torch`"
    )


def test_the_kernel_needs_the_device():
    with pytest.raises(RangeError) as refusal:
        TrainConfig(kernel="cuda")
    assert str(refusal.value) == (
        "kernel is cuda, which computes on a card; choose `device=cuda` too"
    )


def test_a_batch_without_room_names_the_one_that_fits():
    model = RSNN(Architecture(96))
    each = bytes_per_sample(model, 500)
    assert 180_000 < each < 260_000  # 64 currents of 4 bytes in 500 steps are 128,000
    check_memory(model, 9, 500, 10 * each)
    with pytest.raises(RangeError) as refusal:
        check_memory(model, 4000, 500, 1000 * each)
    assert re.fullmatch(
        r"batch is 4000, which needs 0\.\d GiB of the card's 0\.\d; choose at most 900",
        str(refusal.value),
    )
    with pytest.raises(RangeError, match=r"; choose shorter windows$"):
        check_memory(model, 1, 500, each)


def report(name, sizes, arch):
    """Registers, and bytes that are spilt, of a kernel, as ptxas tells."""
    log = io.StringIO()
    cards.compiled(name, tuple(sizes.items()), arch, log)
    found = re.search(
        rf"'{name}'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+)",
        log.getvalue(),
        re.DOTALL,
    )
    assert found, log.getvalue()
    return int(found[3]), int(found[1]) + int(found[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", SPILT)
def test_nvrtc_compiles_every_kernel_and_spills_nothing_at_64_neurons(name):
    needed_module("cuda.core")
    sizes, spilt = SPILT[name]
    found = []
    for arch in ("sm_80", "sm_90", "sm_100"):
        registers, bytes_ = report(name.split()[0], sizes, arch)
        assert registers <= 255
        found.append(bytes_)
    assert all(have <= most for have, most in zip(found, spilt, strict=True)), found
    assert {each.split()[0] for each in SPILT} | {"pull_wide"} == set(cards.FILES)


def test_every_kernel_has_its_file():
    for name, file in cards.FILES.items():
        text = (cards.SOURCES / file).read_text()
        assert len(re.findall(rf"KERNEL(?: __launch_bounds__\([^)]*\)+)?\s+{name}\(", text)) == 1
        lines = text.splitlines()
        assert len(lines) <= 400
        assert max(map(len, lines)) <= 100
    assert f"#define HISTORY {HISTORY} " in (cards.SOURCES / "common.h").read_text()
    assert np.float32(Surrogate().beta) == Surrogate().code[1]


def test_a_stream_is_refused_where_a_card_cannot_decode_it(monkeypatch):
    raster = np.zeros((4, 1025), np.uint8)
    with pytest.raises(RangeError) as refusal:
        decode(RSNN(Architecture(1025)), raster, dtype=torch.float64, device="cuda")
    assert str(refusal.value) == (
        "precision is float64, and a card computes in float32; use `device=cpu`"
    )
    monkeypatch.setattr("rsnn.cuda.stream.Card", FakeCard)
    monkeypatch.setattr(RSNN, "to", lambda model, *rest: model)
    with pytest.raises(RangeError) as refusal:
        decode_on_card(RSNN(Architecture(1025)), raster, torch.device("cuda"))
    assert str(refusal.value) == (
        "the cuda kernel cannot compute this model: the input has 1025 units, the kernels at most"
        " 1024; use `device=cpu`"
    )

    def full(*arguments):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr("rsnn.cuda.stream.decode_by", full)
    with pytest.raises(RangeError) as refusal:
        decode_on_card(RSNN(Architecture(4)), raster[:, :4], torch.device("cuda"))
    assert str(refusal.value) == (
        "the card has no room for the states of 4 steps; use `device=cpu`"
    )


def test_the_kernel_that_is_used_is_told(monkeypatch):
    monkeypatch.setattr("rsnn.training.train.Card", FakeCard)
    monkeypatch.setattr("rsnn.training.train.find_device", torch.device)
    card = TrainConfig(kernel="cuda", device="cuda")
    assert kernel_used(RSNN(Architecture(12)), card) == "cuda"
    assert kernel_used(RSNN(Architecture(1025)), card) == "torch"
    assert kernel_used(RSNN(Architecture(1025)), TrainConfig()) == "numba"
    assert kernel_used(RSNN(Architecture(12)), TrainConfig(kernel="torch")) == "torch"
    other = RSNN(Architecture(12, order=Order(reset="subtract")))
    assert kernel_used(other, TrainConfig()) == "torch"


def kept_in(folder, monkeypatch):
    """Keep compiled kernels in a folder; returns the names of what was compiled."""
    core, utils = needed_module("cuda.core"), needed_module("cuda.core.utils")
    cache, program, compiled = utils.FileStreamProgramCache, core.Program, []

    def noted(*arguments):
        compiled.append(arguments)
        return program(*arguments)

    monkeypatch.setattr(utils, "FileStreamProgramCache", lambda: cache(folder))
    monkeypatch.setattr(core, "Program", noted)
    return compiled


@pytest.mark.slow
def test_what_was_compiled_is_kept_until_a_size_a_header_or_the_card_is_another(
    tmp_path, monkeypatch
):
    sources = tmp_path / "kernels"
    shutil.copytree(cards.SOURCES, sources)
    monkeypatch.setattr(cards, "SOURCES", sources)
    compiled = kept_in(tmp_path / "kept", monkeypatch)
    sizes = [("N", 4), ("RECURRENT", 1), ("IN_SHARED", 1)]
    first = cards.compiled("run_hidden", sizes, "sm_90").code
    assert cards.compiled("run_hidden", sizes, "sm_90").code == first
    assert len(compiled) == 1
    cards.compiled("run_hidden", [("N", 5), *sizes[1:]], "sm_90")
    cards.compiled("run_hidden", sizes, "sm_80")
    assert len(compiled) == 3
    header = sources / "common.h"
    header.write_text(header.read_text().replace("THRESHOLD 1.0f", "THRESHOLD 2.0f"))
    assert cards.compiled("run_hidden", sizes, "sm_90").code != first
    assert len(compiled) == 4


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path, monkeypatch):
    (tmp_path / "kept").write_text("no folder")
    compiled = kept_in(tmp_path / "kept", monkeypatch)
    for _ in range(2):
        assert cards.compiled("project", [], "sm_90").code
    assert len(compiled) == 2


class Device:
    """cuda-core's device, of a card that is not there."""

    properties = SimpleNamespace(multiprocessor_count=3, max_shared_memory_per_block_optin=4)
    device_id = 0

    def __init__(self, number):
        pass

    def set_current(self):
        pass


def test_a_card_tells_what_it_has_and_what_it_lacks(monkeypatch):
    core, pathfinder = needed_module("cuda.core"), needed_module("cuda.pathfinder")
    monkeypatch.setattr(core, "Device", Device)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    card = cards.Card(torch.device("cuda"))
    assert (card.n_processors, card.most_shared) == (3, 4)

    def missing(name):
        raise pathfinder.DynamicLibNotFoundError(name)

    monkeypatch.setattr(pathfinder, "load_nvidia_dynamic_lib", missing)
    with pytest.raises(ToolError) as refusal:
        cards.Card(torch.device("cuda"))
    assert str(refusal.value) == (
        "kernel is cuda, which NVRTC compiles: pip install nvidia-cuda-nvrtc, or choose the slower"
        " `kernel=torch`"
    )
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(ToolError) as refusal:
        cards.Card(torch.device("cuda"))
    assert str(refusal.value) == (
        "kernel is cuda, which needs compute capability 8.0, and this card has 7.5; choose"
        " `kernel=torch`"
    )
