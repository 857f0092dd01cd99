"""The harm itself: disks after power cuts, judgements of files, and mutations by seed."""

import os
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest
from harm.judge import Plain, versions
from harm.mutate_hdf5 import mutate_hdf5, resealed
from harm.mutate_text import mutate_text
from harm.power import Disk, cuts, not_durable
from harm.shim import Change

from base.container import create_container, read_label
from base.errors import FileError

ROOT = Path("/r")
NEW, OLD = b"new", b"old"
COPY = [
    Change("o", "/r/.a", "", os.O_TRUNC, b""),
    Change("w", "/r/.a", "", 0, NEW),
    Change("s", "/r/.a", "", 0, b""),
    Change("m", "/r/.a", "/r/a", 0, b""),
    Change("s", "/r", "", 0, b""),
]


def plain(changes):
    """A command that replaces `a` by these changes."""
    return Plain({"a": OLD}, {"a": NEW}, changes, 0.0, {"a": {OLD, NEW}}, ROOT)


def test_a_file_that_is_synced_renamed_and_whose_folder_is_synced_survives_every_cut():
    assert not list(cuts(plain(COPY)))
    assert not not_durable(plain(COPY))


def test_a_rename_before_the_sync_of_its_bytes_can_leave_an_empty_file():
    late = Change("s", "/r/a", "", 0, b"")
    found = list(cuts(plain([COPY[0], COPY[1], COPY[3], late, COPY[4]])))
    assert {cut.disk for cut in found} == {"names", "alone a"}
    assert all(cut.torn == ["a"] and cut.after == 3 for cut in found)


def test_a_rename_without_a_sync_of_its_folder_can_be_taken_back():
    assert not list(cuts(plain(COPY[:4])))
    assert not_durable(plain(COPY[:4])) == ["a"]


def test_a_file_that_is_written_in_place_can_be_torn_by_a_kill():
    changes = [
        Change("o", "/r/a", "", os.O_TRUNC, b""),
        Change("w", "/r/a", "", 0, NEW),
        Change("s", "/r/a", "", 0, b""),
    ]
    assert {cut.disk for cut in cuts(plain(changes))} == {"kept"}


def test_a_disk_follows_truncation_links_and_removal():
    disk = Disk.of({"a": b"12345"})
    disk.apply(Change("t", "/r/a", "", 2, b""), ROOT)
    disk.apply(Change("h", "/r/a", "/r/b", 0, b""), ROOT)
    disk.apply(Change("l", "/r/c", "a", 0, b""), ROOT)
    disk.apply(Change("u", "/r/a", "", 0, b""), ROOT)
    assert dict(disk.images())["kept"] == {"b": b"12", "c": b"-> a"}
    assert dict(disk.images())["bytes"] == {"a": b"12345"}


def test_a_model_that_is_gone_under_every_name_is_lost():
    run = Plain({"m.h5": OLD}, {"m.h5": NEW, "kept.h5": OLD}, [], 0.0, {}, ROOT)
    assert run.lost({"m.h5": NEW}) == ["m.h5"]  # its name is there, its content is not
    assert run.lost({"kept.h5": OLD}) == ["m.h5"]
    assert run.lost({"m.h5": NEW, "kept.h5": OLD}) == []
    assert run.lost({"m.h5": OLD}) == []


@pytest.mark.parametrize("change", [mutate_text, mutate_hdf5, resealed(mutate_hdf5)])
def test_a_mutation_is_made_by_its_seed_alone(tmp_path, change):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.arange(9), track_times=False)
    data = path.read_bytes()
    made = [[change(data, Random(seed)) for seed in range(20)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 5


def test_a_container_sealed_anew_is_opened_where_it_was_refused(tmp_path):
    path = tmp_path / "x.h5"
    with create_container(path, format="f", digest="d", provenance={}) as file:
        file["a"] = np.arange(9)
    data = path.read_bytes()

    def edited(whole: bytes, random: Random) -> bytes:
        at = whole.rindex(np.arange(9).tobytes())
        return whole[:at] + b"\x05" + whole[at + 1 :]

    path.write_bytes(edited(data, Random(0)))
    with pytest.raises(FileError, match="checksum"):
        read_label(path)
    path.write_bytes(resealed(edited)(data, Random(0)))
    assert read_label(path).digest == "d"


def test_a_removal_is_on_the_disk_once_its_folder_is_synced():
    disk = Disk.of({"f/a": OLD, "b": OLD})
    disk.apply(Change("u", "/r/f/a", "", 0, b""), ROOT)
    disk.apply(Change("s", "/r", "", 0, b""), ROOT)
    assert dict(disk.images())["bytes"] == {"f/a": OLD, "b": OLD}
    disk.apply(Change("s", "/r/f", "", 0, b""), ROOT)
    assert dict(disk.images())["bytes"] == {"b": OLD}


def test_a_model_that_the_command_itself_replaces_is_not_lost():
    run = Plain({"m.h5": OLD}, {"m.h5": NEW}, [], 0.0, {}, ROOT)
    assert run.lost({"m.h5": NEW}) == []


def test_a_disk_follows_writes_in_the_middle_and_renames():
    disk = Disk.of({"a": b"12345"})
    disk.apply(Change("w", "/r/a", "", 1, b"xy"), ROOT)
    disk.apply(Change("m", "/r/a", "/r/b", 0, b""), ROOT)
    assert dict(disk.images())["kept"] == {"b": b"1xy45"}


def test_a_folder_that_is_renamed_is_there_once_the_folder_around_it_is_synced():
    """What was on the disk below its old name is then below the new one."""
    disk = Disk.of({})
    disk.apply(Change("o", "/r/.a/x", "", os.O_TRUNC, b""), ROOT)
    disk.apply(Change("w", "/r/.a/x", "", 0, NEW), ROOT)
    disk.apply(Change("s", "/r/.a/x", "", 0, b""), ROOT)
    disk.apply(Change("s", "/r/.a", "", 0, b""), ROOT)
    disk.apply(Change("m", "/r/.a", "/r/a", 0, b""), ROOT)
    assert dict(disk.images())["kept"] == {"a/x": NEW}
    assert dict(disk.images())["bytes"] == {".a/x": NEW}
    disk.apply(Change("s", "/r", "", 0, b""), ROOT)
    assert dict(disk.images())["bytes"] == {"a/x": NEW}


def test_the_files_of_a_folder_that_is_renamed_are_known_below_its_new_name():
    changes = [
        Change("o", "/r/.a/x.json", "", os.O_TRUNC, b""),
        Change("w", "/r/.a/x.json", "", 0, b"of /r"),
        Change("m", "/r/.a", "/r/a", 0, b""),
    ]
    assert versions({}, changes, ROOT) == {"a/x.json": {b"of ROOT"}}
