"""`rsnnctl explore`: every combination is made once, and the best of them are marked."""

import json

import pytest

from rsnnctl.runs import exploring as step
from rsnnctl.runs import folders


@pytest.fixture
def in_run(run, session, model):
    """`rsnnctl` in a folder with one finished run, of a model and a recording."""
    (folder,) = folders.start([folders.Planned("x", {"session": str(session)})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    folders.finish(folder)
    return run


@pytest.mark.slow
def test_every_combination_is_measured_and_a_second_call_measures_none_again(in_run, monkeypatch):
    call = ("explore", "--bits", "4,8", "--decay-bits", "12", "--sparsity", "0,0.5", "--json")
    done = in_run(*call)
    assert done.code == 0, done.err
    rows = json.loads(done.out)["networks"]
    assert [(row["bits"], row["sparsity"] >= 0.49) for row in rows] == [
        (4, False),
        (4, True),
        (8, False),
        (8, True),
    ]
    assert rows[1]["stored_bits"] < rows[0]["stored_bits"] < rows[2]["stored_bits"]
    assert rows[1]["effective_acs"] < rows[0]["effective_acs"]
    assert any(row["pareto"] for row in rows)
    assert (folders.latest() / step.PICTURE).read_bytes().startswith(b"\x89PNG")
    assert json.loads((folders.latest() / step.TABLE).read_text()) == rows
    (folders.latest() / step.FOLDER / "bits8-decay12-sparsity0.5.json").unlink()
    made = []
    measured = step._measured

    def spied(source, path, choice, config):
        made.append(choice.name)
        return measured(source, path, choice, config)

    monkeypatch.setattr(step, "_measured", spied)
    assert json.loads(in_run(*call).out)["networks"] == rows
    assert made == ["bits8-decay12-sparsity0.5"]


def test_a_row_is_on_the_front_unless_another_is_as_good_in_all_and_better_in_one():
    def row(r2, bits, energy, acs):
        return {"test_r2": r2, "stored_bits": bits, "energy_pj": energy, "effective_acs": acs}

    rows = [row(0.7, 10, 5.0, 3.0), row(0.7, 9, 5.0, 3.0), row(0.8, 20, 9.0, 3.0)]
    rows += [row(0.6, 30, 9.0, 1.0), row(0.5, 30, 9.0, 1.0), row(0.8, 20, 9.0, 3.0)]
    marks = [found["pareto"] for found in step.with_pareto(rows)]
    assert marks == [False, True, True, True, False, True]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--bits", "x"], "--bits is x; write 4, or 3,4,8, or 3..8"),
        (["--bits", "3.5"], "--bits is 3.5; whole numbers are needed"),
        (["--bits", "40"], "--bits is 40; 2 to 16 is possible"),
        (["--decay-bits", "0"], "--decay-bits is 0; 1 to 16 is possible"),
        (["--sparsity", "1"], "fraction is 1; it must be at least 0 and below 1"),
        (["--jobs", "0"], "--jobs is 0"),
    ],
)
def test_choices_without_a_meaning_are_refused_before_any_work(in_run, options, text):
    done = in_run("explore", *options)
    assert done.code == 1
    assert text in done.err
    assert done.err.count("\n") == 1
    assert not (folders.latest() / step.FOLDER).exists()


@pytest.mark.slow
def test_training_in_integers_is_part_of_what_a_row_was_made_with(in_run):
    call = ("explore", "--bits", "3", "--json")
    (plain,) = json.loads(in_run(*call).out)["networks"]
    small = ("--set", "qat.batch=8", "--set", "qat.window_steps=250", "--set", "qat.stride=250")
    (trained,) = json.loads(in_run(*call, "--qat-epochs", 1, *small).out)["networks"]
    assert trained["digest"] != plain["digest"]
    assert in_run(*call, *small).err == (
        "Error: settings are for training in integers; add --qat-epochs, such as 10\n"
    )
