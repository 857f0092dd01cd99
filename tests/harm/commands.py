"""Every command that writes, with arguments for a tiny run and the command that comes next."""

import itertools
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harm.shim import Strike
from harm.warm import Ended, Warm
from rsnn.data.zenodo import HEADER
from rsnnctl.runs import folders

SHORT = {
    "rsnnctl.runs.training.SYNTHETIC_MINUTES": 0.5,
    "rsnnctl.runs.first_spike.training.SAVED_EVERY": 0.0,
}
"""`train` without a session makes one of half a minute in place of five; `first-spike train` saves
its state after each epoch."""
_FIRST_SPIKE = "few.h5 --preset digits-s2stdp --set network.n_neurons=4 --set trainer.epochs=2"


@dataclass(frozen=True)
class Writing:
    """A command that writes.

    Attributes:
        words: its words after `rsnnctl`.
        before: the folder it starts in, a name of `Folders`.
        resumes: whether `--resume` continues it.
        is_long: whether it takes seconds.
    """

    words: str
    before: str = "quantized"
    resumes: bool = False
    is_long: bool = False

    @property
    def command(self) -> str:
        """The command's name, of two words in a group."""
        first, second, *_ = (*self.words.split(), "")
        return f"{first} {second}" if first in ("data", "first-spike") else first

    @property
    def next(self) -> str:
        """The natural next command after an interruption."""
        if self.command.endswith("train"):
            return f"{self.command} --resume"
        return f"{self.words} --resume" if self.resumes else self.words


WRITING = {
    "synth": Writing("data synth -o new.mat --minutes 0.5 --channels 8", "empty"),
    "train": Writing("train s.mat --epochs 2", "empty", resumes=True),
    "train again": Writing("train s.mat --epochs 1", "quantized", resumes=True),
    "train, synthetic": Writing("train --epochs 1", "empty", resumes=True),
    "train, seeds": Writing("train s.mat --epochs 1 --seeds 1..2", "empty", resumes=True),
    "train, pretrained": Writing(
        "train s.mat --epochs 1 --pretrain --set pretraining.epochs=1", "empty", resumes=True
    ),
    "train, task": Writing(
        "train --task go-nogo --units 5 --seeds 1..2 --set training.max_trials=3",
        "empty",
        resumes=True,
    ),
    "train --resume": Writing("train --resume", "interrupted", resumes=True),
    "train, jobs": Writing(
        "train s.mat --epochs 2 --seeds 1..4 --jobs 2", "empty", resumes=True, is_long=True
    ),
    "prune": Writing("prune --fraction 0.45 --epochs 2", "trained", resumes=True),
    "prune, search": Writing(
        "prune --epochs 1 --set pruning.start=0.4 --set pruning.stop=0.5", "trained", resumes=True
    ),
    "quantize": Writing("quantize --bits 6"),
    "quantize, task": Writing("quantize rate.lif.h5 --bits 4 --trials 2", "mapped"),
    "QAT": Writing("quantize --qat-epochs 2", resumes=True),
    "first-spike train": Writing(
        f"first-spike train {_FIRST_SPIKE} --seeds 1..2", "empty", resumes=True
    ),
    "first-spike kfold": Writing(f"first-spike kfold {_FIRST_SPIKE} --folds 2", "empty"),
    "first-spike grid": Writing(
        f"first-spike grid {_FIRST_SPIKE} --set optimizer.ap=[0.01,0.02]", "empty"
    ),
    "quantize, samples": Writing("quantize --bits 6 --samples few.h5", "classified"),
    "explore": Writing("explore --bits 4,8"),
    "explore, QAT": Writing("explore --bits 4 --qat-epochs 1"),
    "export-nir": Writing("export-nir"),
    "export-mat": Writing("export-mat rate.rsnn.h5"),
    "map-rate": Writing("map-rate rate.rsnn.h5 --factors 2 --trials 2 --fresh-trials 2"),
    "evaluate --plot": Writing("evaluate rate.rsnn.h5 --trials 2 --plot pictures"),
    "import-weights, rates": Writing("import-weights Task_go-nogo_Act_relu.mat"),
    "export-c": Writing("export-c"),
    "export-onnx": Writing("export-onnx"),
    "export-verilog": Writing("export-verilog"),
    "build": Writing("build --target host_c"),
    "import-nir": Writing("import-nir g.nir"),
    "import-weights": Writing("import-weights w.pth"),
    "import-weights -o": Writing("import-weights w.pth -o w.rsnn.h5"),
    "import-snntorch": Writing("import-snntorch net.pt --description net.toml"),
    "simulate": Writing("simulate"),
    "simulate --trace": Writing("simulate --trace"),
    "kit": Writing("verify --export-kit kit", is_long=True),
    "witness": Writing("inspect narrow.int.h5 --witness found"),
}

READING = {
    "check": "check --target cortex_m4",
    "data info": "data info s.mat",
    "evaluate": "evaluate",
    "inspect": "inspect",
    "status": "status",
    "stream": "stream",
    "targets": "targets",
    "verify": "verify --steps 20",
}
"""Commands that leave every file as it is; some of them write with an option only."""

LEFT_OUT = {
    "demo": "calls the commands above one after the other, and takes a minute",
    "data fetch": "downloads; tests/test_rsnn_data_fetch.py breaks its connections",
}


class Folders:
    """Folders for commands to start in, each made once and copied for each use."""

    def __init__(self, place: Path, warm: Warm) -> None:
        """Make what later folders are copied from: a session, rasters, weights of others.

        `s.mat` has no seal, like recordings of others, so that tests can edit it.
        """
        self.place = place
        self._warm = warm
        self._count = 0
        empty = place / "empty"
        empty.mkdir(parents=True)
        self._ran("data synth -o sealed.mat --minutes 0.5 --channels 8", empty)
        sealed = (empty / "sealed.mat").read_bytes()
        (empty / "s.mat").write_bytes(sealed[:HEADER].ljust(512, b"\0") + sealed[512:])
        _write_weights(empty)
        _write_rates(empty)
        _write_samples(empty)

    def copy(self, name: str) -> Path:
        """A new copy of a folder: empty, interrupted, trained, mapped, classified or quantized."""
        if not (self.place / name).exists():
            getattr(self, f"_make_{name}")(self.place / name)
        self._count += 1
        root = self.place / f"root-{self._count}"
        shutil.copytree(self.place / name, root, symlinks=True)
        _moved(self.place / name, root)
        return root

    def _ran(self, words: str, root: Path) -> Ended:
        ended = self._warm.run(words.split(), root)
        assert ended.code == 0, ended.err
        return ended

    def _copied(self, source: str, target: Path) -> None:
        made = self.copy(source)
        made.rename(target)
        _moved(made, target)

    def _make_trained(self, target: Path) -> None:
        self._copied("empty", target)
        self._ran("train s.mat --epochs 2", target)

    def _make_mapped(self, target: Path) -> None:
        self._copied("empty", target)
        self._ran(WRITING["map-rate"].words, target)

    def _make_classified(self, target: Path) -> None:
        self._copied("empty", target)
        self._ran(f"first-spike train {_FIRST_SPIKE}", target)

    def _make_quantized(self, target: Path) -> None:
        self._copied("trained", target)
        self._ran("quantize", target)
        self._ran("export-nir -o g.nir", target)
        self._ran("quantize --mem-bits 19 --syn-bits 14 -o narrow.int.h5", target)

    def _make_read(self, target: Path) -> None:
        """Every file that a reader starts from."""
        self._copied("quantized", target)
        written = "verify --export-kit kit", "export-onnx", "export-c", "simulate"
        for words in ("explore --bits 4", *written):
            self._ran(words, target)
        interrupted = self.copy("interrupted")
        (state,) = interrupted.glob("runs/*/stages/*.state.h5")
        shutil.copy(state, target / "t.state.h5")
        _write_seeds(target)

    def _make_interrupted(self, target: Path) -> None:
        """A training of 3 epochs, killed when 1 of them was kept."""
        self._copied("empty", target)
        words = ["train", "s.mat", "--epochs", "3"]
        trial = self.copy("empty")
        changes = self._warm.run(words, trial, log=True).changes
        kept = [n for n, c in enumerate(changes, 1) if c.other.endswith("/training.jsonl")]
        ended = self._warm.run(words, target, strike=Strike(kept[0], "after"))
        assert ended.code < 0, ended


def _moved(source: Path, target: Path) -> None:
    """Let the runs of a folder that was moved find their sessions, named by their whole path."""
    for path in target.glob("runs/*/run.json"):
        text = json.dumps(folders.read_facts(path.parent))
        folders.note(path.parent, json.loads(text.replace(str(source), str(target))))


def _write_seeds(folder: Path) -> None:
    """Small files of formats that no command writes, or not alone."""
    import h5py
    import nir
    import numpy as np

    from harm.mutate_packets import KEY, SEED
    from sim.live.packets import encode_spikes
    from sim.live.signed import sign

    row = folder / "runs/train/explore/bits4-decay12-sparsity0.json"
    (folder / "runs/train/label.json").write_text(json.dumps(json.loads(row.read_text())["label"]))
    with h5py.File(folder / "r.h5", "w") as file:
        file.create_dataset("raster", data=np.load(folder / "r.npy"), compression="gzip")
    (folder / "setting.txt").write_text("training.epochs=3")
    (folder / "lines.txt").write_text("0 1 7\n\n3\n")
    (folder / "packet.bin").write_bytes(encode_spikes(2, [0, 7]))
    session = Random(SEED).randbytes(8)
    (folder / "signed.bin").write_bytes(sign(KEY, encode_spikes(2, [0, 7]) + session))
    shutil.copy(folder / "runs/train/model.int.h5", folder / "n.int.h5")
    _write_recording(folder / "short.mat")
    random = np.random.default_rng(1)
    each = np.full(6, 0.02), np.full(6, 0.03), np.ones(6), np.zeros(6), np.ones(6)
    nodes = {
        "input": nir.Input(np.array([8])),
        "w0": nir.Affine(random.normal(size=(6, 8)), np.zeros(6)),
        "layer0": nir.CubaLIF(*each),
        "w1": nir.Linear(random.normal(size=(2, 6))),
        "layer1": nir.CubaLI(*(values[:2] for values in each[:4])),
        "output": nir.Output(np.array([2])),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(names)))
    nir.write(folder / "others.nir", graph)


def _write_recording(path: Path) -> None:
    """A second of a recording by others: two channels, each with one unit and an empty cell."""
    import h5py
    import numpy as np

    times = 10.0 + np.arange(250) * 0.004
    with h5py.File(path, "w") as file:
        file["t"] = times[None]
        file["cursor_pos"] = np.stack((np.sin(times), np.cos(times)))
        file["target_pos"] = np.repeat([[1.0, 2.0, 3.0, 4.0, 5.0]] * 2, 50, axis=1)
        file["#refs#/empty"] = np.zeros(2, np.uint64)
        file["#refs#/empty"].attrs["MATLAB_empty"] = np.uint8(1)
        spikes = np.full((2, 2), file["#refs#/empty"].ref, h5py.ref_dtype)
        for channel in range(2):
            file[f"#refs#/{channel}"] = times[None, channel::20]
            spikes[1, channel] = file[f"#refs#/{channel}"].ref
        file["spikes"] = spikes


def _write_rates(folder: Path) -> None:
    """A rate network, as ours and as the published code keeps it."""
    from rate_networks import random_rate_network

    from rsnn.rate.file import save
    from rsnn.rate.matlab import write_mat

    save(random_rate_network(), folder / "rate.rsnn.h5", {})
    write_mat(random_rate_network(), folder / "Task_go-nogo_Act_relu.mat")


def _write_samples(folder: Path) -> None:
    """A few samples of two classes, and which of them are for what."""
    import numpy as np

    from rsnn.first_spike.data.file import save_samples
    from rsnn.first_spike.data.samples import from_ticks

    random = np.random.default_rng(1)
    samples = from_ticks(random.integers(0, 6, (24, 12)), np.arange(24) % 2, 6)
    parts = {"train": np.arange(12), "validation": np.arange(12, 18), "test": np.arange(18, 24)}
    save_samples(samples, folder / "few.h5", parts)


def _write_weights(folder: Path) -> None:
    """A raster, and weights of the published layout and of snnTorch, small."""
    import numpy as np
    import torch

    random = np.random.default_rng(1)
    raster = (random.random((300, 8)) < 0.05).astype(np.uint8)
    np.save(folder / "r.npy", raster)
    np.savez_compressed(folder / "r.npz", raster=raster)
    shapes = {
        "con1.op.weight": (16, 8),
        "con2.op.weight": (16, 16),
        "group2.mem_param": (16,),
        "group2.syn_param": (16,),
        "con3.op.weight": (2, 16),
        "group3.mem_param_readout": (2,),
        "group3.syn_param_readout": (2,),
    }
    generator = torch.Generator().manual_seed(1)
    weights = {k: torch.randn(s, generator=generator).half() for k, s in shapes.items()}
    torch.save(weights, folder / "w.pth")
    state = {
        "0.weight": torch.randn((16, 8), generator=generator) / 2,
        "0.bias": torch.zeros(16),
        "1.alpha": torch.tensor(0.67),
        "1.beta": torch.tensor(0.82),
        "1.threshold": torch.tensor(1.0),
        "1.graded_spikes_factor": torch.tensor(1.0),
        "1.reset_mechanism_val": torch.tensor(0),
        "2.weight": torch.randn((2, 16), generator=generator) / 4,
        "2.bias": torch.zeros(2),
        "3.beta": torch.tensor(0.92),
        "3.threshold": torch.tensor(1.0),
        "3.graded_spikes_factor": torch.tensor(1.0),
        "3.reset_mechanism_val": torch.tensor(2),
    }
    torch.save(state, folder / "net.pt")
    layers = (("0", "1", "Synaptic"), ("2", "3", "Leaky"))
    lines = ['dt = 0.004\nsnntorch = "1.0"\n']
    for linear, name, neuron in layers:
        lines.append(f'[[layers]]\nlinear = "{linear}"\nname = "{name}"\nneuron = "{neuron}"\n')
    (folder / "net.toml").write_text("\n".join(lines))
