"""The options of a quantization come back from every file that its network is written to."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from networks import CHOICES
from random_models import FEW_HEADS, random_model

from base.errors import RangeError
from export.nir.files import export_nir, import_nir
from export.nir.readers import READERS
from export.quantization.precision import SCALES, Precision
from export.quantize import quantize
from rsnn.model import Architecture
from sim.artifact import load_network, save_network
from sim.contract import PAPER

WEIGHT_BITS = st.none() | st.integers(2, 16)
PRECISIONS = st.builds(
    Precision,
    bits=st.integers(2, 16),
    bits_in=WEIGHT_BITS,
    bits_rec=WEIGHT_BITS,
    bits_out=WEIGHT_BITS,
    decay_bits=st.integers(1, 16),
    frac_bits=st.integers(0, 12),
    syn_bits=st.none() | st.integers(8, 32),
    mem_bits=st.none() | st.integers(8, 32),
    scale=st.sampled_from(SCALES),
    percentile=st.floats(50.0, 100.0),
    per_layer=st.booleans(),
)
CONTRACTS = st.fixed_dictionaries({name: st.sampled_from(CHOICES[name]) for name in CHOICES})


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(PRECISIONS, CONTRACTS, st.booleans(), st.integers(0, 100))
def test_options_of_a_quantization_survive_export_and_import(
    tmp_path_factory, reader, precision, choices, biased, seed
):
    model = random_model(Architecture(5, (4, 3), FEW_HEADS, bias=biased), seed, sparsity=0.0)
    contract = replace(PAPER, **choices)
    asked = {"contract": choices, "precision": asdict(precision)}
    folder = tmp_path_factory.mktemp("files")
    try:
        network = quantize(model, precision, contract=contract, metadata=asked)
        export_nir(network, folder / "a.nir", reader)
    except RangeError:  # words too narrow for the weights, or no threshold the reader supports
        reject()
    back = import_nir(folder / "a.nir")
    save_network(back, folder / "a.int.h5")
    for found in (back, load_network(folder / "a.int.h5")):
        assert found.digest() == network.digest()
        assert found.metadata == asked
        assert all(getattr(found.contract, name) == value for name, value in choices.items())
        assert found.contract.weight_bits == precision.weight_bits
        assert found.contract.decay_frac == precision.decay_bits
        assert found.contract.frac_bits == precision.frac_bits
        for name in ("syn_bits", "mem_bits"):
            assert getattr(precision, name) in (None, getattr(found.contract, name))
        for name, layer in zip(found.layer_names, found.layers, strict=True):
            assert (layer.bias is not None) == biased, name
            for kind in ("in", "rec", "out"):
                width = getattr(precision, f"bits_{kind}") or precision.bits
                weights = getattr(layer, f"w_{kind}", np.zeros(1))
                assert np.abs(weights).max() < 1 << (width - 1), (name, kind)
        same = quantize(
            model,
            Precision(**found.metadata["precision"]),
            contract=replace(PAPER, **found.metadata["contract"]),
        )
        assert same.digest() == network.digest()
