"""docs/numeric-contract.md is enough for the kind `double_exp_lif`: this reader is written from it.

It reads the conformance kit's files, by what the kit's README says, and imports nothing of `sim`
for that.
"""

import json

import h5py
import pytest
from numeric_page import rounded, word

from sim.conformance.kit import export_kit


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    export_kit(folder)
    return folder


def total(weights, sent):
    return sum(w * x for w, x in zip(weights, sent, strict=True))


def hidden(c, layer, old, x):
    """A step of every neuron of a layer."""
    new = {"spk": [], "rise": [], "syn": [], "mem": [], "wait": []}
    for i in range(len(layer["threshold"])):
        acc = total(layer["w_rec"][i], old["spk"]) << layer["e_rec"][i]
        fallen = rounded(c, old["rise"][i], layer["decay_rise"][i])
        rise = word(c, "syn", fallen + (acc << c["frac_bits"]))
        syn = word(c, "syn", rounded(c, old["syn"][i], layer["decay_syn"][i]) + old["rise"][i])
        drive = old["syn"][i] if c["current"] == "previous" else syn
        given = total(layer["w_direct"][i], x) << layer["e_direct"][i] << c["frac_bits"]
        decayed = rounded(c, old["mem"][i], layer["decay_mem"][i])
        integrated = word(c, "mem", decayed + drive + given + layer["bias"][i])
        tested = old["mem"][i] if old["wait"][i] > 0 else integrated
        above = tested - layer["threshold"][i]
        spk = int(above > 0 or (above == 0 and c["fires_when"] == ">="))
        wait = word(c, "mem", c["refractory_steps"] if spk else max(old["wait"][i] - 1, 0))
        for key, value in {"spk": spk, "rise": rise, "syn": syn, "wait": wait}.items():
            new[key].append(value)
        new["mem"].append(0 if spk else tested)
    return new


def readout(c, layer, old, x):
    new = {"syn": [], "out": []}
    for i in range(len(layer["w_out"])):
        arrived = total(layer["w_out"][i], x) << c["frac_bits"]
        syn = word(c, "syn", rounded(c, old["syn"][i], layer["decay_syn"][i]) + arrived)
        drive = old["syn"][i] if c["current"] == "previous" else syn
        out = word(c, "mem", rounded(c, old["out"][i], layer["decay_mem"][i]) + drive)
        new["syn"].append(syn)
        new["out"].append(out)
    return new


def run(case, file):
    """The words of every layer after each step."""
    c = case["contract"]
    layers = {
        name: {key: array[()].tolist() for key, array in group.items()}
        for name, group in file["network"].items()
    }
    names = [layer["name"] for layer in case["layers"]]
    states = {}
    for name, layer in layers.items():
        zeros = [0] * len(next(iter(layer.values())))
        states[name] = dict.fromkeys(("spk", "rise", "syn", "wait"), zeros)
        states[name]["mem"] = layer.get("initial_mem", zeros)
        states[name]["out"] = layer.get("initial_out", zeros)
    late = [0] * file["raster"].shape[1]
    for x in file["raster"][()].tolist():
        sent, new = late if c["delay_steps"] else x, {}
        for name in names:
            step = readout if name == "readout" else hidden
            new[name] = step(c, layers[name], states[name], sent)
            if name != "readout":
                sent = states[name]["spk"] if c["delay_steps"] else new[name]["spk"]
        states, late = new, x
        yield new


@pytest.mark.slow
def test_the_reader_finds_every_word_of_the_kit(kit):
    index = json.loads((kit / "kit.json").read_text())
    cases = [case for case in index["cases"] if case["name"].startswith("double-exp-lif")]
    assert len(cases) > 5
    periods, waited = set(), False
    for case in cases:
        periods.add(case["contract"]["refractory_steps"])
        with h5py.File(kit / f"{case['name']}.h5") as file:
            found = list(run(case, file))
            for variable in case["variables"]:
                layer, state = variable.split("/")
                right = file[f"trace/{variable}"][()].tolist()
                assert [step[layer][state] for step in found] == right, (case["name"], variable)
                waited |= state == "wait" and any(map(any, right))
    assert periods == {0, 3, 255}
    assert waited
