"""Tables as CSV, Markdown or LaTeX."""

import csv
import io

from rsnnctl.results.tables import Table

_LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


def as_csv(table: Table) -> str:
    """Lines of values between commas, the headers first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.headers, *table.rows])
    return text.getvalue()


def as_markdown(table: Table) -> str:
    """A table of GitHub's Markdown, under its title."""
    marks = ["---:" if figure else "---" for figure in table.figures]
    lines = [_row(table.headers), f"| {' | '.join(marks)} |", *map(_row, table.rows)]
    title = f"**{table.title}**\n\n" if table.title else ""
    return title + "\n".join(lines) + "\n"


def as_latex(table: Table) -> str:
    """A `tabular` of plain LaTeX, under its title."""
    kinds = "".join("r" if figure else "l" for figure in table.figures)
    rows = [" & ".join(text.translate(_LATEX) for text in row) for row in table.rows]
    header = " & ".join(text.translate(_LATEX) for text in table.headers)
    lines = [rf"\begin{{tabular}}{{{kinds}}}", r"\hline", rf"{header} \\", r"\hline"]
    lines += [rf"{row} \\" for row in rows] + [r"\hline", r"\end{tabular}"]
    title = f"% {table.title}\n" if table.title else ""
    return title + "\n".join(lines) + "\n"


def _row(texts: tuple[str, ...]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"
