"""Words that something else recorded: files, axes, offsets, and what does not fit."""

import h5py
import numpy as np
import pytest
from networks import random_network, random_raster, with_arrays

from base.errors import DataError, FileError, MismatchError
from rsnn.data.probes import read_probes, verify_trace
from sim import reference
from sim.trace import variable_names

DRAWN = random_network(np.random.default_rng(3), hidden=(8, 5))
NETWORK = with_arrays(DRAWN, -1, initial_out=[5, -7])
RASTER = random_raster(np.random.default_rng(3), 30, NETWORK.n_inputs)
TRACE = reference.run(NETWORK, RASTER).variables
MEM = TRACE["hidden0.mem"]


def save(path, arrays, said=None, **facts):
    """A file of probes in the format of its suffix; `said` by array."""
    said = said or {}
    if path.suffix == ".npz":
        extra = {f"{name}:{fact}": v for name, has in said.items() for fact, v in has.items()}
        np.savez(path, **{**arrays, **facts, **extra})
        return path
    with h5py.File(path, "w") as file:
        file.attrs.update(facts)
        for name, array in arrays.items():
            file[name.replace(".", "/")] = array
            file[name.replace(".", "/")].attrs.update(said.get(name, {}))
    return path


@pytest.fixture(params=["t.npz", "t.h5"])
def path(request, tmp_path):
    return tmp_path / request.param


def test_every_word_of_a_whole_trace_is_compared(path):
    save(path, {**TRACE, "raster": RASTER}, digest=NETWORK.digest(), dt=NETWORK.dt)
    report = verify_trace(NETWORK, path)
    assert (report.steps, report.differences, report.not_run) == (30, 0, {})
    assert report.words == sum(words.size for words in TRACE.values())
    assert list(report.lines()) == [
        f"{path.name} (recorded): {report.words} state words, 0 differences",
        f"verified: 30 steps, {report.words} state words, 0 differences",
    ]


def test_what_was_not_recorded_is_not_compared_and_said(path):
    arrays = {name: TRACE[name] for name in ("readout.out", "hidden0.spk")}
    report = verify_trace(NETWORK, save(path, arrays), RASTER)
    assert report.backends[path.name].what == "words of hidden0.spk, readout.out"
    assert report.words == TRACE["hidden0.spk"].size + TRACE["readout.out"].size


def test_rows_begin_at_first_step_and_columns_are_the_neurons_that_are_named(path):
    neurons = np.array([4, 0])
    said = {"axes": "neuron step", "first_step": 11, "neurons": neurons}
    found = MEM[11:20, neurons].T.astype(np.float32)
    save(path, {"hidden0.mem": found, "raster": RASTER}, {"hidden0.mem": said})
    assert verify_trace(NETWORK, path).differences == 0
    found[1, 5] += 2
    save(path, {"hidden0.mem": found, "raster": RASTER}, {"hidden0.mem": said})
    report = verify_trace(NETWORK, path)
    first = report.backends[path.name].first
    d = first.difference
    assert report.differences == 1
    assert (d.step, d.layer, d.variable, d.neuron) == (16, "hidden0", "mem", 0)
    assert (d.expected, d.found) == (int(MEM[16, 0]), int(MEM[16, 0]) + 2)
    assert (first.raster_index, first.operands["step"]) == (0, 16)
    assert first.operands["mem"] == MEM[15, 0]


def test_a_row_before_the_first_step_is_the_initial_state(path):
    start = NETWORK.readout.initial("out")
    found = np.vstack([start, TRACE["readout.out"][:-1]])
    arrays = {"readout.out": found, "hidden0.spk": TRACE["hidden0.spk"], "raster": RASTER}
    said = {"hidden0.spk": {"first_step": 0}}
    save(path, arrays, said, first_step=-1)  # of the file, but for the array that says its own
    assert verify_trace(NETWORK, path).differences == 0
    found[0, 1] += 1
    save(path, arrays, said, first_step=-1)
    text = list(verify_trace(NETWORK, path).lines())[1]
    at = "step -1, readout, neuron 1, out: expected -7, found -6"
    assert text == f"{path.name}: first difference: {at}"


def test_the_first_difference_is_the_earliest_in_the_order_of_computation(path):
    arrays = {name: words.copy() for name, words in reversed(TRACE.items())}
    for name, step, neuron in (
        *(("readout.out", 4, 0), ("hidden1.syn", 4, 2), ("hidden1.syn", 4, 1)),
        *(("hidden0.syn", 5, 0), ("hidden1.mem", 4, 0)),
    ):
        arrays[name][step, neuron] += 1
    report = verify_trace(NETWORK, save(path, arrays), RASTER)
    d = report.backends[path.name].first.difference
    assert (d.step, d.layer, d.variable, d.neuron) == (4, "hidden1", "syn", 1)
    assert report.differences == 5


def test_what_simulate_writes_is_a_trace_too(path):
    arrays = {"decoded": np.zeros((30, 2)), "out": TRACE["readout.out"]}
    report = verify_trace(NETWORK, save(path, arrays), RASTER)
    assert report.backends[path.name].what == "words of readout.out"
    assert report.differences == 0


STATES = ", ".join(variable_names(NETWORK))
WRONG = {
    "holds no state variable; the network has hidden0.spk": (MismatchError, {}, {}, {}),
    f"`hidden7.mem` is no state variable of the network; it has {STATES}": (
        *(MismatchError, {"hidden7.mem": MEM}, {}, {}),
    ),
    "`hidden0.mem` has shape (30, 3); (n_steps, 8) is needed, or with `axes`": (
        *(MismatchError, {"hidden0.mem": MEM[:, :3]}, {}, {}),
    ),
    "`hidden0.mem` has shape (0, 8); (n_steps, 8) is needed": (
        *(MismatchError, {"hidden0.mem": MEM[:0]}, {}, {}),
    ),
    "`hidden0.mem` has shape (30,); (n_steps, 8) is needed": (
        *(MismatchError, {"hidden0.mem": MEM[:, 0]}, {}, {}),
    ),
    "`hidden0.mem` has 30 steps from step 1 on, the input 30 steps; leave out the steps": (
        *(MismatchError, {"hidden0.mem": MEM}, {"hidden0.mem": {"first_step": 1}}, {}),
    ),
    "`neurons` of `hidden0.mem` are not all 0..7, as in the layer": (
        MismatchError,
        {"hidden0.mem": MEM[:, :2]},
        {"hidden0.mem": {"neurons": [0, 8]}},
        {},
    ),
    "the axes of `hidden0.mem` are `time`; known: step neuron, neuron step": (
        *(DataError, {"hidden0.mem": MEM}, {"hidden0.mem": {"axes": "time"}}, {}),
    ),
    "`first_step` of `hidden0.mem` is -2; -1 or more is needed": (
        *(DataError, {"hidden0.mem": MEM}, {"hidden0.mem": {"first_step": -2}}, {}),
    ),
    "`hidden0.mem` holds 0.5; whole numbers are needed": (
        *(DataError, {"hidden0.mem": MEM * 0 + 0.5}, {}, {}),
    ),
    "`hidden0.mem` holds nan; whole numbers are needed": (
        *(DataError, {"hidden0.mem": MEM * np.nan}, {}, {}),
    ),
    "`hidden0.mem` holds 18446744073709551615; whole numbers are needed": (
        *(DataError, {"hidden0.mem": np.full_like(MEM, 2**64 - 1, dtype=np.uint64)}, {}, {}),
    ),
    "`hidden0.mem` holds |S3; whole numbers are needed": (
        *(DataError, {"hidden0.mem": np.full(MEM.shape, b"one")}, {}, {}),
    ),
    f"was recorded of the network abcdef012345, not of {NETWORK.digest()[:12]}; name that one": (
        *(MismatchError, {"hidden0.mem": MEM}, {}, {"digest": "abcdef0123456789"}),
    ),
    "has steps of 1 ms, the network of 4 ms; bin": (
        *(MismatchError, {"hidden0.mem": MEM}, {}, {"dt": 0.001}),
    ),
    "`dt` is -1; a number of seconds is needed": (
        *(DataError, {"hidden0.mem": MEM}, {}, {"dt": -1}),
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_does_not_fit_is_refused_in_a_line(path, text):
    error, arrays, said, facts = WRONG[text]
    save(path, arrays, said, **facts)
    with pytest.raises(error) as raised:
        verify_trace(NETWORK, path, RASTER)
    assert str(raised.value).removeprefix(f"{path}").lstrip(": ").startswith(text)
    assert "\n" not in str(raised.value)


def test_there_is_one_input(path):
    save(path, {"hidden0.mem": MEM})
    with pytest.raises(MismatchError) as raised:
        verify_trace(NETWORK, path)
    assert str(raised.value) == (
        f"{path}: has no `raster`; name its input, a recording or raster (--session)"
    )
    save(path, {"hidden0.mem": MEM, "raster": RASTER})
    with pytest.raises(MismatchError) as raised:
        verify_trace(NETWORK, path, RASTER)
    assert str(raised.value) == f"{path}: has a `raster`, its input; name no other (--session)"
    save(path, {"hidden0.mem": MEM, "raster": RASTER[:, :5]})
    with pytest.raises(MismatchError, match="the raster has 5 channels, the network 12 inputs; na"):
        verify_trace(NETWORK, path)
    save(path, {"hidden0.mem": MEM, "raster": RASTER * 2})
    with pytest.raises(DataError, match="only 0 and 1 are spikes"):
        verify_trace(NETWORK, path)


def test_other_files_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", MEM)
    np.save(tmp_path / "b.npz", MEM)
    (tmp_path / "b.npz.npy").rename(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", **{"hidden0.mem": MEM, "hidden0.syn:axes": "step neuron"})
    np.savez(tmp_path / "d.npz", **{"hidden0.mem": MEM, "hidden0.mem:colour": "red"})
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["hidden0/mem"] = h5py.Empty("i4")
    for name, error, text in (
        ("a.npy", FileError, "a trace is read from .npz, .h5, .hdf5; save it as one"),
        ("b.npz", FileError, "holds one array without a name; save it by numpy.savez"),
        ("c.npz", DataError, "`hidden0.syn:axes` says nothing of an array that is there"),
        ("d.npz", DataError, "`hidden0.mem:colour` says nothing of an array that is there"),
        ("e.h5", DataError, "`hidden0.mem` is empty; leave it out"),
        ("none.h5", FileError, "no such file"),
    ):
        with pytest.raises(error, match=text):
            read_probes(tmp_path / name, NETWORK)
