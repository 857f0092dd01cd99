"""Loihi: what its compartments do not hold, the map to cores, words, and what is built."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from networks import adaptive, random_raster, with_arrays

from base.errors import RangeError, UnsupportedError
from hw_targets import find_target
from hw_targets.loihi1 import ROOM
from hw_targets.machines.loihi import chip, mapping
from hw_targets.machines.loihi.emulator import compartments
from hw_targets.machines.target import build, check, refusals, run_whole, runners
from rsnn.data.probes import verify_trace
from sim import reference
from sim.artifact import save_network
from sim.contract import LOIHI, PAPER
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork
from sim.trace import first_difference

TARGET = find_target("loihi1")


def fitting(seed, n=9, *, n_inputs=7, rows=2, hidden=1, **constants):
    """A network that a chip holds, with small even weights and constants that differ."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return 2 * rng.integers(-60, 61, shape) * (rng.random(shape) < 0.8)

    layers, pre = [], n_inputs
    for _ in range(hidden):
        own = {
            "w_in": weights(n, pre),
            "w_rec": weights(n, n),
            "e_in": rng.integers(0, 3, n),
            "e_rec": np.zeros(n, int),
            "decay_syn": rng.integers(500, 3500, n),
            "decay_mem": rng.integers(500, 3800, n),
            "threshold": rng.integers(10, 300, n) * 64,
            "bias": rng.integers(-4096, 4096, n) << rng.integers(0, 2, n),
        }
        layers.append(CubaLIF(**{**own, **constants}))
        pre = n
    readout = CubaLI(
        w_out=weights(rows, n),
        decay_syn=rng.integers(500, 3500, rows),
        decay_mem=rng.integers(500, 3500, rows),
        initial_out=rng.integers(-99, 99, rows),
        out_scale=np.ones(rows),
        e_out=rng.integers(0, 3, rows),
    )
    return IntegerNetwork((*layers, readout), LOIHI, 1e-3)


@pytest.mark.parametrize("seed", range(12))
def test_the_chip_s_arithmetic_gives_the_words_of_the_reference(seed, tmp_path):
    network = fitting(seed, hidden=1 + seed % 2)
    assert check(TARGET, network)["violations"] == []
    raster = random_raster(np.random.default_rng(seed), 80, 7)
    (run,) = runners(TARGET, network, tmp_path).values()
    right = reference.run(network, raster)
    assert first_difference(right, run_whole(run, raster)) is None
    assert right.variables["hidden0.spk"].any()
    blocks = [trace for _, trace in run(np.split(raster, [1, 33]), 80)]
    out = np.vstack([trace.variables["readout.out"] for trace in blocks])
    assert np.array_equal(out, right.variables["readout.out"])


def test_a_compartment_by_hand():
    one = np.array([1])
    chips = chip.Population(
        du=one * 1023,
        dv=one * 2048,
        vth=one * 10,
        bias_mant=one * -3,
        bias_exp=one * 2,
        v=one * 0,
        weights={},
    )
    # 3/4 of -7 is -5.25, kept as -5; 5 << 6 = 320; 320 - 5 = 315; half of 701 is 350
    u, v, spikes = compartments(chips, one * -7, one * 701, one * 5)
    assert (u.item(), v.item(), spikes.item()) == (315, 0, 1)  # 350 + 315 - 12 = 653 > 640
    u, v, spikes = compartments(chips, one * -7, one * 675, one * 5)
    assert (u.item(), v.item(), spikes.item()) == (315, 640, 0)  # at the threshold it is silent
    u, v, _ = compartments(chips, one * 0, -one * (2**23 - 1), -one * (2**17 - 1))
    assert (u.item(), v.item()) == (-(2**23 - 64), -(2**23 - 1))
    u, _, _ = compartments(chips, one * 0, one * 0, one * (2**17 + 1))
    assert u.item() == 64 - 2**23


def changed(layer=0, **arrays):
    return with_arrays(fitting(1), layer, **arrays)


N = np.arange(9)
W_REC = fitting(1).hidden[0].w_rec
VIOLATIONS = {
    "`hidden0.decay_syn` of 1 neuron is beyond 0..4095, of neuron 3 4096: make it 4095": changed(
        decay_syn=np.where(N == 3, 4096, 1000)
    ),
    "`readout.decay_mem` of 2 neurons is beyond 1..4096, of neuron 0 0: make it 1": changed(
        -1, decay_mem=[0, 0]
    ),
    "`hidden0.e_in` of 1 neuron is beyond 0..7, of neuron 8 8: make it 7": changed(
        e_in=np.where(N == 8, 8, 1), w_in=np.zeros((9, 7), int)
    ),
    "`hidden0.e_rec` of 1 neuron is beyond 0..7, of neuron 8 15: make it 7": changed(
        e_rec=np.where(N == 8, 15, 1), w_rec=np.zeros((9, 9), int)
    ),
    "`readout.e_out` of 1 neuron is beyond 0..7, of neuron 1 9: make it 7": changed(
        -1, e_out=[0, 9], w_out=np.zeros((2, 9), int)
    ),
    "`hidden0.threshold` of 1 neuron is beyond 0..8388544, of neuron 2 -64: make it 0": changed(
        threshold=np.where(N == 2, -64, 640)
    ),
    "`hidden0.threshold` of 2 neurons is no multiple of 64, of neuron 4 671: make it 640": changed(
        threshold=np.where(N == 4, 671, np.where(N == 5, 672, 6400))
    ),
    "`hidden0.threshold` of 1 neuron is no multiple of 64, of neuron 5 672: make it 704": changed(
        threshold=np.where(N == 5, 672, 6400)
    ),
    "`hidden0.bias` of 1 neuron is no number of 13 bits shifted by 0..7, of neuron 0 8193: make it"
    " 8192": changed(bias=np.where(N == 0, 8193, 8192)),
    "`hidden0.bias` of 1 neuron is no number of 13 bits shifted by 0..7, of neuron 6 -600000: make"
    " it -524288": changed(bias=np.where(N == 6, -600000, -524288)),
    "`hidden0.bias` of 1 neuron is no number of 13 bits shifted by 0..7, of neuron 6 600000: make"
    " it 524160": changed(bias=np.where(N == 6, 600000, 524160)),
    "`hidden0.w_rec` has both signs and 2 odd weights; the chip keeps even ones there: round them,"
    " or double the weights and make the shifts of the row one less": changed(
        w_rec=W_REC + np.isin(np.arange(81), [3, 30]).reshape(9, 9)
    ),
    "`readout.w_out` holds -256; without weights of the other sign -255 is the least": changed(
        -1, w_out=np.where(np.arange(18).reshape(2, 9) == 4, -256, -1)
    ),
    "`hidden0.syn` is not proven to stay below 2^23, where emulators part: it can reach"
    " 12080115713. Make its weights 11 bits smaller": changed(
        decay_syn=np.full(9, 4095), e_in=np.full(9, 7)
    ),
    "`readout.out` is not proven to stay below the largest threshold, 8388544, at which it would"
    " fire: it can reach 139064662. Make its weights 5 bits smaller": changed(
        -1, decay_mem=np.full(2, 4090)
    ),
    "`readout.out` is not proven to stay below the largest threshold, 8388544, at which it would"
    " fire: it can reach any size, as a decay is 4096 in 4096: make it less": changed(
        -1, decay_mem=np.full(2, 4096)
    ),
}


@pytest.mark.parametrize("text", VIOLATIONS)
def test_what_a_compartment_does_not_hold_is_named_with_the_smallest_change(text, tmp_path):
    found = check(TARGET, VIOLATIONS[text])
    assert found["fits"] is False
    assert [line for line in found["violations"] if line.startswith(text)], found["violations"]
    with pytest.raises(UnsupportedError) as raised:
        runners(TARGET, VIOLATIONS[text], tmp_path)
    assert str(raised.value) == "; ".join(found["violations"])
    folder = tmp_path / "built"
    with pytest.raises(UnsupportedError):
        build(TARGET, VIOLATIONS[text], np.zeros((3, 7), np.uint8), folder)
    assert not folder.exists() or not list(folder.iterdir())


def test_odd_weights_of_one_sign_and_the_last_values_are_held():
    ends = fitting(
        1,
        w_in=np.abs(fitting(1).hidden[0].w_in) | 1,
        w_rec=-(np.abs(W_REC) | 1),
        decay_syn=np.where(N == 0, 0, 3000),
        decay_mem=np.where(N == 0, 4096, np.where(N == 1, 1, 3000)),
        threshold=np.where(N == 0, 0, np.where(N == 1, chip.LARGEST_VTH << 6, 640)),
        bias=np.where(N == 0, -4096 << 7, np.where(N == 1, 4095 << 7, 0)),
    )
    assert check(TARGET, ends)["violations"] == []
    (hidden, _) = chip.populations(ends)
    assert np.array_equal(hidden.bias_mant << hidden.bias_exp, ends.hidden[0].bias)
    assert (hidden.du.max(), hidden.dv.min(), hidden.dv.max()) == (4095, 0, 4095)


def test_a_wrong_contract_and_a_map_that_is_too_large_are_told_together(tmp_path):
    network = replace(fitting(2, 600), contract=replace(PAPER, bias_on="membrane"))
    room = replace(ROOM, axons_out=400)
    target = replace(TARGET, check=lambda t, n: {"violations": [*small(n, room)]})
    found = check(target, network)["violations"]
    fields = [line.split("`")[1] for line in found if line.startswith("contract: ")]
    assert fields == [
        *("current", "fires_on", "syn_bits", "mem_bits", "overflow_syn", "saturation"),
    ]
    assert "contract: `syn_bits` is 32; loihi1 computes 24" in found[2]
    assert found[6].startswith("cores: 19; a chip has 18. They are full by their axons_out (")
    assert found[6].endswith("%): prune weights, so that neurons send to fewer others")
    assert next(small(network, ROOM)).endswith(
        ". They are full by their decay_pairs (99%): let more neurons have the same decays"
    )
    assert found[7].startswith("axons_out: 19 cores take more than 400, core 0 of hidden0 608")
    assert found[7].endswith(": prune weights, so that neurons send to fewer others")
    with pytest.raises(RangeError, match="contract: `current` is previous; loihi1 computes new"):
        runners(TARGET, network, tmp_path)


def small(network, room):
    return mapping.beyond(mapping.placed(network, room), room, 18)


def test_another_kind_is_refused_and_nothing_is_mapped():
    network = adaptive(np.random.default_rng(0), fitting(0))
    found = check(TARGET, network)
    assert found["violations"] == [
        "kind: `hidden0` is adaptive_cuba_lif; loihi1 computes cuba_lif, cuba_li. Name another"
        " target"
    ]
    assert "cores" not in found


def test_the_contract_is_loihi_s_with_weights_of_up_to_9_bits():
    assert refusals(TARGET, replace(fitting(0), contract=replace(LOIHI, weight_bits=8))) == []
    assert len(refusals(TARGET, replace(fitting(0), contract=replace(LOIHI, weight_bits=10)))) == 1


def test_neurons_that_share_constants_meet_on_a_core():
    """64 thresholds take 4 cores, 64 pairs of decays 2; which neurons share them plays no part."""
    n = 64
    order = np.random.default_rng(0).permutation(n)
    shared = {"decay_syn": np.full(n, 3000), "decay_mem": np.full(n, 3000)}
    own = fitting(0, n, threshold=order * 64, **shared)
    assert [core.use.thresholds for core in mapping.placed(own, ROOM)] == [16, 16, 16, 16, 1]
    pairs = fitting(0, n, threshold=np.full(n, 640), decay_mem=np.full(n, 9), decay_syn=order)
    assert [core.use.decay_pairs for core in mapping.placed(pairs, ROOM)] == [32, 32, 2]
    near = fitting(0, n, threshold=6400 + order % 64 - 32, **shared)
    assert [core.use.thresholds for core in mapping.placed(near, ROOM)] == [2]
    both = fitting(0, n, threshold=(order % 20) * 64, **shared)
    cores = mapping.placed(both, ROOM)
    assert [core.use.thresholds for core in cores] == [16, 5]
    assert [list(core.layers) for core in cores] == [["hidden0"], ["hidden0", "readout"]]
    assert sorted(cores[1].layers["readout"]) == [0, 1]


@pytest.mark.parametrize("seed", range(6))
def test_every_neuron_has_one_core_and_every_core_what_it_needs(seed):
    network = fitting(seed, 23, hidden=2, rows=5, threshold=np.arange(23) % 7 * 64)
    room = replace(ROOM, neurons=11, thresholds=3, decay_pairs=9, synapse_bits=3000, axons_in=50)
    cores = mapping.placed(network, room)
    names = network.layer_names
    for name, layer in network.named_layers():
        held = sorted(i for core in cores for i in core.layers.get(name, ()))
        assert held == list(range(layer.n_neurons))
    senders = []
    for core in cores:
        feeds, dense = {}, sum(map(len, core.layers.values()))
        pairs, thresholds = set(), set()
        for name, neurons in core.layers.items():
            layer = network.layers[names.index(name)]
            below = names[names.index(name) - 1] if name != "hidden0" else "input"
            for i in neurons:
                pairs.add((layer.decay_syn[i], layer.decay_mem[i]))
                thresholds.add(-1 if name == "readout" else layer.threshold[i])
                for connection in layer.connections():
                    source = name if connection.source == "own" else below
                    for j in np.flatnonzero(connection.weights[i]):
                        feeds[source, j] = feeds.get((source, j), 0) + 1
        senders.append(feeds)
        bits = sum(min(8 * dense, 18 * count) for count in feeds.values())
        expected = dense, len(pairs), len(thresholds), len(feeds), core.use.axons_out, bits
        assert tuple(asdict(core.use).values()) == expected
        assert all(asdict(core.use)[k] <= v for k, v in asdict(room).items())
    for core in cores:
        sent = sum((name, i) in f for f in senders for name, ns in core.layers.items() for i in ns)
        assert core.use.axons_out == sent
    assert len(cores) > 3


def test_what_is_built_has_the_parameters_the_map_and_a_golden_run(tmp_path):
    network = fitting(4)
    raster = random_raster(np.random.default_rng(4), 50, 7)
    build(TARGET, network, raster, tmp_path / "project")
    folder = tmp_path / "project"
    assert {path.name for path in folder.iterdir()} >= {
        *("parameters.npz", "golden.npz", "cores.json", "rsnn.nir"),
    }
    assert verify_trace(network, folder / "golden.npz").differences == 0
    with np.load(folder / "parameters.npz") as stored:
        layer, arrays = network.hidden[0], dict(stored)
    assert str(arrays["digest"]) == network.digest()
    assert np.array_equal(arrays["hidden0.w_rec"], layer.w_rec)
    assert np.array_equal(arrays["hidden0.exp_in"], layer.e_in)
    assert np.array_equal(arrays["readout.exp_out"], network.readout.e_out)
    assert np.array_equal(4095 - arrays["hidden0.du"], layer.decay_syn)
    assert np.array_equal(4096 - arrays["readout.dv"], network.readout.decay_mem)
    assert np.array_equal(arrays["hidden0.vth"] * 64, layer.threshold)
    assert np.array_equal(arrays["readout.vth"], [131071] * 2)
    assert np.array_equal(arrays["readout.v"], network.readout.initial_out)
    described = json.loads((folder / "cores.json").read_text())
    assert described["digest"] == network.digest()
    assert sum(core["neurons"] for core in described["cores"]) == 11
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    build(TARGET, network, raster, folder)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_commands_check_and_verify_it(run, tmp_path):
    path = tmp_path / "net.int.h5"
    save_network(fitting(3, 40, threshold=np.arange(40) * 64), path)
    done = run("check", path, "--target", "loihi1", "--json")
    report = json.loads(done.out)
    assert (done.code, report["fits"], report["cores"]) == (0, True, 3)
    assert [core["neurons"] for core in report["map"]] == [16, 16, 10]
    assert report["utilization"]["neurons"] == round(42 / 3 / 1024, 4)
    assert "Cores" in run("check", path, "--target", "loihi1").out
    done = run("verify", path, "--target", "loihi1", "--steps", 60)
    assert (done.code, done.out.splitlines()[-1].startswith("verified: 160 steps")) == (0, True)
    save_network(replace(fitting(3), contract=PAPER), path)
    for command in ("check", "verify"):
        done = run(command, path, "--target", "loihi1")
        said = done.out + done.err
        assert done.code == 1
        assert "`current` is previous; loihi1 computes new" in said
        assert "`saturation` is full; loihi1 computes symmetric" in said
