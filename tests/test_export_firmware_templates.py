"""Templates of C and their parts."""

import pytest

from export.firmware import templates
from export.firmware.templates import filled


@pytest.mark.parametrize(
    ("text", "parts", "expected"),
    [
        ("int @NAME@_f(int @NAME@);\n", {"NAME": "a"}, "int a_f(int a);\n"),
        ("x;\n/* @ROWS@ */\n", {"ROWS": "1,\n2,"}, "x;\n1,\n2,\n"),
        ("x;\n/* @ROWS@ */\n", {"ROWS": ""}, "x;\n\n"),
        ("{\n    @BODY@\n}\n", {"BODY": "a;\n    b;\n"}, "{\n    a;\n        b;\n}\n"),
        ("{\n    @BODY@\n}\n", {"BODY": ""}, "{\n}\n"),
        ("{\n    @BODY@\n}\n", {"BODY": "f(@I@);", "I": "3"}, "{\n    f(3);\n}\n"),
        ("cc $< -o $@\n@\n@@\n", {"NAME": "a"}, "cc $< -o $@\n@\n@@\n"),
    ],
)
def test_parts_take_their_places(text, parts, expected, monkeypatch):
    monkeypatch.setattr(templates, "template", {"file": text}.get)
    assert filled("file", parts) == expected
