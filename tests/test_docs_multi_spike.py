"""docs/numeric-contract.md is enough for kinds that count spikes: this reader is written from it.

It reads the conformance kit's files, by what the kit's README says, and imports nothing of `sim`
for that.
"""

import json

import h5py
import numpy as np
import pytest
from numeric_page import rounded, word

from sim.conformance.kit import export_kit


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    export_kit(folder)
    return folder


def synapse(c, layer, mark, i, held, sent):
    """The new current of neuron i; `sent` are what comes through each matrix, in order."""
    decay = layer[f"decay_syn{mark}"][i]
    start = held if c["adds_first"] else rounded(c, held, decay)
    rows = [
        (layer[f"w_{way}{mark}"][i], layer.get(f"e_{way}{mark}", [0] * (i + 1))[i], values)
        for way, values in sent.items()
        if f"w_{way}{mark}" in layer
    ]
    if c["delivery"] == "sum":
        acc = sum(sum(w * x for w, x in zip(ws, xs, strict=True)) << e for ws, e, xs in rows)
        found = word(c, "syn", start + (acc << c["frac_bits"]))
    else:
        found = start
        for ws, e, xs in rows:
            for w, x in zip(ws, xs, strict=True):
                for _ in range(abs(x)):
                    one = w if x > 0 else -w
                    found = word(c, "syn", found + (one << e << c["frac_bits"]))
    return rounded(c, found, decay) if c["adds_first"] else found


def integrated(c, layer, i, mem, drive):
    decayed = rounded(c, mem, layer["decay_mem"][i])
    bias = layer.get("bias", [0] * (i + 1))[i]
    if not c["by_increment"]:
        return word(c, "mem", decayed + drive + bias)
    half = 1 << (c["mem_bits"] - 1)
    fall = (decayed - mem + half) % (2 * half) - half
    rise = word(c, "mem", fall + drive)
    if "bias" in layer:
        rise = word(c, "mem", rise + bias)
    return word(c, "mem", mem + rise)


def is_over(c, x, threshold):
    return x > threshold or (x == threshold and c["fires_when"] == ">=")


def step(c, layer, old, x):
    """A step of every neuron of a layer; of a readout where it has `w_out`."""
    is_readout = "w_out" in layer
    marks = ["", "2"] if "w_in2" in layer else [""]
    sent = {"out": x} if is_readout else {"in": x, "rec": old["spk"]}
    membrane = "out" if is_readout else "mem"
    new = {key: [] for key in old}
    for i in range(len(layer["decay_mem"])):
        currents = {f"syn{m}": synapse(c, layer, m, i, old[f"syn{m}"][i], sent) for m in marks}
        used = currents if c["current"] == "new" else {key: old[key][i] for key in currents}
        mem = integrated(c, layer, i, old[membrane][i], sum(used.values()))
        n, threshold = 0, layer.get("threshold", [None] * (i + 1))[i]
        most = 1 if is_readout else c["max_spikes"]
        while threshold is not None and n < most and is_over(c, mem, threshold):
            n, mem = n + 1, mem - threshold
        for key, value in {**currents, "spk": n, "fired": n, membrane: mem}.items():
            if key in new:
                new[key].append(value)
    return new


def run(case, file):
    """The words of every layer after each step."""
    c = case["contract"]
    c = {"adds_first": False, "by_increment": False, "max_spikes": 1, **c}
    layers = {
        name: {key: array[()].tolist() for key, array in group.items()}
        for name, group in file["network"].items()
    }
    names = [layer["name"] for layer in case["layers"]]
    variables = [variable.split("/") for variable in case["variables"]]
    states = {
        name: {
            state: layers[name].get("initial_out" if state == "out" else "", None)
            or [0] * len(layers[name]["decay_mem"])
            for layer, state in variables
            if layer == name
        }
        for name in names
    }
    late = [0] * file["raster"].shape[1]
    for x in file["raster"][()].tolist():
        before, now, new = late, x, {}
        for name in names:
            delay = c["delay_steps"]
            delay = 0 if name == "hidden0" and c.get("inputs_at_once") else delay
            delay = 1 if name == "readout" and c.get("readout_delayed") else delay
            new[name] = step(c, layers[name], states[name], before if delay else now)
            if name != "readout":
                before, now = states[name]["spk"], new[name]["spk"]
        states, late = new, x
        yield new


@pytest.mark.slow
def test_the_reader_finds_every_word_of_the_kit(kit):
    index = json.loads((kit / "kit.json").read_text())
    names = ("multi-spike-", "two-synapse-")
    cases = [case for case in index["cases"] if case["name"].startswith(names)]
    assert len(cases) > 15
    most, overflowed = 0, 0
    for case in cases:
        with h5py.File(kit / f"{case['name']}.h5") as file:
            found = list(run(case, file))
            for variable in case["variables"]:
                layer, state = variable.split("/")
                right = file[f"trace/{variable}"][()]
                assert [step[layer][state] for step in found] == right.tolist(), (
                    case["name"],
                    variable,
                )
                most = max(most, int(right.max()) if state == "spk" else 0)
                ends = 1 << (case["contract"]["syn_bits"] - 1)
                overflowed += int(np.isin(right, (-ends, ends - 1)).sum()) * (state[:3] == "syn")
    assert most > 100
    assert overflowed > 100
    kinds = {layer["kind"] for case in cases for layer in case["layers"] if "kind" in layer}
    assert kinds >= {"MultiSpikeCubaLIF", "TwoSynapseCubaLIF", "FiringCubaLI"}
