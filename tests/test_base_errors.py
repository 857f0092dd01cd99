"""Texts of errors and warnings: what cannot be printed is escaped."""

import pytest

from base.errors import FileError, RsnnError, RsnnWarning, shown


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a b-ü日\\x1b", "a b-ü日\\x1b"),
        ("a\x1b[2J\n\t\x7f\x00", r"a\x1b[2J\n\t\x7f\x00"),
        ("\x9b1m\xa0\u2028", r"\x9b1m\xa0\u2028"),
        ("\u202eabc\u2066\u200b\ufeff", r"\u202eabc\u2066\u200b\ufeff"),
        ("\udcff\U000e0001", r"\udcff\U000e0001"),
    ],
)
def test_what_cannot_be_printed_is_escaped_as_by_repr(text, escaped):
    assert shown(text) == escaped
    assert shown(escaped) == escaped


@pytest.mark.parametrize("kind", [RsnnError, FileError, RsnnWarning])
def test_errors_and_warnings_are_one_line_whatever_they_name(kind):
    assert str(kind("x\ny\x1b: no such file")) == r"x\ny\x1b: no such file"
    assert f"{kind('')}" == ""
