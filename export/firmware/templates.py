"""The templates of C and build files in `export/templates/`, and how their parts are filled in."""

from collections.abc import Iterator, Mapping
from importlib.resources import files


def template(name: str) -> str:
    """The text of a file in `templates/`."""
    return (files("export") / "templates" / name).read_text(encoding="utf-8")


def counter() -> str:
    """The functions by which a program that replays input counts instructions."""
    return template("replay_counter.c").rstrip()


def filled(name: str, parts: Mapping[str, str]) -> str:
    """A template with its parts inserted.

    `@PART@` or `/* @PART@ */` becomes the part. A line that is only `@PART@` becomes the part's
    lines, with its indentation; no line if the part is empty.
    """
    text = "\n".join(_lines(template(name), parts))
    for key, value in parts.items():
        text = text.replace(f"/* @{key}@ */", value).replace(f"@{key}@", value)
    return text


def _lines(text: str, parts: Mapping[str, str]) -> Iterator[str]:
    for line in text.split("\n"):
        part = line.strip()
        key = part.strip("@")
        if part == f"@{key}@" and key in parts:
            indent = line[: -len(part)]
            yield from (indent + inner for inner in parts[key].splitlines())
        else:
            yield line
