"""The first difference of two models, in words that name the array or node it lies in."""

import numpy as np
from google.protobuf.message import Message
from onnx import TensorProto, numpy_helper


def first_difference(found: Message, right: Message, place: str = "the model") -> str | None:
    """Where a message differs from the right one; None where both are the same.

    Args:
        found, right: two messages of one type, such as `ModelProto`.
        place: what they are, in words.
    """
    if found == right:
        return None
    if isinstance(found, TensorProto) and isinstance(right, TensorProto):
        return _of_arrays(found, right)
    for field in right.DESCRIPTOR.fields:
        one, other = getattr(found, field.name), getattr(right, field.name)
        if one == other:
            continue
        where = f"`{field.name}` of {place}"
        if isinstance(other, Message):
            return first_difference(one, other, where)
        if isinstance(other, (str, bytes, int, float)):
            return f"{where} is another"
        if len(one) != len(other):
            return f"{where}: {len(one)} in place of {len(other)}"
        for index, (each, expected) in enumerate(zip(one, other, strict=True)):
            if each != expected:
                if not isinstance(expected, Message):
                    return f"{where}: number {index} is another"
                return first_difference(each, expected, f"{_named(expected, field.name)}")
    return f"{place} has fields that ONNX does not know"


def _named(message: Message, kind: str) -> str:
    """A message by its name or key, or a node by the first value that it computes."""
    for name in ("name", "key", "output"):
        text = getattr(message, name, None)
        if text:
            return f"{kind} `{text if isinstance(text, str) else text[0]}`"
    return kind


def _of_arrays(found: TensorProto, right: TensorProto) -> str:
    where = f"array `{right.name}`"
    if found.name != right.name:
        return f"another array stands in place of {where}"
    if found.data_type != right.data_type or list(found.dims) != list(right.dims):
        return f"{where} is of another type or shape"
    try:
        values = numpy_helper.to_array(found)
    except (ValueError, TypeError, AttributeError, OSError, RuntimeError) as error:
        return f"{where} cannot be read: {type(error).__name__}"
    expected = numpy_helper.to_array(right)
    places = np.argwhere(values != expected)
    if not len(places):
        return f"{where} is stored in another way"
    at = tuple(map(int, places[0]))
    return f"{where} at {list(at)} is {values[at]}, not {expected[at]}"
