"""What each file of a run was made from, by digest: what is fresh, stale or missing.

A run is a chain: a session, the model trained on it, the network quantized from that, and what is
exported from the network or decoded with it. Each file names the digest of its source; a file whose
source has become another is stale.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.container import Label, read_label
from base.errors import FileError, MismatchError
from export.format import Format, inside, place
from export.formats import formats
from export.quantization.precision import Precision
from rsnn.rate.file import LIF_FORMAT
from rsnn.rate.names import INTEGER_STEP
from rsnnctl import show
from rsnnctl.runs import folders
from sim import artifact, run_file

FRESH, STALE, MISSING, UNKNOWN = "fresh", "stale", "missing", "unknown"
FIRMWARE = "firmware"
DECODED = ".decoded.h5"


@dataclass(frozen=True)
class Link:
    """One file or folder of a run.

    Attributes:
        step: `session`, `model`, `network`, or the command that makes it of a network.
        file: its path.
        state: `fresh`, `stale`, `missing`, or `unknown` where its source cannot be told.
        digest: of a session, model or network, its own; of anything else, of its network.
        source: what it is made of, or None.
        renew: the command that makes it, anew if it is there; None if it need not or cannot be.
        why: why the state is unknown.
    """

    step: str
    file: Path
    state: str
    digest: str | None = None
    source: Path | None = None
    renew: str | None = None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The link as values for JSON."""
        source = None if self.source is None else str(self.source)
        values = vars(self) | {"file": str(self.file), "source": source}
        del values["why"]
        return values


def used(path: Path, *, stale: bool = False, quiet: bool = False) -> Path:
    """The path of a model, network or graph that a command is about to use.

    Of a network of which it is unknown whether it is stale, that is said on stderr in the end.

    Args:
        path: the file.
        stale: accept it whatever its source is now.
        quiet: do not say what is unknown, where stderr is read by machines.

    Raises:
        MismatchError: its source has become another since it was made.
        FileError: the file cannot be read.
    """
    if stale:
        return path
    link = _link_of(path)
    if link is None:
        return path
    if link.state == STALE:
        raise MismatchError(
            f"{path}: is stale: it was made of another {_kind(link.source)} than {link.source} is"
            f" now; renew it with `{link.renew}`, or insist with `stale`"
        )
    if link.state == UNKNOWN and link.step == "network" and not quiet:
        show.say_at_end(f"{path}: {link.why}, so whether it is stale is unknown")
    return path


def chain(folder: Path) -> list[Link]:
    """Every link of a run, from its session to what is made of its networks.

    Raises:
        FileError: the folder is no run, or holds a file that cannot be read.
    """
    if not folders.is_run(folder):
        raise FileError(f"{folder}: is no run; name a folder in `{folders.ROOT}`")
    models = _with(folder, "*.rsnn.h5", folders.MODEL)
    spiking = sorted(folder.glob(f"*{folders.SPIKING}"))
    networks = [
        path
        for path in _with(folder, "*.int.h5", folders.NETWORK)
        if not path.name.endswith(".reproducer.int.h5")
    ]
    links = [_network(path) for path in networks]
    made = [*map(_model, models), *map(_spiking, spiking), *links]
    return [*_session(folder), *made, *_made_of(links)]


def _made_of(networks: Sequence[Link]) -> Iterator[Link]:
    """What is made of the networks of a run: exports, decoded values, a firmware project."""
    main = next(link for link in networks if link.file.name == folders.NETWORK)
    for network in networks:
        for link in [*_exports(network), *_decoded(network)]:
            if link.state != MISSING or network is main:
                yield link
    for step, folder, digests in _folders(main.file):
        source = next((each for each in networks if digests == {each.digest}), main)
        yield _judged(step, folder, digests, source)


def _with(folder: Path, pattern: str, main: str) -> list[Path]:
    """The files of a pattern; the main one comes last, also where it is missing."""
    return [*sorted(set(folder.glob(pattern)) - {folder / main}), folder / main]


def _kind(source: Path | None) -> str:
    ends = {".rsnn.h5": "model", folders.SPIKING: "spiking network", ".int.h5": "network"}
    return next((kind for end, kind in ends.items() if str(source).endswith(end)), "session")


def _link_of(path: Path) -> Link | None:
    """The link of a file that a command can use; None for files that lie in no chain."""
    if path.suffix == ".nir":
        network = path.with_suffix(".int.h5")
        if not folders.is_run(path.parent) or not network.exists():
            return None
        digests = formats()["nir"].digests(path)
        return _judged("export-nir", path, digests, _network(network))
    label = read_label(path)
    if label.format == artifact.FORMAT:
        return _network(path, label)
    if not folders.is_run(path.parent):
        return None
    return _spiking(path, label) if label.format == LIF_FORMAT else _model(path, label)


def _session(folder: Path) -> list[Link]:
    path = folders.session_of(folder / folders.MODEL)
    if path is None:
        return []
    if not path.exists():
        return [Link("session", path, MISSING)]
    return [Link("session", path, FRESH, _session_digest(path))]


def _session_digest(path: Path) -> str:
    from rsnn.data.session import load_session

    return load_session(path).digest


def _model(path: Path, label: Label | None = None) -> Link:
    if not path.exists():
        return Link("model", path, MISSING, renew="rsnnctl train")
    label = label or read_label(path)
    made = _inputs(label)
    unpruned = path.with_name(folders.UNPRUNED)
    is_pruned = "model" in made and unpruned.exists() and unpruned != path
    if is_pruned and read_label(unpruned).digest != made["model"]:
        command = shlex.join(["rsnnctl", "prune", str(unpruned), "-o", str(path)])
        return Link("model", path, STALE, label.digest, unpruned, command)
    session = folders.session_of(path)
    facts = folders.read_facts(path.parent)
    if any(name in made and name in facts for name in ("task", "samples")):
        return Link("model", path, FRESH, label.digest)
    if "session" not in made or session is None or not session.exists():
        return Link("model", path, UNKNOWN, label.digest, why="names no session of its run")
    state = FRESH if _session_digest(session) == made["session"] else STALE
    renew = shlex.join(["rsnnctl", "train", str(session)]) if state == STALE else None
    return Link("model", path, state, label.digest, session, renew)


def _spiking(path: Path, label: Label | None = None) -> Link:
    """The link of the spiking network that a rate network was mapped to."""
    label, model = label or read_label(path), folders.beside(path, ".rsnn.h5")
    named = _inputs(label).get("model")
    if named is None or not model.exists():
        return Link("spiking", path, UNKNOWN, label.digest, why="its model is not in the run")
    is_fresh = read_label(model).digest == named
    renew = None if is_fresh else shlex.join(["rsnnctl", "map-rate", str(model)])
    return Link("spiking", path, FRESH if is_fresh else STALE, label.digest, model, renew)


def _network(path: Path, label: Label | None = None) -> Link:
    model = folders.beside(path, ".rsnn.h5")
    if not path.exists():
        return Link("network", path, MISSING, renew=_quantize(model, path, {}))
    label = label or read_label(path)
    made = _inputs(label)
    named = made.get("model", made.get("spiking"))
    if "spiking" in made:
        model = folders.beside(path, folders.SPIKING)
    if not folders.is_run(path.parent):
        return Link("network", path, UNKNOWN, label.digest, why="lies in no run")
    if named is None:
        return Link("network", path, UNKNOWN, label.digest, why="names no model")
    found = model if model.exists() else _named(path.parent, named)
    if found is None:
        return Link("network", path, UNKNOWN, label.digest, why="its model is not in the run")
    is_fresh = read_label(found).digest == named
    renew = None if is_fresh else _quantize(found, path, label.provenance)
    return Link("network", path, FRESH if is_fresh else STALE, label.digest, found, renew)


def _named(folder: Path, digest: str) -> Path | None:
    """The model of a run that has, or until it was pruned had, a digest."""
    models = {path.name: read_label(path).digest for path in folder.glob("*.rsnn.h5")}
    names = [name for name, found in models.items() if found == digest]
    if names == [folders.UNPRUNED] and folders.MODEL in models:
        return folder / folders.MODEL
    return folder / names[0] if names else None


def _quantize(model: Path, network: Path, provenance: Mapping[str, Any]) -> str:
    """The command that makes a network of a model, as wide as it is."""
    words = ["rsnnctl", "quantize", str(model)]
    inputs = provenance.get("inputs", {})
    for name, default in vars(Precision()).items():
        value = inputs.get(name, default)
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif value != default or (name == "frac_bits" and "spiking" in inputs):
            words += [f"--{name.replace('_', '-')}", str(value)]
    if inputs.get("dt", INTEGER_STEP) != INTEGER_STEP:
        words += ["--dt", str(inputs["dt"])]
    if "qat" in provenance:
        words += ["--qat-epochs", str(provenance["qat"]["epochs"])]
    if network != folders.beside(model, ".int.h5"):
        words += ["-o", str(network)]
    return shlex.join(words)


def _exports(network: Link) -> Iterator[Link]:
    """A link per format whose files are called like the network."""
    for format in formats().values():
        if format.suffixes:
            path = place(format, network.file, None)
            first, digests = format.files(path)[0], format.digests(path)
            if digests or _can_be_written(format, network.file):
                yield _judged(command_name(format), first, digests, network)


def _can_be_written(format: Format, path: Path) -> bool:
    """Whether a format has what a network needs; one that is missing may be of any kind."""
    if format.check is None or not path.exists():
        return True
    return format.can_write(artifact.load_network(path))


def _decoded(network: Link) -> Iterator[Link]:
    """What a network decoded of a recording, which tasks and samples have none of."""
    path = folders.beside(network.file, DECODED)
    if path.exists():
        yield _judged("simulate", path, {run_file.read_digest(path)}, network)
    elif not (
        network.file.exists() and {"task", "samples"} & read_label(network.file).provenance.keys()
    ):
        yield _judged("simulate", path, set(), network)


def _folders(network: Path) -> Iterator[tuple[str, Path, set[str | None]]]:
    """Folders that hold exports of a run: the command, the folder, the digests in its files.

    Those of formats that cannot write the run's network are left out where they are missing.
    """
    run = network.parent
    found: set[str | None] = set()
    for format in formats().values():
        if not format.suffixes:
            path = run / format.name
            digests = format.digests(path)
            if digests or _can_be_written(format, network):
                yield command_name(format), path, digests
        found |= format.digests(inside(format, run / FIRMWARE, "rsnn"))
    yield "build", run / FIRMWARE, found


def _judged(step: str, path: Path, digests: set[str | None], network: Link) -> Link:
    """The link of something whose files name the digest of their network."""
    renew = f"rsnnctl {step} {shlex.quote(str(network.file))}"
    if step == "build":
        renew += " --target NAME"
    if not digests:
        return Link(step, path, MISSING, None, network.file, renew)
    digest = next(iter(digests)) if len(digests) == 1 else None
    if None in digests:
        return Link(step, path, UNKNOWN, digest, network.file, renew)
    if digests != {network.digest} or network.state == STALE:
        return Link(step, path, STALE, digest, network.file, renew)
    return Link(step, path, FRESH, digest, network.file)


def command_name(format: Format) -> str:
    """The command that writes a format."""
    return f"export-{format.name}".replace("_", "-")


def _inputs(label: Label) -> Mapping[str, Any]:
    inputs = label.provenance.get("inputs")
    return inputs if isinstance(inputs, dict) else {}
