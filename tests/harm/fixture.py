"""The fixture of tests that do harm: one warm Python per test session."""

from pathlib import Path

import pytest
from tools import need


@pytest.fixture(scope="session")
def harm(tmp_path_factory):
    """A `harm.campaigns.Harm`: commands run in children that can be struck."""
    need("gcc", "gcc")
    from harm.campaigns import harm_in

    with harm_in(Path(tmp_path_factory.mktemp("harm"))) as made:
        yield made
