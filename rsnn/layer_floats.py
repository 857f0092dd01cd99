"""The arrays of a trained layer by name, for autograd functions, which take flat lists."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class LayerFloats(NamedTuple, Generic[T]):
    """Arrays of one kind for a layer: its parameters, or the gradients of them; None where absent.

    Attributes:
        w_in: weights from below, (post, pre); a readout's `w_out`.
        w_rec: recurrent weights, (post, post).
        bias: (post,).
        decay_mem, decay_syn: factors per step, (post,).
    """

    w_in: T
    w_rec: T | None
    bias: T | None
    decay_mem: T
    decay_syn: T


def combined(work: Callable[..., T], *layers: LayerFloats[T]) -> LayerFloats[T]:
    """Do `work` on the arrays of the same name in all layers; None where they are absent."""
    done = [None if some[0] is None else work(*some) for some in zip(*layers, strict=True)]
    return by_layer(done)[0]


def flattened(layers: Iterable[LayerFloats[T]]) -> list[T | None]:
    """The arrays of all layers, one after the other, as an autograd function takes them."""
    return [array for layer in layers for array in layer]


def by_layer(flat: Sequence[T | None]) -> list[LayerFloats]:
    """The layers from the list that `flattened` made."""
    n = len(LayerFloats._fields)
    return [LayerFloats(*flat[start : start + n]) for start in range(0, len(flat), n)]
