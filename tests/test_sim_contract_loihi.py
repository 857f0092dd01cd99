"""The contract `loihi` computes what the chip's emulators do, here in plain Python integers.

Equations: those that lava-nc's fixed-point models, nengo-loihi and brian2-loihi share.
"""

from pathlib import Path

import numpy as np
import pytest
from oracles import replay

from base.errors import UnsupportedError
from sim import reference
from sim.contract import LOIHI

END = 1 << 23


def drawn(seed):
    """Arrays of a network as a trace of the chip has them; odd ones have large values."""
    rng = np.random.default_rng(seed)
    n_inputs, n, rows = (int(rng.integers(2, 9)) for _ in range(3))

    def weights(post, pre):
        low = 0 if seed % 5 == 3 else -256
        high = 0 if seed % 5 == 4 else 255
        return rng.integers(low, high + 1, (post, pre)) * (rng.random((post, pre)) < 0.7)

    exponents = {f"exp_{name}": rng.integers(0, 9 if seed % 2 else 3) for name in ("in", "rec")}
    return {
        "raster": (rng.random((60, n_inputs)) < 0.4).astype(np.uint8),
        "w_in": weights(n, n_inputs),
        "w_rec": weights(n, n),
        "w_out": weights(rows, n),
        "weight_bits": rng.integers(4, 9),
        "exp_out": rng.integers(0, 4),
        **exponents,
        "du": rng.integers(0, 4096),
        "dv": rng.integers(0, 300 if seed % 2 else 4096),
        "vth": rng.integers(0, 1 << (17 if seed % 2 else 10)),
        "bias_mant": rng.integers(-(1 << 12), 1 << 12, n) * (seed % 3 > 0),
        "du_out": rng.integers(0, 4096),
        "dv_out": rng.integers(0, 4096),
        "bias_mant_out": rng.integers(-(1 << 12), 1 << 12, rows) * (seed % 3 > 1),
        "bias_exp": rng.integers(0, 8 if seed % 2 else 3),
        "spk_out": np.zeros((60, rows), np.uint8),
    }


def decayed(x, d):
    size = abs(x) * (4096 - d) >> 12
    return size if x > 0 else -size


def compartment(u, v, acc, bias, du, dv):
    """The new u and v, before v is tested, and whether either left its word."""
    asked_u = decayed(u, du + 1) + (acc << 6)
    u = (asked_u + END) % (2 * END) - END
    asked_v = decayed(v, dv) + u + bias
    return u, min(max(asked_v, 1 - END), END - 1), (abs(asked_u) >= END, abs(asked_v) >= END)


def emulated(arrays):
    """Words of the hidden layer and the readout, and how often u and v left theirs."""
    bits, found = (
        int(arrays["weight_bits"]),
        {"u": [], "v": [], "spk": [], "u_out": [], "v_out": []},
    )
    w_in, w_rec, w_out = (
        (replay.chip_weights(arrays[name], bits) << int(arrays[name.replace("w", "exp")])).tolist()
        for name in ("w_in", "w_rec", "w_out")
    )
    bias, bias_out = (
        (arrays[f"bias_mant{end}"] << int(arrays["bias_exp"])).tolist() for end in ("", "_out")
    )
    n, rows, left = len(w_in), len(w_out), np.zeros(2, int)
    u, v, spk, u_out, v_out = [0] * n, [0] * n, [0] * n, [0] * rows, [0] * rows
    arriving = [0] * arrays["raster"].shape[1]

    def dot(row, sent):
        return sum(w * s for w, s in zip(row, sent, strict=True))

    def layer(u, v, accs, biases, end):
        constants = int(arrays[f"du{end}"]), int(arrays[f"dv{end}"])
        steps = [compartment(*of, *constants) for of in zip(u, v, accs, biases, strict=True)]
        left[:] += np.sum([out for _, _, out in steps], axis=0)
        return [a for a, _, _ in steps], [b for _, b, _ in steps]

    for x in arrays["raster"].tolist():
        accs = [dot(w_in[i], arriving) + dot(w_rec[i], spk) for i in range(n)]
        out = [dot(row, spk) for row in w_out]
        u, v = layer(u, v, accs, bias, "")
        u_out, v_out = layer(u_out, v_out, out, bias_out, "_out")
        spk = [int(each > int(arrays["vth"]) << 6) for each in v]
        v = [0 if fires else each for each, fires in zip(v, spk, strict=True)]
        arriving = x
        for words, kept in zip((u, v, spk, u_out, v_out), found.values(), strict=True):
            kept.append(words)
    return found, left


def replayed(arrays, found):
    words = {name: np.array(rows) for name, rows in found.items()}
    return replay.replay({**arrays, **words}, Path("drawn.npz"))


def test_every_word_is_that_of_the_emulators_where_words_overflow_too():
    left = np.zeros(2, int)
    fired = 0
    for seed in range(40):
        arrays = drawn(seed)
        found, overflows = emulated(arrays)
        report = replayed(arrays, found)
        assert (report.words > 0, report.differences) == (True, 0), seed
        left += overflows
        fired += int(np.sum(found["spk"]))
    assert (left > 20).all()
    assert fired > 200


def test_a_trace_with_another_word_is_found_and_named(tmp_path, capsys):
    arrays = drawn(0)
    found = {name: np.array(words) for name, words in emulated(arrays)[0].items()}
    right = int(found["v"][7, 1])
    found["v"][7, 1] += 1
    np.savez(tmp_path / "wrong.npz", **arrays, **found)
    assert replay.main([str(tmp_path / "wrong.npz")]) == 1
    lines = capsys.readouterr().out.splitlines()
    words = sum(each.size for each in found.values())
    assert lines[0] == f"wrong.npz (recorded): {words} state words, 1 differences"
    difference = (
        f"step 7, hidden0, neuron 1, mem: expected {right}, found {right + 1}; computed from"
    )
    assert lines[1].startswith(f"wrong.npz: first difference: {difference}")
    assert lines[2] == f"{words} words, 1 differ"


@pytest.mark.parametrize("name", ["exp_in", "exp_rec", "exp_out", "bias_exp"])
def test_a_negative_exponent_is_refused(name):
    with pytest.raises(UnsupportedError, match=f"`{name}` is -1; exponents are 0 and above"):
        replay.loihi_network(drawn(1) | {name: np.array(-1)})


def test_a_readout_that_fires_is_refused():
    with pytest.raises(UnsupportedError, match="a readout fires, which this kind of readout"):
        replay.loihi_network(drawn(1) | {"spk_out": np.ones((60, 2))})


def test_lava_s_traces_are_replayed_without_a_differing_word(shared, capsys):
    files = sorted((shared / "chips" / "loihi").glob("*.npz"))
    assert files
    assert replay.main([str(path) for path in files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "20040 words, 0 differ"
    refused = [line for line in lines if "not replayed" in line]
    assert refused == [
        "negative_exponents.npz: not replayed: `exp_in` is -2; exponents are 0 and above"
    ]
    page = (Path(__file__).parents[1] / "docs" / "chips.md").read_text("utf-8")
    assert "11 have no word that differs, of 20,040 in all" in page


def test_a_weight_is_kept_as_the_chip_keeps_it():
    mixed = np.array([[-256, -255, -3, 3, 255, 300]])
    assert replay.chip_weights(mixed, 8).tolist() == [[-256, -256, -4, 2, 254, 254]]
    assert replay.chip_weights(np.abs(mixed), 8).tolist() == [[255, 255, 3, 3, 255, 255]]
    assert replay.chip_weights(-np.abs(mixed), 6).tolist() == [[-252, -252, 0, 0, -252, -252]]


def test_reference_is_what_is_replayed():
    arrays = drawn(2)
    network = replay.loihi_network(arrays)
    assert network.contract == LOIHI
    assert reference.run(network, arrays["raster"]).n_steps == 60
