"""docs/numeric-contract.md is enough: this file reads and runs a NIR file by that page alone."""

import hashlib
import json
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from networks import adaptive, covering_contracts, random_network, random_raster, with_arrays
from numeric_page import rounded, word

from base.errors import RangeError
from export.nir.files import export_nir
from sim import reference
from sim.contract import signed_range
from sim.intermediates import asked_in

HIDDEN = ("e_in", "e_rec", "decay_syn", "decay_mem", "threshold", "bias")


def read(path):
    """Contract, layers of integers and the named digest."""
    with h5py.File(path) as file:
        said = json.loads(file["node/metadata/rsnnctl"][()])
        nodes = {}
        for name, node in file["node/nodes"].items():
            name = re.sub(r"^n\d+_", "", name) if said["for"] == "snntorch" else name
            if "weight" in node:
                nodes[name] = node["weight"][()]
            elif "nodes" in node:
                nodes[f"{name}_w_rec"] = node["nodes/w_rec/weight"][()]
    c = said["contract"]
    layers = {name: dict(values) for name, values in said["layers"].items()}
    for name, layer in layers.items():
        unit = np.ones(len(layer["decay_syn"]))
        if said["for"] == "snntorch":
            half = 0.5 if c["fires_when"] == ">" else -0.5
            unit = (
                np.array(layer["out_scale"]) * 2.0 ** c["frac_bits"]
                if name == "readout"
                else 2.0 ** c["frac_bits"] / (np.array(layer["threshold"]) + half)
            )
        for key, shift in (("w_in", "e_in"), ("w_rec", "e_rec"), ("w_out", "e_out")):
            if f"{name}_{key}" in nodes:
                whole = np.rint(nodes[f"{name}_{key}"] / unit[:, None]).astype(np.int64)
                if shift in layer:
                    whole = whole >> np.array(layer[shift])[:, None]
                layer[key] = whole
    return said, c, layers


def digest(said, c, layers):
    c = {key: value for key, value in c.items() if (key, value) != ("reset_delay", False)}
    head = {"contract": c, "dt": float(said["dt"]).hex(), "n_heads": said["n_heads"]}
    kinds = said.get("kinds", {})
    head |= {"kinds": kinds} if kinds else {}
    total = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    weight = "|i1" if c["weight_bits"] <= 8 else "<i2"
    for name, layer in layers.items():
        order = ["w_in", "w_rec", *HIDDEN]
        if kinds.get(name) == "adaptive_cuba_lif":
            at = order.index("threshold")
            order[at : at + 1] = ["decay_threshold", "threshold", "threshold_step"]
        if name == "readout":
            order = ("w_out", "decay_syn", "decay_mem", "initial_out", "out_scale", "bias", "e_out")
        for key in order:
            if key not in layer:
                continue
            dtype = weight if key.startswith("w_") else "|u1" if key.startswith("e_") else "<i4"
            array = np.array(layer[key]).astype("<f8" if key == "out_scale" else dtype)
            total.update(f"{name}.{key} {array.dtype.str} {array.shape}\n".encode())
            total.update(array.tobytes())
    return total.hexdigest()


def run(c, layers, raster):
    """Every state word of every layer, in Python's integers; by `to_hold` what each was to hold.

    A membrane was to hold two values: the one that it keeps and the one that it is tested by.
    """
    plain = {
        name: {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in layer.items()}
        for name, layer in layers.items()
    }
    states = {
        name: {state: [0] * len(layer["decay_syn"]) for state in ("syn", "spk", "adapt")}
        | {"mem": list(layer.get("initial_out", [0] * len(layer["decay_syn"])))}
        for name, layer in plain.items()
    }
    trace = {name: [] for name in plain}
    arriving = [0] * raster.shape[1]
    for x in raster.tolist():
        before, now_sent, new = arriving, x, {}
        for name, layer in plain.items():
            delay = c["delay_steps"]
            if name == "hidden0" and c.get("inputs_at_once"):
                delay = 0
            if name == "readout" and c.get("readout_delayed"):
                delay = 1
            source = before if delay else now_sent
            old = states[name]
            now = new[name] = {"syn": [], "mem": [], "spk": [], "adapt": [], "to_hold": []}
            for i in range(len(layer["decay_syn"])):
                weights = layer.get("w_in", layer.get("w_out"))[i]
                acc = sum(w * s for w, s in zip(weights, source, strict=True))
                acc <<= layer.get("e_in", layer.get("e_out", [0] * (i + 1)))[i]
                if "w_rec" in layer:
                    own = sum(w * s for w, s in zip(layer["w_rec"][i], old["spk"], strict=True))
                    acc += own << layer["e_rec"][i]
                bias = layer.get("bias", [0] * (i + 1))[i]
                late = c.get("bias_on", "current") == "membrane"
                arrived = (acc << c["frac_bits"]) + (0 if late else bias)
                if c.get("adds_first"):
                    to_hold = {"syn": [old["syn"][i] + arrived]}
                    syn = rounded(c, word(c, "syn", to_hold["syn"][0]), layer["decay_syn"][i])
                else:
                    to_hold = {"syn": [rounded(c, old["syn"][i], layer["decay_syn"][i]) + arrived]}
                    syn = word(c, "syn", to_hold["syn"][0])
                drive = old["syn"][i] if c["current"] == "previous" else syn
                drive += bias if late else 0
                decayed = rounded(c, old["mem"][i], layer["decay_mem"][i])
                mem, spk = word(c, "mem", decayed + drive), 0
                to_hold["mem"] = [decayed + drive]
                if name != "readout":
                    threshold = layer["threshold"][i] + old["adapt"][i]

                    def over(membrane, threshold=threshold):
                        equal = c["fires_when"] == ">="
                        return membrane > threshold or (equal and membrane == threshold)

                    after = 0 if c["reset"] == "zero" else decayed - threshold
                    after += 0 if c["reset_drops_input"] else drive
                    cleared = word(c, "mem", after)
                    was_over = over(old["mem"][i])
                    tested = {"previous_membrane": old["mem"][i], "new_membrane": mem}.get(
                        c["fires_on"], cleared if was_over else mem
                    )
                    spk = int(over(tested))
                    resets = was_over if c["reset_delay"] else spk
                    to_hold["mem"] = [after if resets else decayed + drive]
                    if c["fires_on"] == "new_membrane":
                        to_hold["mem"].append(decayed + drive)
                    if c["fires_on"] == "reset_membrane":
                        to_hold["mem"].append(after if was_over else decayed + drive)
                    if resets:
                        mem = cleared
                adapt = 0
                if "threshold_step" in layer:
                    rise = layer["threshold_step"][i] if spk else 0
                    fallen = rounded(c, old["adapt"][i], layer["decay_threshold"][i])
                    adapt = word(c, "mem", fallen + rise)
                    to_hold["adapt"] = [fallen + rise]
                now["to_hold"].append(to_hold)
                for key, value in (("syn", syn), ("mem", mem), ("spk", spk), ("adapt", adapt)):
                    now[key].append(value)
            before, now_sent = old["spk"], now["spk"]
        states, arriving = new, x
        for name, words in new.items():
            trace[name].append(words)
    return trace


def narrowed(contract, i):
    """Every second contract with words that overflow, those of the states of different widths."""
    return replace(contract, frac_bits=2, syn_bits=10, mem_bits=11) if i % 2 else contract


def assert_same_run(network, c, layers, raster):
    """The reader's words are the reference's, and so are the values they were to hold."""
    trace, found = reference.run(network, raster), run(c, layers, raster)
    for key, words in trace.variables.items():
        name, variable = key.split(".")
        variable = "mem" if variable == "out" else variable
        assert np.array_equal(words, [step[variable] for step in found[name]]), key
    for index, name in enumerate(network.layer_names):
        for state, asked in asked_in(network, raster, trace, index).items():
            state = "mem" if state == "out" else state
            held = [[neuron[state] for neuron in step["to_hold"]] for step in found[name]]
            assert np.array_equal(asked.low, np.min(held, axis=2)), (name, state)
            assert np.array_equal(asked.high, np.max(held, axis=2)), (name, state)
    return trace


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["exact", "norse", "snntorch"])
def test_a_reader_written_from_the_page_finds_the_same_digest_and_words(reader, tmp_path):
    for i, contract in enumerate(covering_contracts()):
        rng = np.random.default_rng(i)
        shape = {"hidden": (5, 4), "n_heads": 2, "recurrent": i % 3 > 0, "biased": i % 2 > 0}
        network = random_network(rng, narrowed(contract, i), **shape, min_threshold=1)
        if i % 3 == 1:
            shifts = rng.integers(0, 4, network.readout.n_neurons)
            network = with_arrays(network, -1, e_out=shifts)
        export_nir(network, tmp_path / "a.nir", reader)
        said, c, layers = read(tmp_path / "a.nir")
        assert digest(said, c, layers) == said["digest"] == network.digest()
        assert_same_run(network, c, layers, random_raster(rng, 40, 12))


@pytest.mark.slow
def test_the_same_reader_finds_those_of_neurons_with_adaptive_thresholds(tmp_path):
    for i, contract in enumerate(covering_contracts()):
        rng = np.random.default_rng(i)
        shape = {"hidden": (5, 4), "n_heads": 2, "recurrent": i % 3 > 0, "biased": i % 2 > 0}
        network = adaptive(rng, random_network(rng, narrowed(contract, i), **shape))
        if i % 2:  # adapt overflows too
            most = np.full(5, signed_range(network.contract.mem_bits)[1])
            network = with_arrays(network, 0, threshold=most // 8, threshold_step=most - 1)
        export_nir(network, tmp_path / "a.nir")
        said, c, layers = read(tmp_path / "a.nir")
        assert said["version"] == 4
        assert digest(said, c, layers) == said["digest"] == network.digest()
        trace = assert_same_run(network, c, layers, random_raster(rng, 40, 12))
        assert trace.variables["hidden0.adapt"].any()


@pytest.mark.slow
def test_constants_have_the_ranges_that_the_page_names():
    rng = np.random.default_rng(0)
    contract = replace(covering_contracts()[0], weight_bits=16, syn_bits=12, mem_bits=20)
    network = random_network(rng, contract, n_inputs=65_535, hidden=(1,), biased=True)
    full = with_arrays(network, 0, w_in=np.full((1, 65_535), -(2**15)), w_rec=[[-(2**15)]])
    assert sum(int(-w.sum()) for w in (full.hidden[0].w_in, full.hidden[0].w_rec)) == 2**31
    wide = replace(network.hidden[0], w_in=np.full((1, 65_536), -(2**15)))
    with pytest.raises(RangeError, match="add up to 2147483648"):
        replace(network, layers=(wide, network.readout))
    for layer, key, bits in ((0, "bias", 12), (-1, "bias", 12), (0, "threshold", 20)):
        low, high = signed_range(bits)
        shape = getattr(network.layers[layer], key).shape
        for value in (low, high):
            with_arrays(network, layer, **{key: np.full(shape, value)})
        for value in (low - 1, high + 1):
            with pytest.raises(RangeError, match=rf"{key} holds {value}; {low}\.\.{high} is"):
                with_arrays(network, layer, **{key: np.full(shape, value)})
