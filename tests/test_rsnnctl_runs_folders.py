"""Run folders: whole or absent, one writer, found again after a kill, removed only when empty."""

import json
import os
from pathlib import Path

import pytest
import torch

from base.errors import FileError, MismatchError, RsnnWarning
from base.lock import only_writer
from rsnn.checkpoint import load_model
from rsnn.data.synthetic import synthesize
from rsnn.training.config import resolve
from rsnnctl.runs import folders, jobs, stages
from rsnnctl.runs.folders import Planned
from rsnnctl.runs.jobs import resumable
from rsnnctl.runs.training import config_of, planned_training, train_config, train_run

FAST = ("training.epochs=2", "training.window_steps=100", "training.batch=64", "model.hidden=[8]")


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("folders") / "one.mat"
    synthesize(path, minutes=0.5, n_channels=8, seed=5)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(n_threads)


def begin(planned: Planned) -> Path:
    (folder,) = folders.start([planned])
    return folder


@pytest.fixture
def begun(here, session) -> Path:
    config = resolve("short", settings=FAST)
    return begin(planned_training(session, config, name="run", recipe="short"))


def silent(record):
    pass


def stop(record):
    raise KeyboardInterrupt


def test_a_run_has_its_name_when_it_is_set_up_and_not_before(here):
    def fill(folder):
        assert not Path("runs/x").exists()
        (folder / "config.toml").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(Planned("x", {}, fill))
    assert os.listdir("runs") == []
    assert begin(Planned("x", {"a": 1})) == Path("runs/x")
    assert folders.read_facts(Path("runs/x")) == {"a": 1, "finished": False}
    assert begin(Planned("x", {})) == Path("runs/x-2")
    Path("runs/empty").mkdir()
    assert begin(Planned("empty", {})) == Path("runs/empty")
    Path("runs/file").write_text("")
    assert begin(Planned("file", {})) == Path("runs/file-2")
    assert sorted(os.listdir("runs")) == ["empty", "file", "file-2", "x", "x-2"]


def test_runs_that_lack_their_names_after_a_kill_get_them(here, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    named = folders._named
    planned = [Planned(f"x-{number}", {"number": number}) for number in range(12)]
    with monkeypatch.context() as patched:
        patched.setattr(folders, "_named", lambda *a: killed() if "-4" in a[2] else named(*a))
        with pytest.raises(KeyboardInterrupt):
            folders.start(planned)
        assert os.listdir("runs") == []
        patched.setattr(folders.shutil, "rmtree", lambda *args, **options: None)
        with pytest.raises(KeyboardInterrupt):
            folders.start(planned)
    assert [path.name for path in folders.unfinished()] == [f"x-{number}" for number in range(4)]
    (group,) = Path("runs").glob(".started-*")
    with only_writer(group, "rsnnctl train"), pytest.raises(FileError, match="is writing it"):
        folders.resume_start(folders.ROOT)
    assert len(folders.unfinished()) == 4
    folders.resume_start(folders.ROOT)
    assert {path.name for path in folders.unfinished()} == {run.name for run in planned}
    for run in planned:
        assert folders.read_facts(Path("runs", run.name))["number"] == run.facts["number"]
    assert not [name for name in os.listdir("runs") if name.startswith(".started")]


def test_what_a_kill_left_in_other_runs_is_removed(here):
    old = begin(Planned("old", {}))
    (old / ".run.json.0.rsnnctl-tmp").write_text("")
    theirs = Path("runs/theirs")
    theirs.mkdir()
    for name in (".lock", ".x.rsnnctl-tmp"):
        (theirs / name).write_text("")
    begin(Planned("new", {}))
    assert os.listdir(old) == ["run.json"]
    folders.tidy(folders.ROOT, stages.has_training, stages.clear_training)
    assert sorted(os.listdir(theirs)) == [".lock", ".x.rsnnctl-tmp"]


@pytest.mark.parametrize("is_finished", [True, False])
def test_stages_that_an_error_left_in_a_finished_run_are_removed(here, is_finished):
    """As where the write that marks the run fails after it is in place: no lock tells of it."""
    run = begin(Planned("old", {}))
    (run / "model.rsnn.h5").write_text("")
    (run / "stages").mkdir()
    for name in ("training.state.h5", "prune-0.4.state.h5"):
        (run / "stages" / name).write_text("")
    if is_finished:
        folders.finish(run)
    folders.tidy(folders.ROOT, stages.has_training, stages.clear_training)
    assert (run / "stages/training.state.h5").exists() is not is_finished
    assert (run / "stages/prune-0.4.state.h5").exists()
    assert not (run / ".lock").exists()


def test_runs_in_a_folder_have_exactly_their_names(here):
    planned = [Planned("one", {}), Planned("two", {})]
    assert folders.start(planned, Path("out")) == [Path("out/one"), Path("out/two")]
    assert folders.read_facts(Path("out/two"))["runs"] == "../../runs"
    with pytest.raises(
        FileError, match=r"^out/one: exists already; name a new folder for the run$"
    ):
        folders.start(planned, Path("out"))
    assert sorted(os.listdir("out")) == ["one", "two"]


@pytest.mark.parametrize(
    ("file", "name"),
    [("a (1).pth", "a-1"), ("indy.v2+x.pth", "indy.v2+x"), ("(ü).mat", "ü"), ("!!.mat", "run")],
)
def test_a_run_is_named_like_a_file_with_what_names_allow(file, name):
    assert folders.name_of(Path(file)) == name


def test_the_latest_is_refused_while_a_newer_run_with_a_model_lacks_its_end(here):
    old = begin(Planned("old", {}))
    folders.finish(old)
    new = begin(Planned("new", {}))
    assert folders.latest() == old
    (new / folders.MODEL).write_text("a model")
    refused = (
        "^runs/new: was stopped when it had its model and was not finished; `rsnnctl train"
        " --resume` finishes it, or name a file$"
    )
    with pytest.raises(FileError, match=refused):
        folders.latest()
    folders.finish(new)
    folders.note(new, {"finished": False})
    assert folders.latest() == new


def test_an_import_that_lacks_its_end_is_finished_by_resume(here, capsys):
    def fill(folder):
        (folder / folders.MODEL).write_text("a model")

    begin(Planned("one", {"command": "import-weights"}, fill))
    assert resumable() == []
    assert "runs/one: finished" in capsys.readouterr().err
    assert folders.latest() == Path("runs/one")
    with pytest.raises(FileError, match="no run was interrupted"):
        resumable()


def test_what_sets_up_a_run_is_there_with_its_name(begun, session):
    assert sorted(path.name for path in begun.iterdir()) == ["config.toml", "run.json"]
    assert folders.read_facts(begun)["session"] == str(session)
    assert folders.unfinished() == [begun]


def test_a_run_is_the_latest_before_it_is_finished(here, monkeypatch):
    old = begin(Planned("old", {}))
    folders.finish(old)
    new = begin(Planned("new", {}))

    def killed(*args):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(folders, "note", killed)
        with pytest.raises(SystemExit):
            folders.finish(new)
    assert folders.latest() == new
    assert folders.unfinished() == [new]
    assert sorted(os.listdir("runs")) == ["latest", "new", "old"]


def test_a_name_that_a_kill_left_is_not_in_the_way_of_the_latest(here):
    run = begin(Planned("x", {}))
    Path(f"runs/.latest.{os.getpid()}").symlink_to("nowhere")
    folders.finish(run)
    assert folders.latest() == run


def test_a_run_with_a_model_and_no_stages_is_finished_and_not_trained_again(begun):
    train_run(begun, silent)
    whole = (begun / folders.MODEL).read_bytes()
    folders.note(begun, {"finished": False})
    Path("runs/latest").unlink()
    train_run(begun, stop)
    assert (begun / folders.MODEL).read_bytes() == whole
    assert folders.latest() == begun
    assert folders.unfinished() == []


def test_a_run_killed_before_its_stages_were_cleared_keeps_its_model(begun, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(folders, "finish", lambda folder: stop(None))
        with pytest.raises(KeyboardInterrupt):
            train_run(begun, silent)
    whole = (begun / folders.MODEL).read_bytes()
    assert stages.has_begun(begun)
    train_run(begun, stop)
    assert (begun / folders.MODEL).read_bytes() == whole
    assert not (begun / stages.FOLDER).exists()


def test_what_a_kill_left_to_clear_is_cleared_by_the_next_training(begun, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(stages, "clear_training", lambda folder: stop(None))
        with pytest.raises(KeyboardInterrupt):
            train_run(begun, silent)
    (begun / ".lock").write_text("")
    (begun / stages.FOLDER / "qat-8.state.h5").write_text("")
    other = begin(Planned("other", {}))
    (other / ".lock").write_text("")
    folders.finish(other)
    with only_writer(begun, "rsnnctl prune"), pytest.raises(FileError, match="no run was"):
        resumable()
    assert not (other / ".lock").exists()
    assert len(os.listdir(begun / stages.FOLDER)) > 1
    (begun / ".lock").write_text("")
    with pytest.raises(FileError, match="no run was"):
        resumable()
    assert os.listdir(begun / stages.FOLDER) == ["qat-8.state.h5"]
    assert not (begun / ".lock").exists()


def train_all(runs, **how):
    jobs.run_all(runs, n_jobs=1, cluster="loky", **how)


def test_only_a_run_made_by_this_call_is_removed_and_none_with_a_model(begun, monkeypatch):
    monkeypatch.setattr("rsnnctl.runs.training.load_session", lambda path: stop(None))
    with pytest.raises(KeyboardInterrupt):
        train_all([begun], are_new=False)
    assert begun.exists()
    (begun / folders.MODEL).write_text("a model")
    folders.discard(begun)
    assert begun.exists()
    (begun / folders.MODEL).unlink()
    with only_writer(begun, "rsnnctl train"), pytest.raises(FileError, match="is writing it"):
        train_all([begun])
    assert begun.exists()
    with pytest.raises(KeyboardInterrupt):
        train_all([begun])
    assert not begun.exists()


def test_a_run_that_another_process_trains_is_refused_and_kept(begun):
    with (
        only_writer(begun, "rsnnctl train"),
        pytest.raises(FileError, match=r"run: `rsnnctl train` is writing it \(process \d+\); wait"),
    ):
        train_run(begun, silent)
    assert begun.exists()
    train_run(begun, silent)
    load_model(begun / folders.MODEL)
    assert not (begun / ".lock").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "[" * 5000, '{"session": 1}', '{"runs": []}', "\udcff"]
)
def test_a_damaged_run_is_named_and_stands_in_the_way_of_no_other(begun, text):
    damaged = begin(Planned("a-first", {}))
    (damaged / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert folders.unfinished() == [begun]
    with pytest.raises(FileError, match=r"run\.json: is damaged; restore it, or move runs/a-first"):
        folders.read_facts(damaged)


@pytest.mark.parametrize("text", [None, "[training", "[training]\nepochs = 'x'\n"])
def test_a_run_without_usable_settings_stands_in_the_way_of_no_other(begun, text, capsys):
    config = resolve("short", settings=FAST)
    broken = begin(planned_training(None, config, name="a-broken", recipe="short"))
    (broken / "config.toml").unlink()
    if text is not None:
        (broken / "config.toml").write_text(text)
        folders.note(broken, {"config_sha256": None})
    assert resumable() == [begun]
    assert "Warning: runs/a-broken/config.toml: " in capsys.readouterr().err
    folders.finish(begun)
    with pytest.raises(FileError, match=r"^runs/a-broken/config\.toml: "):
        resumable()


def test_stages_of_one_kind_are_cleared_without_those_of_another(here):
    folder = Path("run")
    (folder / stages.FOLDER).mkdir(parents=True)
    for name in ("prune-0.4.state.h5", "prune-0.4.jsonl", "qat-8.state.h5"):
        (folder / stages.FOLDER / name).write_text("")
    stages.clear(folder, "prune-")
    assert os.listdir(folder / stages.FOLDER) == ["qat-8.state.h5"]
    stages.clear(folder)
    assert not (folder / stages.FOLDER).exists()
    stages.clear(folder)


@pytest.mark.parametrize(
    "edit",
    [
        ("short", "long"),
        ('"facts"', '"fbcts"'),
        ('"sha256"', '"sha25v"'),
        ('"sha256": "', '"sha256": "0'),
        ('"finished": false', '"finished": true'),
    ],
)
def test_an_edited_run_json_is_refused_with_a_way_out(begun, edit):
    path = begun / "run.json"
    text = path.read_text()
    path.write_text(" ".join(text.split()))
    assert folders.read_facts(begun)["recipe"] == "short"
    assert edit[0] in text
    path.write_text(text.replace(*edit))
    with pytest.raises(FileError) as error:
        folders.read_facts(begun)
    assert str(error.value) == (
        "runs/run/run.json: its content does not match its checksum; the file was edited or"
        " damaged: restore it, or move runs/run elsewhere"
    )


def test_a_run_json_of_an_older_rsnnctl_has_no_checksum_and_is_read(begun):
    facts = folders.read_facts(begun)
    (begun / "run.json").write_text(json.dumps(facts))
    assert folders.read_facts(begun) == facts
    folders.note(begun, {"more": 1})
    assert folders.read_facts(begun) == {**facts, "more": 1}
    assert json.loads((begun / "run.json").read_text()).keys() == {"facts", "sha256"}


def test_settings_that_were_edited_since_the_run_was_started_are_told(begun):
    model, config = begun / folders.MODEL, begun / "config.toml"
    assert config_of(model, None, ()) == train_config(begun)
    assert resumable() == [begun]
    config.write_text(config.read_text() + "# one more line\n")
    text = "runs/run/config.toml: was edited since the run was started; it is used as it is now"
    for use in (lambda: config_of(model, None, ()), resumable):
        with pytest.warns(RsnnWarning) as told:
            use()
        assert [str(each.message) for each in told] == [text]
    config.unlink()
    text = r"run/config\.toml: no such file, though the run was started with it; restore it"
    for use in (lambda: config_of(model, None, ()), resumable):
        with pytest.raises(FileError, match=text):
            use()


def test_settings_of_a_run_that_names_no_digest_of_them_are_used_as_they_are(begun):
    facts = folders.read_facts(begun)
    assert len(facts.pop("config_sha256")) == 64
    (begun / "run.json").write_text(json.dumps(facts))
    (begun / "config.toml").write_text("[training]\nepochs = 7\n")
    assert config_of(begun / folders.MODEL, None, ()).training.epochs == 7
    (begun / "config.toml").unlink()
    assert config_of(begun / folders.MODEL, None, ()) == resolve()


def test_epochs_of_other_settings_are_not_mixed(begun):
    with pytest.raises(KeyboardInterrupt):
        train_run(begun, stop)
    config = begun / "config.toml"
    config.write_text(config.read_text().replace("batch = 64", "batch = 32"))
    with pytest.raises(MismatchError, match="was made with another `training`; start afresh"):
        train_run(begun, silent)
