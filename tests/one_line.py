"""The allowed outcomes of fuzzed input: a result, or an error of one line."""

from contextlib import contextmanager

from hypothesis import HealthCheck, settings

from base.errors import RsnnError

FUZZ = settings(
    max_examples=150,
    deadline=3000,  # ms; a hang fails
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@contextmanager
def one_line():
    """The only exception allowed is a one-line error."""
    text = "an error of one line"
    try:
        yield
    except RsnnError as error:
        text = str(error)
    assert "\n" not in text
    assert 10 < len(text) < 500
