import torch
from random_models import ARCHITECTURES, random_model

from export.quantization.cautions import cautions
from export.quantization.precision import Precision
from export.quantize import quantize


def test_a_sound_model_needs_no_caution():
    model = sound_model()
    assert cautions(model, quantize(model)) == []


def test_time_constants_that_hardly_mean_anything_are_named():
    model = sound_model()
    with torch.no_grad():
        model.hidden[0].tau.mem_param[4] = -9.0
        model.heads[0].tau.syn_param[0] = 2000.0
    short, long = cautions(model, quantize(model))
    assert short.startswith(
        "hidden0: tau_mem of neuron 4 is 0.00247 ms, of 1 neurons beyond 0.4 ms"
    )
    assert "nothing is left after a step" in short
    assert long.startswith("head0: tau_syn of neuron 0 is 2e+04 ms, of 1 neurons beyond 10000 ms")
    assert "give it more `decay_bits`" in long


def test_neurons_without_weights_are_named():
    model = sound_model()
    with torch.no_grad():
        model.hidden[0].w_in[3] = 0.0
        model.hidden[0].w_rec[3] = 0.0
    (text,) = cautions(model, quantize(model))
    assert text.startswith("hidden0: all weights of 1 neurons are zero (neuron 3 is the first)")


def test_an_outlier_that_leaves_nothing_of_the_other_weights_is_named():
    model = sound_model()
    with torch.no_grad():
        model.hidden[0].w_in[2, 5] = 500.0
    (text,) = cautions(model, quantize(model, Precision(bits=4, scale="max")))
    assert text.startswith("hidden0.w_in: neuron 2 has a weight of 500,")
    assert text.endswith("use more `bits`, or prune that one and train again")
    assert cautions(model, quantize(model, Precision(bits=16, scale="max"))) == []


def sound_model():
    model = random_model(ARCHITECTURES["recurrent"])
    with torch.no_grad():
        for layer in (*model.hidden, *model.heads):
            layer.tau.mem_param.fill_(1.0)
            layer.tau.syn_param.fill_(1.0)
    return model
