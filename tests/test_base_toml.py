"""TOML of any origin: within limits, or refused in one line."""

import pytest

from base.errors import DataError, FileError
from base.toml import parse_toml, read_toml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = ", "Invalid value"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = 1" + "0" * 5000, "digits"),
    ],
)
def test_what_is_no_toml_is_refused(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        parse_toml(text)
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.toml: not TOML: .*{words}"):
        read_toml(path)


def test_a_file_is_read_up_to_a_mebibyte(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b"a = 1\r\n".ljust(1 << 20, b"\n"))
    assert read_toml(path) == {"a": 1}
    path.write_bytes(b"a = 1\n".ljust((1 << 20) + 1, b"\n"))
    with pytest.raises(FileError, match="has 1048577 bytes; at most 1048576 are read here"):
        read_toml(path)
    path.write_bytes(b"\xff")
    with pytest.raises(FileError, match="cannot be read as text"):
        read_toml(path)
