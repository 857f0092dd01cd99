"""Mutations of TOML, JSON, JSON lines, .npy headers and lines of events, by their tokens."""

import re
from random import Random

from harm import mutate_bytes

_TOKEN = re.compile(r'"[^"\n]*"|[-+\w.]+|[^\s\w]')
_VALUES = (
    "[" * 2000,
    "{" * 2000,
    "[[" * 500 + "]]" * 500,
    "1" + "0" * 5000,
    "1" + "0" * 400,
    "1e999",
    "-1",
    "nan",
    "inf",
    "-inf",
    "NaN",
    "Infinity",
    "null",
    "true",
    "0",
    "0x7fffffffffffffff",
    "1e308",
    "-0.0",
    "1_000",
    '""',
    '"\\u0000\\u001b[2J"',
    '"\\ud800"',
    '"[/x]"',
    '"../../x"',
    '"x\\ny"',
    "[]",
    "{}",
    "[1, 2]",
    '{"a" = 1}',
    '{"a": 1}',
    "1979-05-27",
    "\x1b]0;x\x07",
    "é",
    "(3, 8(",
    "b'descr'",
    "'O'",
    "'|O8'",
    "(9999999999, 8)",
)


def mutate_text(data: bytes, random: Random) -> bytes:
    """One to three changes of tokens or lines, or of bytes."""
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.15:
            data = mutate_bytes.mutate(data, random)
            continue
        text = data.decode("utf-8", "surrogateescape")
        text = (_line if random.random() < 0.3 else _token)(text, random)
        data = text.encode("utf-8", "surrogateescape")
    return data


def mutate_npy(data: bytes, random: Random) -> bytes:
    """Changes of a .npy header, whose length is put right mostly, or of its bytes."""
    size = int.from_bytes(data[8:10], "little")
    if random.random() < 0.2 or len(data) < 10 + size:
        return mutate_bytes.odd_number(data, random, 0, 12)
    if random.random() < 0.2:
        return mutate_bytes.mutate(data, random)
    head = mutate_text(data[10 : 10 + size], random)
    size = len(head) if random.random() < 0.9 else size
    return data[:8] + (size % 65536).to_bytes(2, "little") + head + data[10 + size :]


def mutate_lines(data: bytes, random: Random) -> bytes:
    """Changes of lines of indices: odd numbers, signs, digits of other scripts, no numbers."""
    words = data.decode("latin-1").split(" ")
    odd = (
        "-1",
        "8",
        "65536",
        "9" * 30,
        "9" * 5000,
        "1.5",
        "٣",
        "0x1",
        "",
        "\x00",
        "1_0",
        "+1",
        "nan",
    )
    for _ in range(random.choice((1, 2, 5))):
        words[random.randrange(len(words))] = random.choice(odd)
    return " ".join(words).encode()


def _token(text: str, random: Random) -> str:
    tokens = list(_TOKEN.finditer(text))
    if not tokens:
        return random.choice(_VALUES)
    one, other = random.choice(tokens), random.choice(tokens)
    new = random.choice((random.choice(_VALUES), random.choice(_VALUES), other[0], "", one[0] * 2))
    return text[: one.start()] + new + text[one.end() :]


def _line(text: str, random: Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            del lines[one]
        case 1:
            lines.insert(other, lines[one])
        case 2:
            lines[one], lines[other] = lines[other], lines[one]
        case _:
            lines[one] = lines[one][: random.randrange(len(lines[one]) + 1)]
    return "".join(lines)
