"""Faults of one token that `plant_faults.py` draws: an operator, a constant, a name, a condition.

Every token of the code may be drawn, and none of docstrings, comments, annotations, decorators,
imports and texts of errors.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_EITHER = {
    "+": "-", "*": "+", "/": "*", "<<": ">>", "&": "|", "^": "|", "<": "<=", ">": ">=", "==": "!=",
    "+=": "-=", "*=": "+=", "<<=": ">>=", "&=": "|=", "^=": "|=",
}  # fmt: skip
OPERATORS = {b: a for a, b in _EITHER.items()} | _EITHER | {"//": "*", "%": "*", "//=": "*="}
"""What an operator becomes, in Python and in C; those of one language never meet the other."""
_WORDS_EITHER = {
    "and": "or", "True": "False", "min": "max", "minimum": "maximum", "any": "all",
    "floor": "ceil", "argmin": "argmax", "break": "continue", "amin": "amax",
}  # fmt: skip
WORDS = {b: a for a, b in _WORDS_EITHER.items()} | _WORDS_EITHER
WORDS |= {"not": "", "is": "is not", "in": "not in", "rint": "floor"}
_C_OPERATORS = OPERATORS | {"&&": "||", "||": "&&", "!": "", "~": ""}
_C_WORDS = {"int64_t": "int32_t", "int32_t": "int16_t", "uint64_t": "uint32_t"}
_C_TOKEN = re.compile(
    r"""(?P<skip>/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*'
        | ^[ \t]*\#(?:[^\n/\\]|\\.|/(?!\*))* | @\w+@)
    | (?P<name>[A-Za-z_]\w*) | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*)
    | (?P<op><<=|>>=|->|\+\+|--|&&|\|\||<<|>>|[-+*/%&|^<>=!]=|[-+*/%&|^<>=!~()\[\]{},;?:.])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_C_UNARY_AFTER = re.compile(r"\w*_t|return|const|sizeof|[^\w)\]]+|")

Place = tuple[int, int]


@dataclass(frozen=True)
class Fault:
    """One token and what it becomes; `line` and `column` count from 1."""

    path: str
    line: int
    column: int
    before: str
    after: str

    def plant(self, text: str) -> str:
        """The file's text with the fault in it.

        Raises:
            ValueError: the token is not in its place.
        """
        lines = text.split("\n")
        line, start = lines[self.line - 1 : self.line], self.column - 1
        if not line or not line[0].startswith(self.before, start):
            raise ValueError(f"{self.path}:{self.line}: no `{self.before}` in column {self.column}")
        end = start + len(self.before)
        lines[self.line - 1] = line[0][:start] + self.after + line[0][end:]
        return "\n".join(lines)


def faults_of(path: str, text: str) -> list[list[Fault]]:
    """The faults of each token of a file, `.py` or C, that has any."""
    places = _python(text) if path.endswith(".py") else _c(text)
    return [
        [Fault(path, line, column + 1, before, after) for after in choices]
        for (line, column), (before, choices) in sorted(places.items())
    ]


def changes(fault: Fault, text: str) -> bool:
    """Whether a fault leaves a program, and another one; of C the compiler has to say."""
    if not fault.path.endswith(".py"):
        return True
    try:
        planted = ast.parse(fault.plant(text))
    except (SyntaxError, ValueError):
        return False
    return ast.dump(planted) != ast.dump(ast.parse(text))


def _numbers(token: str) -> list[str]:
    """A constant one more and one less; as it was written, but in decimals."""
    if re.fullmatch(r"[\d.eE+-]+", token) and re.search(r"[.eE]", token):
        return [repr(float(token) + 1.0), repr(float(token) - 1.0)]
    suffix = "" if token.startswith("0x") else token.lstrip("0123456789_")
    if token.lower().startswith("0x"):
        suffix = token[len(token.rstrip("uUlL")) :]
    value = int(token.removesuffix(suffix).replace("_", ""), 0)
    return [f"{value + 1}{suffix}", *([f"{value - 1}{suffix}"] if value or not suffix else [])]


def _python(text: str) -> dict[Place, tuple[str, list[str]]]:
    tree = ast.parse(text)
    skipped = sorted(_skipped(tree))
    operators = list(_between_operands(tree))
    places: dict[Place, tuple[str, list[str]]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        word, start = token.string, token.start
        if any(a <= start < b for a, b in skipped):
            continue
        if token.type == tokenize.NUMBER and not word.lower().endswith("j"):
            places[start] = (word, _numbers(word))
        elif token.type == tokenize.OP and word in OPERATORS:
            if any(a <= start < b for a, b in operators):
                places[start] = (word, [OPERATORS[word]])
        elif token.type == tokenize.NAME and word in WORDS:
            places[start] = (word, [WORDS[word]])
    for place, word, others in (*_dropped_calls(tree, text), *_siblings(tree)):
        if not any(a <= place < b for a, b in skipped):
            places.setdefault(place, (word, others))
    return places


def _span(node: ast.AST) -> tuple[Place, Place]:
    """From where to where a node goes; columns in characters, as long as a line is ASCII."""
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _skipped(tree: ast.AST) -> Iterator[tuple[Place, Place]]:
    """Annotations, decorators, imports, what raises an error, texts with values in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.JoinedStr):
            yield _span(node)
        annotations = [getattr(node, name, None) for name in ("annotation", "returns")]
        for inner in (*annotations, *getattr(node, "decorator_list", ())):
            if inner is not None:
                yield _span(inner)


def _between_operands(tree: ast.AST) -> Iterator[tuple[Place, Place]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            yield _span(node.left)[1], _span(node.right)[0]
        elif isinstance(node, ast.UnaryOp):
            yield _span(node)[0], _span(node.operand)[0]
        elif isinstance(node, ast.AugAssign):
            yield _span(node.target)[1], _span(node.value)[0]
        elif isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for left, right in pairwise(operands):
                yield _span(left)[1], _span(right)[0]


def _dropped_calls(tree: ast.AST, text: str) -> Iterator[tuple[Place, str, list[str]]]:
    """`abs(x)` becomes `(x)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            name = ast.get_source_segment(text, node.func)
            if name in {"abs", "np.abs", "torch.abs"}:
                yield _span(node)[0], name, [""]


def _siblings(tree: ast.AST) -> Iterator[tuple[Place, str, list[str]]]:
    """A variable or attribute becomes another one whose name has a word in common with it."""
    attributes = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            attributes[ast.dump(node.value)].add(node.attr)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            others = _alike(node.attr, attributes[ast.dump(node.value)])
            line, column = _span(node)[1]
            if others:
                yield (line, column - len(node.attr)), node.attr, others
        if isinstance(node, ast.FunctionDef):
            bound = {a.arg: (0, 0) for a in ast.walk(node.args) if isinstance(a, ast.arg)}
            names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]
            for name in sorted(names, key=lambda name: _span(name)[0]):
                if isinstance(name.ctx, ast.Store):
                    bound.setdefault(name.id, _span(name)[0])
            for name in names:
                earlier = {other for other, place in bound.items() if place < _span(name)[0]}
                others = _alike(name.id, earlier)
                if isinstance(name.ctx, ast.Load) and name.id in bound and others:
                    yield _span(name)[0], name.id, others


def _alike(name: str, others: set[str]) -> list[str]:
    words = set(name.strip("_").split("_"))
    return sorted(o for o in others if o != name and words & set(o.strip("_").split("_")))


def _c(text: str) -> dict[Place, tuple[str, list[str]]]:
    tokens = [match for match in _C_TOKEN.finditer(text) if match.lastgroup != "skip"]
    members = {b[0] for a, b in pairwise(tokens) if a[0] in {"->", "."}}
    places = {}
    last = ""
    for match in tokens:
        word, kind = match[0], match.lastgroup
        choices = []
        if kind == "number":
            choices = _numbers(word)
        elif kind == "name":
            member = last in {"->", "."}
            width = [_C_WORDS[word]] if word in _C_WORDS else []
            choices = _alike(word, members) if member else width
        elif word in _C_OPERATORS and not (word in "*&" and _C_UNARY_AFTER.fullmatch(last)):
            choices = [_C_OPERATORS[word]]
        if choices:
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start()) - 1
            places[line, column] = (word, choices)
        last = word
    return places
