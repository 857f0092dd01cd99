"""Every reader of files and streams, the file it starts from, and how that is mutated.

A reader returns what it has read, so that a flip that changes nothing can be told from one that is
accepted. It is given the path of a file of the right name.
"""

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from harm.mutate_bytes import mutate
from harm.mutate_hdf5 import mutate_hdf5, resealed
from harm.mutate_packets import KEY, SEED, mutate_packet, mutate_signed
from harm.mutate_text import mutate_lines, mutate_npy, mutate_text
from harm.mutate_zip import mutate_zip

Mutate = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Reader:
    """A reader: the file it starts from, in a folder of `Folders`, its mutations, and the read."""

    file: str
    mutate: Mutate
    read: Callable[[Path], Any]
    before: str = "quantized"


def _settings(path: Path) -> Any:
    from rsnn.training.config import resolve

    return resolve(files=[path])


def _set(path: Path) -> Any:
    from rsnn.training.config import resolve
    from rsnnctl.runs.jobs import parse_seeds

    text = path.read_text("utf-8", "surrogateescape")
    return resolve(settings=[text]) if "=" in text else parse_seeds(text)


def _description(path: Path) -> Any:
    from rsnn.snntorch.description import read_description

    return read_description(path)


def _facts(path: Path) -> Any:
    from rsnnctl.runs import folders

    facts = folders.read_facts(path.parent)
    return facts, facts.get("finished"), folders.session_of(path.parent / "model.rsnn.h5")


def _log(path: Path) -> Any:
    from rsnnctl.runs.stages import best_record

    with _told():
        return best_record(path)


def _kept_settings(path: Path) -> Any:
    from rsnnctl.runs.training import train_config, warn_if_edited

    with _told():
        warn_if_edited(path.parent)
    return train_config(path.parent)


@contextmanager
def _told() -> Iterator[None]:
    """Let a warning count as refused: the user is told of the damage."""
    from base.errors import FileError, RsnnWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", RsnnWarning)
        try:
            yield
        except RsnnWarning as warning:
            raise FileError(str(warning)) from warning


def _row(path: Path) -> Any:
    import json

    from base.errors import FileError
    from rsnnctl.runs.checksum import kept_row
    from rsnnctl.runs.exploring import with_pareto

    label = json.loads((path.parents[1] / "label.json").read_text())
    kept = kept_row(path, label)
    if kept is None:
        raise FileError("measured again")
    return with_pareto([kept])


def _raster(path: Path) -> Any:
    from rsnn.data.raster import open_raster

    with open_raster(path) as raster:
        if raster.n_steps > 100_000:
            return raster.n_steps, raster.n_inputs, raster.dt  # its steps are read in blocks
        return raster.read(0, raster.n_steps), raster.dt


def _session(path: Path) -> Any:
    from rsnn.data.describe import describe
    from rsnn.data.session import load_session

    session = load_session(path)
    facts = describe(path)
    return session.digest, session.raster, session.velocity, facts | {"file": ""}


def _published(path: Path) -> Any:
    from rsnn.published import import_published

    model = import_published(path)
    return [(name, value.numpy()) for name, value in model.state_dict().items()]


def _snntorch(path: Path) -> Any:
    from rsnn.published import read_state_dict
    from rsnn.snntorch.description import read_description
    from rsnn.snntorch.import_state import import_state

    described = read_description(path.with_name("net.toml"))
    model = import_state(read_state_dict(path, str(path)), described)
    return [(name, value.numpy()) for name, value in model.state_dict().items()]


def _model(path: Path) -> Any:
    from rsnn.checkpoint import load_model

    model, provenance = load_model(path)
    return [(name, value.numpy()) for name, value in model.state_dict().items()], provenance


def _network(path: Path) -> Any:
    from sim.artifact import load_network, load_vectors

    network = load_network(path)
    raster, trace = load_vectors(path)
    return network.digest(), network.metadata, raster, dict(trace.variables)


def _state(path: Path) -> Any:
    from rsnn.training.state import load_state

    state, label = load_state(path)
    tensors = (*state.parameters.items(), *state.best.items(), *state.optimizer.items())
    arrays = [(name, value.numpy()) for name, value in tensors]
    return arrays, state.generator.numpy(), state.epoch, state.records, label


def _nir(path: Path) -> Any:
    from rsnnctl.read_nir import read_nir

    network = read_nir(path)
    return network.digest(), network.metadata


def _nir_of_others(path: Path) -> Any:
    from rsnnctl.read_nir import read_nir

    model = read_nir(path, dt=0.004)
    return [(name, value.numpy()) for name, value in model.state_dict().items()]


@functools.cache
def _loaded(path: Path) -> Any:
    from sim.artifact import load_network

    return load_network(path)


def _packet(path: Path, key: bytes | None = None) -> Any:
    """The answers to a packet that comes twice, after two that are right."""
    from base.errors import DataError
    from sim.live.packets import encode_spikes
    from sim.live.server import PacketServer
    from sim.live.signed import sign

    numbers = Random(SEED)
    session = Random(SEED).randbytes(8)
    server = PacketServer(_loaded(path.with_name("n.int.h5")), key, numbers.randbytes)
    for step in (0, 1):
        packet = encode_spikes(step, [step])
        assert server.reply(packet if key is None else sign(key, packet + session)) is not None
    packet = path.read_bytes()
    replies = [server.reply(packet) for _ in range(2)]
    assert replies[1] is None or not replies[1].is_step, "a step was answered twice"
    if replies == [None, None]:
        raise DataError("a packet was dropped, and counted")
    return replies[0]


def _signed_packet(path: Path) -> Any:
    return _packet(path, KEY)


def _lines(path: Path) -> Any:
    from sim.live.packets import parse_line

    text = path.read_text("utf-8", "replace")
    return [parse_line(line, 8) for line in text.splitlines()]


def _case(path: Path) -> Any:
    return _kit(path), _hdf5(path)


def _kit(path: Path) -> Any:
    """As check.py of the kit reads its index and a case."""
    import json

    from base.errors import FileError
    from sim.conformance.check import damaged

    if name := damaged(path.parent, ["kit.json", "again.h5"]):
        raise FileError(f"{path}: check.py refuses {name}")
    return json.loads(path.with_name("kit.json").read_text("utf-8"))


def _hdf5(path: Path) -> Any:
    """As a user of decoded.h5 reads it."""
    import h5py

    from base.errors import FileError

    found: list[Any] = []

    def visit(name: str, item: Any) -> None:
        found.append((name, item[()] if isinstance(item, h5py.Dataset) else None))

    try:
        with h5py.File(path, "r") as file:
            found.append(dict(file.attrs))
            file.visititems(visit)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise FileError("refused by h5py") from error
    return found


def _exported(path: Path) -> Any:
    """As `verify FILE` reads it, before it runs what is there."""
    from base.errors import FileError
    from rsnnctl.exported import format_of, network_of
    from sim.artifact import load_network

    format = format_of(path)
    if format is None:
        raise FileError(f"{path}: is no HDF5 file")
    network = load_network(network_of(path, format, None))
    return network.digest(), sorted(format.open_written(path, network))


_RUN = "runs/train"
READERS = {
    "settings .toml": Reader(f"{_RUN}/config.toml", mutate_text, _settings),
    "--set and --seeds": Reader("setting.txt", mutate_text, _set),
    "snnTorch description .toml": Reader("net.toml", mutate_text, _description),
    "run.json": Reader(f"{_RUN}/run.json", mutate_text, _facts),
    "log.jsonl": Reader(f"{_RUN}/log.jsonl", mutate_text, _log),
    "explore row": Reader(f"{_RUN}/explore/bits4-decay12-sparsity0.json", mutate_text, _row),
    "raster .npy": Reader("r.npy", mutate_npy, _raster),
    "raster .npz": Reader("r.npz", mutate_zip, _raster),
    "raster .h5": Reader("r.h5", mutate_hdf5, _raster),
    "session .mat": Reader("short.mat", mutate_hdf5, _session),
    "published .pth": Reader("w.pth", mutate_zip, _published),
    "snnTorch .pt": Reader("net.pt", mutate_zip, _snntorch),
    "model .rsnn.h5": Reader(f"{_RUN}/model.rsnn.h5", mutate, _model),
    "model, sealed anew": Reader(f"{_RUN}/model.rsnn.h5", resealed(mutate_hdf5), _model),
    "network .int.h5": Reader(f"{_RUN}/model.int.h5", mutate, _network),
    "network, sealed anew": Reader(f"{_RUN}/model.int.h5", resealed(mutate_hdf5), _network),
    "training state": Reader("t.state.h5", mutate, _state),
    "training state, sealed anew": Reader("t.state.h5", resealed(mutate_hdf5), _state),
    "NIR with contract": Reader("g.nir", mutate_hdf5, _nir),
    "NIR of others": Reader("others.nir", mutate_hdf5, _nir_of_others),
    "UDP packet": Reader("packet.bin", mutate_packet, _packet),
    "UDP packet, signed": Reader("signed.bin", mutate_signed, _signed_packet),
    "event lines": Reader("lines.txt", mutate_lines, _lines),
}
FLIPPED = {name: READERS[name] for name in READERS if "sealed anew" not in name} | {
    "config.toml": Reader(f"{_RUN}/config.toml", mutate_text, _kept_settings),
    "session .mat": Reader("sealed.mat", mutate_hdf5, _session),
    "decoded.h5": Reader(f"{_RUN}/model.decoded.h5", mutate_hdf5, _hdf5),
    "kit CASE.h5": Reader("kit/again.h5", mutate_hdf5, _case),
    "kit.json": Reader("kit/kit.json", mutate_text, _kit),
    "kit SHA256SUMS": Reader("kit/SHA256SUMS", mutate_text, _kit),
    "step.onnx": Reader(f"{_RUN}/model.step.onnx", mutate, _exported),
    "scan.onnx": Reader(f"{_RUN}/model.scan.onnx", mutate, _exported),
    "NIR with contract": Reader("g.nir", mutate_hdf5, _exported),
    "C": Reader(f"{_RUN}/c/rsnn.c", mutate_text, _exported),
    "header of C": Reader(f"{_RUN}/c/rsnn.h", mutate_text, _exported),
}
_TYPED = ("settings .toml", "--set and --seeds", "snnTorch description .toml", "event lines")
for _name in (*_TYPED, "UDP packet", "UDP packet, signed"):
    del FLIPPED[_name]
