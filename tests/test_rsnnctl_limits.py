"""No option or setting asks for work, memory or disk without an end: each number has a limit."""

from dataclasses import fields

import click
import pytest
from harm.commands import READING, WRITING
from networks import random_network

from base.errors import RangeError
from cli import rsnnctl
from rsnn.model import Architecture
from rsnn.training.config import Config, ModelConfig, PruneConfig, resolve
from rsnnctl import verifying
from rsnnctl.runs.exploring import combinations, parse_choices
from rsnnctl.runs.jobs import parse_seeds

HUGE = 10**30
BESIDE = {"percentile": "--scale percentile", "idle": "--udp 0", "steps": "--udp 0"}
"""What an option needs beside it where it is of no effect alone."""
INSTEAD = {("train", "units"): "train --task go-nogo"}
"""A call in which an option has an effect, where the usual one leaves it without."""
LISTS = {"bits", "decay_bits", "sparsity", "seeds"}
TEXTS = {"settings", "name", "lsl", "mirror", "session", "layout", "key_file", "network", "factors"}
TEXTS |= {"data", "samples", "architecture"}
"""Options that take any text: lists of numbers, and texts."""


def options(group=rsnnctl, before=""):
    """Every option of every command that a user may give a number, as (words, option, values)."""
    for name, command in group.commands.items():
        words = f"{before}{name}"
        if isinstance(command, click.Group):
            yield from options(command, f"{words} ")
            continue
        for option in command.params:
            kind = option.type
            if isinstance(kind, click.types.FloatParamType):
                yield words, option, ["1e300", "inf", "nan"]
            elif isinstance(kind, click.types.IntParamType):
                yield words, option, [str(HUGE)]
            elif isinstance(kind, click.types.StringParamType) and option.name in LISTS:
                yield words, option, [f"1..{HUGE}", str(HUGE)]
            elif isinstance(kind, click.types.StringParamType):
                assert option.name in TEXTS, f"{words}: is `{option.name}` a list of numbers?"


OPTIONS = list(options())


def base_words(words: str) -> str:
    """A call of a command that works in the folder `read`."""
    for each in READING.values():
        if each.split()[: len(words.split())] == words.split():
            return each
    return next(case.words for case in WRITING.values() if case.command == words)


def test_the_walk_finds_what_it_should():
    found = {(words, option.name) for words, option, _ in OPTIONS}
    assert {("train", "seeds"), ("explore", "bits"), ("data synth", "minutes")} <= found
    assert len(found) > 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        pytest.param(words, option, value, id=f"{words} {option.opts[-1]} {value}")
        for words, option, values in OPTIONS
        for value in values
    ],
)
def test_an_option_that_asks_for_too_much_is_refused_at_once(harm, words, option, value):
    usual = INSTEAD.get((words, option.name)) or base_words(words)
    call = usual.replace("g.nir", "others.nir").split()
    beside = BESIDE.get(option.name, "") if words in ("stream", "quantize") else ""
    call += [*beside.split(), f"{max(option.opts, key=len)}={value}"]
    done = harm.run(call, harm.folders.copy("read"), deadline=10)
    assert not done.timed_out
    assert done.code == 1, done.err
    *before, last = done.err.splitlines()
    assert last.startswith("Error: ")
    assert before == ["decoded values are in mm per step; a step is 4 ms"] * (words == "stream")
    assert value in last or f"{float(value):g}" in last
    assert any(word in last for word in LIMITS), last


LIMITS = ("possible", "must be", "outside", "a port is", "longer than 0 s")


def numbers():
    """Every setting that is a number or a list of numbers, as `section.name`."""
    config = resolve()
    for section in fields(Config):
        part = getattr(config, section.name)
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, float):
                yield from ((f"{section.name}.{field.name}", text) for text in ("inf", "nan"))
            elif isinstance(value, int) and not isinstance(value, bool):
                yield f"{section.name}.{field.name}", str(HUGE)
            elif isinstance(value, tuple):
                yield f"{section.name}.{field.name}", f"[{HUGE}]"


@pytest.mark.parametrize(("name", "value"), list(numbers()))
def test_a_setting_that_asks_for_too_much_is_refused(name, value):
    with pytest.raises(RangeError, match=r"it must be|possible") as refusal:
        resolve(settings=[f"{name}={value}"])
    assert name.partition(".")[2] in str(refusal.value)


SETTINGS = {
    "training.epochs=100001": "epochs is 100001; it must be at most 100000",
    "training.batch=1000001": "batch is 1000001; it must be at most 1000000",
    "qat.window_steps=10000001": "window_steps is 10000001; it must be at most 10000000",
    "training.stride=10000001": "stride is 10000001; it must be at most 10000000",
    "training.upper_count=1e10": "upper_count is 10000000000.0; it must be at most 1000000000",
    f"training.seed={2**63}": f"seed is {2**63}; it must be at most {2**63 - 1}",
    "pruning.step=0.0009": "pruning.step is 0.0009; it must be at least 0.001",
    "pruning.fine_step=1e-300": "pruning.fine_step is 1e-300; it must be at least 0.001",
    "model.hidden=[8192, 1]": "hidden[0] is 8192; at most 65536 units of a layer and 67108864"
    " weights of all are possible",
}


@pytest.mark.parametrize(("setting", "message"), SETTINGS.items())
def test_the_limit_of_a_setting_is_told(setting, message):
    with pytest.raises(RangeError) as refusal:
        resolve(settings=[setting])
    assert str(refusal.value) == message


def test_the_largest_settings_are_possible():
    stages = ("epochs=100000", "batch=1000000", f"seed={2**63 - 1}", "upper_count=1e9")
    resolve(settings=[f"training.{each}" for each in stages])
    PruneConfig(step=0.001, fine_step=0.001)
    ModelConfig(hidden=(8191,))
    Architecture(1024, (65536,), recurrent=False)
    Architecture(1, (1,) * 64)


def test_sizes_of_a_network_are_limited():
    with pytest.raises(RangeError, match=r"^hidden has 65 layers; at most 64 fit$"):
        Architecture(1, (1,) * 65)
    with pytest.raises(RangeError, match=r"^hidden\[0\] is 65537; at most 65536 units"):
        Architecture(1, (65537,), recurrent=False)
    with pytest.raises(RangeError, match=r"^hidden\[1\] is 8192; at most 65536 units"):
        Architecture(1, (8192, 8192), recurrent=False)


SEEDS = ["1..1000000000", "1..5000,6000..11000", f"{2**63}", f"0..{2**63 - 1}", "1..1" + "0" * 25]


@pytest.mark.parametrize("text", SEEDS)
def test_a_range_of_seeds_is_bounded_before_it_is_expanded(text):
    with pytest.raises(RangeError) as refusal:
        parse_seeds(text)
    assert str(refusal.value) == (
        f"`seeds` is {text}; at most 10000 seeds up to 9223372036854775807 are possible"
    )


def test_a_seed_of_thousands_of_digits_is_one_line():
    with pytest.raises(RangeError, match=r"^`seeds` is 1+; write one as 3, several as 1,4 or 1"):
        parse_seeds("1" * 5000)


def test_as_many_seeds_as_possible_are_read():
    assert len(parse_seeds("1..10000")) == len(parse_seeds("7,11..10009")) == 10_000
    assert parse_seeds(f"{2**63 - 1}") == [2**63 - 1]


CHOICES = {
    ("3..1000000000", "12", "0"): "`bits` is 3..1000000000; 2 to 16 is possible",
    ("1..4", "12", "0"): "`bits` is 1..4; 2 to 16 is possible",
    ("8", "1..17", "0"): "`decay_bits` is 1..17; 1 to 16 is possible",
    ("nan", "12", "0"): "`bits` is nan; 2 to 16 is possible",
    ("8", "inf", "0"): "`decay_bits` is inf; 1 to 16 is possible",
    ("8", "12", "0..9"): "`sparsity` is 0..9; 0 to 1 is possible",
    ("8", "12", "nan"): "`sparsity` is nan; 0 to 1 is possible",
}


@pytest.mark.parametrize(("texts", "message"), CHOICES.items())
def test_a_range_of_widths_is_bounded_before_it_is_expanded(texts, message):
    with pytest.raises(RangeError) as refusal:
        parse_choices(*texts)
    assert str(refusal.value) == message


def test_combinations_are_bounded_before_they_are_made():
    assert len(combinations(range(100), range(100), [0.0])) == 10_000
    with pytest.raises(RangeError, match=r"make 10100 networks; at most 10000 are possible$"):
        combinations(range(101), range(100), [0.0])


def test_the_steps_of_verify_fit_into_memory():
    import numpy as np

    network = random_network(np.random.default_rng(1), hidden=(5,))
    words = verifying._words_per_step(network)
    assert words > network.n_inputs + 5 * 3
    assert 8 * verifying.MOST_WORDS == 2 << 30
