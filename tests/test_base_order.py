from dataclasses import replace

import pytest
import torch
from random_models import random_model, random_raster

from base.errors import RangeError
from base.order import PUBLISHED, Order, possible_values
from rsnn.evaluate import decode
from rsnn.fast import bptt
from rsnn.model import RSNN, Architecture
from sim.contract import PAPER


@pytest.mark.parametrize(
    ("field", "value", "known"),
    [
        ("fires_on", "never", "previous_membrane, new_membrane, reset_membrane"),
        ("reset_drops_input", 1, "False, True"),
        ("delay_steps", True, "0, 1"),
        ("reset_delay", 0, "False, True"),
    ],
)
def test_an_order_that_does_not_exist_is_refused_with_its_field(field, value, known):
    with pytest.raises(RangeError) as caught:
        Order(**{field: value})
    assert str(caught.value) == f"`{field}` is {value!r}; known: {known}"


def test_floats_and_integers_compute_in_the_published_order_by_default():
    for name, value in vars(PUBLISHED).items():
        assert getattr(PAPER, name) == value
    assert Architecture(1).order == PUBLISHED
    assert Architecture(1).is_published
    assert not Architecture(1, initial_out=0.0).is_published
    assert not Architecture(1, order=Order(reset="subtract")).is_published


AT_ONCE = Order("new", "reset_membrane", "subtract", False, 0)
VALUES = possible_values(Order)


OF_WORDS = ("delivery", "by_increment")  # of which floats have none


@pytest.mark.parametrize("field", [x for x in VALUES if x != "fires_when"])
def test_every_value_of_every_field_changes_what_a_float_model_decodes(field):
    raster = torch.from_numpy(random_raster(60, 12)).float()[None]
    found = set()
    for value in VALUES[field]:
        orders = [replace(base, **{field: value}) for base in (PUBLISHED, AT_ONCE)]
        models = [
            random_model(Architecture(12, (20, 15), order=order, bias=True)) for order in orders
        ]
        found.add(tuple(model(raster).out.detach().numpy().tobytes() for model in models))
    assert len(found) == (1 if field in OF_WORDS else len(VALUES[field]))


@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("fires_on", VALUES["fires_on"])
def test_a_membrane_exactly_at_threshold_fires_or_stays_silent(fires_on, delay):
    spikes = {}
    for fires_when in VALUES["fires_when"]:
        order = Order("new", fires_on, "subtract", False, 0, delay, fires_when)
        model = RSNN(Architecture(1, (1,), order=order, recurrent=False)).double()
        with torch.no_grad():
            model.hidden[0].w_in[:] = 1 / 4
            model.hidden[0].tau.decays = lambda: (torch.zeros(1), torch.ones(1))  # syn counts up
        spk = model(torch.ones(1, 12, 1).double()).spk[0]
        spikes[fires_when] = spk.flatten().tolist()
    late = int(fires_on == "previous_membrane")
    assert spikes[">="].index(1) == 3 + late  # after 4 spikes of 1/4
    assert spikes[">"].index(1) == 4 + late


ORDERS = [
    *(replace(PUBLISHED, **{name: v}) for name in VALUES for v in VALUES[name]),
    AT_ONCE,
]


@pytest.mark.parametrize("start", [-0.01, 0.0])
@pytest.mark.parametrize(
    "order", dict.fromkeys(ORDERS), ids=lambda o: "-".join(map(str, vars(o).values()))
)
def test_the_fast_ways_to_run_a_float_model_compute_in_its_order(order, start):
    model = random_model(Architecture(12, (20, 15), order=order, initial_out=start))
    raster = random_raster(60, 12)
    streams = torch.from_numpy(raster)[None]
    right = model(streams.float())
    for out, spk in (decode(model, raster), bptt.forward(model, streams)[:2]):
        for found, wanted in zip((out, *spk), (right.out, *right.spk), strict=True):
            found = torch.as_tensor(found).reshape(wanted.shape).to(wanted.dtype)
            assert torch.allclose(found, wanted, atol=1e-6)
