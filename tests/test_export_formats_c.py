"""The exported C: every contract, strict flags, sanitizers; faults planted in its sources."""

import hashlib
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import covering_contracts, networks, random_network, random_raster
from tools import need

from base.errors import FileError, MismatchError, RangeError, ToolError, UnsupportedError
from export.firmware import decoder as module
from export.firmware.arithmetic import has_headroom, never_overflows
from export.firmware.code import layouts
from export.firmware.decoder import FLAGS, compile_replay, export_c, run_backend
from export.firmware.replay import replay
from export.firmware.storage import LAYOUTS
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.data.raster import random_raster as independent_spikes
from rsnn.published import import_published
from sim import reference
from sim.bounds.words import fits_in_words
from sim.conformance.cases import cases
from sim.contract import PAPER
from sim.kinds.cuba_lif import CubaLIF
from sim.trace import first_difference

SANITIZED = (*FLAGS, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
NARROW = {"syn_bits": 11, "mem_bits": 12, "weight_bits": 12, "frac_bits": 0}
WIDEST = {"decay_frac": 16, "frac_bits": 16, "weight_bits": 16}


@pytest.fixture(autouse=True)
def compiler():
    need("cc", "gcc")


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), hidden=(5, 4), n_heads=2)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "contract", covering_contracts("c"), ids=lambda c: f"{c.reset}-{c.rounding}"
)
def test_every_choice_of_the_contract_gives_the_words_of_the_reference(contract, layout, tmp_path):
    """Under both sanitizers, with words that overflow and with the widest there are."""
    rng = np.random.default_rng(3)
    raster = random_raster(rng, 80, 12)
    for i, widths in enumerate(({}, NARROW, WIDEST)):
        network = random_network(rng, replace(contract, **widths), hidden=(6, 5), n_heads=3)
        expected = reference.run(network, raster)
        assert any(expected.variables[f"hidden{i}.spk"].any() for i in range(2))
        folder = tmp_path / str(i)
        program = compile_replay(network, folder, layout, flags=SANITIZED)
        found, _ = replay(network, raster, [str(program)], folder)
        assert first_difference(expected, found) is None


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(networks(covering_contracts("c")), st.sampled_from(LAYOUTS))
def test_networks_of_all_shapes_and_widths_agree(network, layout):
    raster = random_raster(np.random.default_rng(0), 40, network.n_inputs)
    found = run_backend(network, raster, layout)
    assert first_difference(reference.run(network, raster), found) is None


@pytest.mark.slow
def test_many_inputs_and_neurons_have_sums_of_their_own_words():
    rng = np.random.default_rng(6)
    network = random_network(rng, n_inputs=258, hidden=(300, 7), threshold=200_000)
    raster = random_raster(rng, 40, 258)
    expected = reference.run(network, raster)
    assert expected.variables["hidden0.spk"].any()
    assert first_difference(expected, run_backend(network, raster)) is None


@pytest.mark.parametrize(("n_inputs", "kind"), [(256, "uint32_t"), (257, "rsnn_sum")])
def test_sums_of_16_bits_hold_the_most_rows_that_go_there(n_inputs, kind, tmp_path):
    """256 rows of the lowest weight at once make just -2^15."""
    rng = np.random.default_rng(7)
    network = random_network(rng, n_inputs=n_inputs, hidden=(6,), recurrent=False)
    layer, readout = network.layers
    for weight in (127, -128):
        full = replace(layer, w_in=np.full((6, n_inputs), weight), threshold=np.full(6, 9999))
        network = replace(network, layers=(full, readout))
        assert f" {kind} sum_in0" in export_c(network, tmp_path)[0].read_text()
        raster = np.ones((20, n_inputs), np.uint8)
        assert (
            first_difference(reference.run(network, raster), run_backend(network, raster)) is None
        )


@pytest.mark.parametrize(("n", "kind"), [(256, "uint8_t"), (257, "uint16_t")])
def test_the_number_of_the_last_neuron_has_room_in_the_list_of_those_that_fired(n, kind, tmp_path):
    rng = np.random.default_rng(9)
    network = random_network(rng, hidden=(n,), threshold=2000, min_threshold=1000)
    assert f" {kind} fired0[{n}]" in export_c(network, tmp_path)[0].read_text()
    raster = random_raster(rng, 40, 12)
    expected = reference.run(network, raster)
    assert expected.variables["hidden0.spk"][:, -1].any()
    assert first_difference(expected, run_backend(network, raster)) is None


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_published_networks_agree(published, bits):
    for path in published:
        network = quantize(import_published(path), Precision(bits=bits))
        raster = independent_spikes(2000, network.n_inputs, dt=network.dt)
        expected = reference.run(network, raster)
        for layout in LAYOUTS:
            found = run_backend(network, raster, layout)
            assert first_difference(expected, found) is None, path


def test_arithmetic_is_as_narrow_as_worst_cases_allow():
    rng = np.random.default_rng(8)
    decays = {"decay_syn": np.full(4, 3000), "decay_mem": np.full(4, 3500)}
    small = random_network(rng, replace(PAPER, frac_bits=2), hidden=(4,))
    layer, readout = small.layers
    readout = replace(readout, decay_syn=np.array([1, 2]), decay_mem=np.array([3, 4]))
    small = replace(small, layers=(replace(layer, **decays), readout))
    assert never_overflows(small) == (True, True)
    assert fits_in_words(small)
    assert has_headroom(small)
    unity = replace(readout, decay_mem=np.array([4096, 4]))
    assert not has_headroom(replace(small, layers=(small.layers[0], unity)))
    assert (
        never_overflows(replace(small, contract=replace(small.contract, mem_bits=16)))[1] is False
    )
    large = random_network(rng, replace(PAPER, frac_bits=16, weight_bits=16), hidden=(4,))
    assert not fits_in_words(large)
    layer, _ = large.layers
    large = replace(large, layers=(replace(layer, **decays), replace(readout, bias=None)))
    assert not has_headroom(large)
    assert not any(layer.has_unity(large.contract) for layer in large.layers)


@pytest.mark.parametrize(
    ("initial", "has"), [((1 << 30) - 1, True), (1 << 30, False), (-(1 << 30), False)]
)
def test_words_are_doubled_only_if_all_of_them_are_below_2_to_the_30(initial, has):
    rng = np.random.default_rng(8)
    network = random_network(rng, hidden=(4,), threshold=100)
    layer, readout = network.layers
    slow = {"decay_syn": np.full(4, 3000), "decay_mem": np.full(4, 3500)}
    high = np.array([initial, 0])
    readout = readout.replaced(
        {"initial_out": high, "decay_syn": high * 0, "decay_mem": high * 0 + 4095}
    )
    readout = replace(readout, w_out=readout.w_out * 0)
    network = replace(network, layers=(layer.replaced(slow), readout))
    assert has_headroom(network) is has
    raster = random_raster(rng, 20, 12)
    assert first_difference(reference.run(network, raster), run_backend(network, raster)) is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_network_gives_the_same_bytes_which_name_its_digest(network, layout, tmp_path):
    first = [path.read_bytes() for path in export_c(network, tmp_path / "a", "decoder", layout)]
    again = [path.read_bytes() for path in export_c(network, tmp_path / "b", "decoder", layout)]
    assert first == again
    for text in first:
        assert network.digest().encode() in text
        assert b"@" not in text
        assert b"float" not in text.replace(b"no floating", b"").replace(
            b"No heap, no floating", b""
        )


@pytest.mark.slow
def test_several_decoders_run_side_by_side(network, tmp_path):
    """State is the caller's, so two decoders in one program do not disturb each other."""
    export_c(network, tmp_path, "one")
    (tmp_path / "main.c").write_text(
        '#include "one.h"\nint main(void)\n{\n    one_state a, b;\n    int32_t x[4], y[4];\n'
        "    const uint16_t events[3] = {0, 3, 7};\n    one_init(&a);\n    one_init(&b);\n"
        "    for (int t = 0; t < 50; t++) {\n        one_step(&a, events, 3, x);\n"
        "        one_step(&b, events, t % 2 ? 3 : 0, y);\n    }\n    one_init(&b);\n"
        "    for (int t = 0; t < 50; t++)\n        one_step(&b, events, 3, y);\n"
        "    for (int i = 0; i < 4; i++)\n        if (x[i] != y[i])\n            return 1;\n"
        "    return 0;\n}\n"
    )
    program = tmp_path / "two"
    sources = [str(tmp_path / "one.c"), str(tmp_path / "main.c")]
    subprocess.run(["cc", *SANITIZED, *sources, "-o", str(program)], check=True)
    assert subprocess.run([str(program)], check=False).returncode == 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.95])
def test_a_static_analyser_finds_nothing(layout, bits, sparsity, tmp_path):
    need("cppcheck", "cppcheck")
    contract = replace(PAPER, weight_bits=bits)
    network = random_network(
        np.random.default_rng(1), contract, hidden=(40, 9), n_heads=2, sparsity=sparsity
    )
    path = export_c(network, tmp_path, layout=layout)[1]
    checks = "--enable=warning,style,performance,portability"
    done = subprocess.run(
        ["cppcheck", checks, "--std=c99", "--error-exitcode=1", "--quiet", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def changed(old: str, new: str):
    def fault(*arguments, right=module.source):
        text = right(*arguments)
        assert old in text
        return text.replace(old, new)

    return fault


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("#define FIRES_AT_EQUAL 0", "#define FIRES_AT_EQUAL 1", {"fires_when": ">="}),
        ("#define ROUND_TO_ZERO 1", "#define ROUND_TO_ZERO 0", {"rounding": "floor"}),
        ("#define RESET_TO_ZERO 1", "#define RESET_TO_ZERO 0", {"reset": "subtract"}),
        ("OVERFLOW_MEM SATURATE", "OVERFLOW_MEM WRAP", {"overflow_mem": "wrap"}),
    ],
)
def test_a_fault_in_the_sources_shows_where_the_reference_would_differ(old, new, same, monkeypatch):
    contract = replace(PAPER, frac_bits=0, mem_bits=12)
    network = random_network(np.random.default_rng(4), contract, hidden=(6,))
    layer, readout = network.layers
    assert isinstance(layer, CubaLIF)
    ties = replace(layer, threshold=np.arange(6) % 2 * layer.threshold)  # silence is a tie
    network = replace(network, layers=(ties, readout))
    raster = random_raster(np.random.default_rng(5), 80, 12)
    right = reference.run(network, raster)
    wrong = reference.run(replace(network, contract=replace(contract, **same)), raster)
    monkeypatch.setattr(module, "source", changed(old, new))
    found = first_difference(right, run_backend(network, raster))
    assert found is not None
    assert found == first_difference(right, wrong)


def test_what_cannot_be_written_or_compiled_is_said_in_one_line(network, tmp_path, monkeypatch):
    with pytest.raises(RangeError, match=r"name is '9x'; a C identifier is needed"):
        export_c(network, tmp_path, "9x")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"file/rsnn\.h: cannot be written"):
        export_c(network, tmp_path / "file")
    with pytest.raises(MismatchError, match="the network has 12 inputs"):
        run_backend(network, np.zeros((3, 11), np.uint8))
    with pytest.raises(ToolError, match=r"there is no C compiler `nocc`: install Debian's gcc"):
        compile_replay(network, tmp_path, compiler="nocc")
    with pytest.raises(ToolError, match="cc refuses the exported C: cc: error: unrecognized"):
        compile_replay(network, tmp_path, flags=("-Wnonsense", "-Werror", "-fnonsense"))
    with monkeypatch.context() as patched:  # the compiler names the function before the error
        patched.setattr(module, "source", changed("*fired++ =", "*missing++ ="))
        with pytest.raises(ToolError, match=r"cc refuses the exported C: .*: error: .*missing"):
            compile_replay(network, tmp_path)
    with pytest.raises(ToolError, match="false ended with status 1 after 0 of "):
        replay(network, np.zeros((3, 12), np.uint8), ["false"], tmp_path)


def test_more_channels_or_neurons_than_16_bits_count_are_refused(tmp_path):
    rng = np.random.default_rng(1)
    for n_inputs, n, name, what in (
        (65536, 1, "the network", "inputs"),
        (1, 65536, "hidden0", "neurons"),
    ):
        large = random_network(rng, n_inputs=n_inputs, hidden=(n,), recurrent=False)
        with pytest.raises(UnsupportedError) as error:
            export_c(large, tmp_path)
        assert str(error.value) == (
            f"{name} has 65536 {what}; C lists them in 16 bits, up to 65535. Export ONNX, or use"
            f" fewer {what}"
        )
    assert list(tmp_path.iterdir()) == []


def test_the_most_channels_that_16_bits_count_can_all_be_listed():
    network = random_network(np.random.default_rng(1), n_inputs=65535, hidden=(2,), recurrent=False)
    raster = np.ones((3, 65535), np.uint8)
    assert first_difference(reference.run(network, raster), run_backend(network, raster)) is None


@pytest.mark.slow
def test_sources_are_the_same_on_every_machine(tmp_path):
    """A change of the templates needs the new digest here; every machine must find it."""
    every, last = cases()[:-1], cases()[-1]
    everything, before = hashlib.sha256(), hashlib.sha256()
    for number, case in enumerate([*every, last]):
        for layout in layouts(case.network):
            for path in export_c(case.network, tmp_path, "rsnn", layout):
                everything.update(path.read_bytes())
                if number < 98 or case is last:  # those of version 8 of the kit
                    before.update(path.read_bytes())
    assert before.hexdigest()[:16] == "0b625e1f0f3cd682"
    assert everything.hexdigest()[:16] == "71690198628a74d3"
