"""Results as tables that fit, CSV, Markdown and LaTeX: declared once, no figure is ever cut."""

import csv
import io
import json

import click
import pytest

from rsnnctl.results import markup, output
from rsnnctl.results.kind import Column, Facts, Kind, Result, Rows
from rsnnctl.results.schema import TYPES, schema_of
from rsnnctl.results.tables import Table, tables_of, text_of
from rsnnctl.results.terminal import fitted, parted, print_tables

KIND = Kind(
    "kind",
    "A kind.",
    (
        Column("file", "text", "A file."),
        Column("proven", "boolean", "It is.", false="not proven"),
        Column("fits", "boolean?", "It does.", null="not checked"),
        Column("secret", "text", "Not for people.", hidden=True),
        Rows(
            "rows",
            (
                Column("model", "text", "A name."),
                Column("footprint", "integer", "Bytes.", "B"),
                Column("time_ms", "number?", "Time.", "ms"),
                Column("lines", "texts", "Not for people.", optional=True, hidden=True),
            ),
            "Rows.",
        ),
        Rows("more", (Column("model", "text", "A name."),), "More.", joined=True),
        Rows("named", (Column("zero", "integer", "Zeros."),), "By name.", "title", key="matrix"),
        Facts("provenance", (), "Origin.", is_open=True),
    ),
    version=3,
)
VALUE = {
    "file": "a|b_c.h5",
    "proven": False,
    "fits": None,
    "secret": "s",
    "rows": [
        {"model": "one", "footprint": 42000, "time_ms": 1.23456, "lines": ["a", "b"]},
        {"model": "two", "footprint": 7, "time_ms": None},
    ],
    "more": [{"model": "three"}],
    "named": {"w_in": {"zero": 3}},
    "provenance": {"inputs": {"bits": 8, "rates": list(range(20))}, "command": "x"},
}


def test_a_result_becomes_tables_with_units_in_headers_and_rows_that_go_on():
    facts, rows, named, provenance = tables_of(Result(KIND, VALUE))
    assert facts.rows == (("file", "a|b_c.h5"), ("proven", "not proven"), ("fits", "not checked"))
    assert rows.headers == ("model", "footprint (B)", "time (ms)")
    assert rows.rows == (("one", "42000", "1.235"), ("two", "7", "-"), ("three", "-", "-"))
    assert rows.figures == (False, True, True)
    assert (named.title, named.headers, named.rows) == (
        "title",
        ("matrix", "zero"),
        (("w_in", "3"),),
    )
    assert provenance.title == "provenance"
    assert provenance.rows == (
        ("inputs.bits", "8"),
        ("inputs.rates", "20 values"),
        ("command", "x"),
    )


def test_exact_tables_keep_every_digit_and_leave_out_nothing():
    facts, rows, *_ = tables_of(Result(KIND, VALUE), exact=True)
    assert facts.rows[1:] == (("proven", "false"), ("fits", ""), ("secret", "s"))
    assert rows.headers[-1] == "lines"
    assert rows.rows == (
        ("one", "42000", "1.23456", "a, b"),
        ("two", "7", "", ""),
        ("three", "", "", ""),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0596, "0.0596"),
        (0.123456, "0.1235"),
        (1234.5, "1234"),
        (12345.6, "12346"),
        (42000, "42000"),
        (float("nan"), "-"),
        (True, "yes"),
        ({"min": None, "max": 3}, "- .. 3"),
        ([64, 96], "64 x 96"),
        (["a", "b"], "a, b"),
        ([{"a": 1}], "1 values"),
        ({"a": 1.0}, "a 1"),
    ],
)
def test_values_read_as_people_write_them(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("column", "header"),
    [
        (Column("rate_mean_hz", "number", "", "Hz"), "rate mean (Hz)"),
        (Column("velocity_sd_mm_per_s", "numbers", "", "mm/s"), "velocity sd (mm/s)"),
        (Column("energy_nj", "number", "", "nJ per step"), "energy (nJ per step)"),
        (Column("bits_hz", "number", ""), "bits hz"),
        (Column("test_r2", "number", ""), "test R2"),
        (Column("effective_acs", "number", "", "per step"), "effective ACs (per step)"),
    ],
)
def test_a_header_is_the_name_in_words_with_its_unit(column, header):
    assert column.header == header


WIDE = Table(
    "NeuroBench",
    ("model", "session", "n steps", "connection sparsity", "effective ACs (per step)", "R2"),
    tuple(
        (f"model {i}.rsnn.h5", "indy (test)", "123456", "0.4498", "1234.5", "0.1234567")
        for i in "ab"
    ),
    (False, False, True, True, True, True),
)


def printed(table: Table, width: int, monkeypatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    print_tables([table], stream)
    return stream.getvalue()


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120, 200])
def test_no_table_is_wider_than_the_terminal_and_no_figure_is_cut(width, monkeypatch):
    text = printed(WIDE, width, monkeypatch)
    assert max(map(len, text.splitlines())) <= width
    for figure in ("123456", "0.4498", "1234.5", "0.1234567"):
        assert text.count(figure) >= 2
    assert "…" not in text
    assert "..." not in text
    for word in ("connection", "sparsity", "(per", "step)", "R2", "NeuroBench"):
        assert word in text or width == 20  # where "connection" takes two lines


def test_headers_are_wrapped_before_texts_are_folded_and_columns_go_below_last():
    natural = fitted(WIDE, 200)
    assert natural == [15, 11, 7, 19, 24, 9]
    assert fitted(WIDE, sum(natural) + 19) == natural
    wrapped = fitted(WIDE, sum(natural) + 18)
    assert wrapped == [15, 11, 6, 10, 9, 9]
    assert fitted(WIDE, sum(wrapped) + 19) == wrapped
    assert fitted(WIDE, sum(wrapped) + 18) is None
    first, second = parted(WIDE, 60)
    assert first.headers == WIDE.headers[:4]
    assert second.headers == (WIDE.headers[0], *WIDE.headers[4:])
    assert (first.title, second.title) == ("NeuroBench", "")
    assert parted(WIDE, 20) is None
    one = Table("", WIDE.headers, WIDE.rows[:1], WIDE.figures)
    assert parted(one, 60) is None


def test_a_long_text_is_folded_and_keeps_every_letter(monkeypatch):
    digest = "0123456789abcdef" * 4
    table = Table("", ("what", "value"), (("digest", digest),), (False, False))
    text = printed(table, 40, monkeypatch)
    assert max(map(len, text.splitlines())) <= 40
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    assert "".join(row[2].strip() for row in rows) == digest


def test_a_long_figure_leaves_its_name_less_room(monkeypatch):
    range_ = "-7143283 .. 1258616"
    table = Table("", ("state of a layer", "range"), (("x", range_),), (False, True))
    assert range_ in printed(table, 26, monkeypatch)


def test_brackets_are_no_markup(monkeypatch):
    table = Table("[t]", ("what", "value"), (("[bold]x", "[/a]:smile:"),), (False, False))
    text = printed(table, 80, monkeypatch)
    for written in ("[t]", "[bold]x", "[/a]:smile:"):
        assert written in text


def test_csv_markdown_and_latex_escape_what_they_must():
    facts = tables_of(Result(KIND, VALUE))[0]
    assert list(csv.reader(io.StringIO(markup.as_csv(facts))))[1] == ["file", "a|b_c.h5"]
    assert markup.as_markdown(facts).splitlines()[:3] == [
        "| what | value |",
        "| --- | --- |",
        r"| file | a\|b_c.h5 |",
    ]
    assert markup.as_latex(facts).splitlines()[:5] == [
        r"\begin{tabular}{ll}",
        r"\hline",
        r"what & value \\",
        r"\hline",
        r"file & a|b\_c.h5 \\",
    ]
    rows = tables_of(Result(KIND, VALUE))[1]
    assert "| --- | ---: | ---: |" in markup.as_markdown(rows)
    named = tables_of(Result(KIND, VALUE))[2]
    assert markup.as_markdown(named).startswith("**title**\n\n| matrix | zero |")
    assert markup.as_latex(named).startswith("% title\n\\begin{tabular}{lr}")


@pytest.fixture
def show(capsys):
    """Run a command that returns a result, and print it."""

    def call(result: Result, *words: str) -> str:
        command = click.Command("c", callback=lambda: output.print_result(result))
        output.add_formats(command)
        command.main(list(words), standalone_mode=False)
        return "".join(capsys.readouterr())

    return call


def test_a_result_is_printed_in_the_format_that_is_asked_for(show):
    result = Result(KIND, VALUE, ["a line"])
    assert show(result).endswith("\na line\n")
    assert "what" in show(result)
    assert show(Result(KIND, VALUE, ["a line"], is_plain=True)) == "a line\n"
    found = json.loads(show(result, "--json"))
    assert found == {"schema": "kind/3"} | VALUE
    assert json.loads(show(result, "--format", "json", "--json")) == found
    text = show(result, "--format", "csv")
    assert '\n\nmodel,footprint (B),time (ms),lines\none,42000,1.23456,"a, b"\n' in text
    assert show(result, "--format", "md").startswith("| what | value |")
    assert show(result, "--format", "latex").startswith(r"\begin{tabular}")
    with pytest.raises(click.UsageError, match="--json and --format csv ask for two formats"):
        show(result, "--format", "csv", "--json")
    with pytest.raises(click.UsageError, match="--json and --format md ask for two formats"):
        show(result, "--json", "--format", "md")


def test_numbers_that_are_not_finite_are_null_in_json(show):
    value = {"x": [float("nan"), 1.0], "y": {"z": float("inf")}}
    found = json.loads(show(Result(KIND, value), "--json"))
    assert (found["x"], found["y"]) == ([None, 1.0], {"z": None})


def test_what_goes_to_stderr_is_one_line_of_json(show):
    text = show(Result(KIND, {"file": "x"}, on_stderr=True), "--json")
    assert text == '{"schema": "kind/3", "file": "x"}\n'


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["x", "--json"], True),
        (["x", "--format=json"], True),
        (["x", "--format", "json"], True),
        (["x", "--format", "csv"], False),
        (["json", "--format"], False),
    ],
)
def test_a_command_line_that_cannot_be_parsed_may_ask_for_json_too(words, asked):
    assert output.asks_for_json(words) == asked


def test_a_schema_says_which_values_may_be_null_missing_or_more():
    schema = schema_of(KIND)
    assert schema["properties"]["schema"] == {"const": "kind/3"}
    assert schema["properties"]["fits"]["type"] == ["boolean", "null"]
    assert schema["properties"]["rows"]["items"]["properties"]["footprint"]["x-unit"] == "B"
    assert schema["properties"]["rows"]["items"]["additionalProperties"] is False
    assert schema["properties"]["named"]["additionalProperties"]["required"] == ["zero"]
    assert schema["properties"]["provenance"]["additionalProperties"] is True
    assert schema["required"] == ["schema", *VALUE]
    assert schema["additionalProperties"] is False
    for name in TYPES:
        assert not name.endswith("?")
