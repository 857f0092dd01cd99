import torch
from random_models import ARCHITECTURES, random_model

from rsnn.layer_floats import LayerFloats, by_layer, combined, flattened


def test_flattened_layers_come_back_with_what_is_absent_in_its_place():
    layers = [LayerFloats(1, None, 2, 3, 4), LayerFloats(5, 6, None, 7, 8)]
    assert flattened(layers) == [1, None, 2, 3, 4, 5, 6, None, 7, 8]
    assert by_layer(flattened(layers)) == layers
    assert by_layer([]) == []
    assert combined(max, layers[0], LayerFloats(0, None, 9, 9, 0)) == (1, None, 9, 9, 4)


def test_the_typed_layers_of_a_model_are_its_registered_ones():
    model = random_model(ARCHITECTURES["three layers, five heads"])
    assert [*model.layers] == [*model.hidden]
    assert [*model.readouts] == [*model.heads]
    assert torch.equal(model.layers[1].w_in, model.get_parameter("hidden.1.w_in"))
