"""Downloads resume, are trusted only by their MD5, and fail in one line that says what to do."""

import contextlib
import hashlib
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from base.errors import DataError, FileError, MismatchError, RsnnError
from rsnn.data.fetch import BASE_URL, SESSIONS, fetch

CONTENT = np.random.default_rng(0).bytes(1_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
MD5S = {"indy_1": MD5, "loco_2": "0" * 32}


class Server(ThreadingHTTPServer):
    """Serves CONTENT as every file under /files/, as well or badly as its fields say."""

    daemon_threads = True
    honours_ranges = True
    says_size_when_416 = True
    breaks_after: int | None = None
    shifts_ranges_by = 0
    status: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/files/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.ranges.append(wanted)
        first = 0
        if server.status or not self.path.startswith("/files/"):
            self.send_error(server.status or 404)
            return
        if wanted and server.honours_ranges:
            first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) + server.shifts_ranges_by
            if first >= len(CONTENT):
                self.send_response(416)
                if server.says_size_when_416:
                    self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        end = len(CONTENT) if server.breaks_after is None else first + server.breaks_after
        with contextlib.suppress(ConnectionError):  # the client pressed Ctrl-C
            self.wfile.write(CONTENT[first:end])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "indy_1.mat.part"


def get(server: Server, folder: Path, name: str = "indy_1", **options: object) -> Path:
    return fetch(name, folder, base_url=server.url, md5s=MD5S, **options)


def message_of(server: Server, folder: Path, kind: type[RsnnError], **options: object) -> str:
    with pytest.raises(kind) as refusal:
        get(server, folder, **options)
    assert "\n" not in str(refusal.value)
    assert not list(folder.glob("*.mat"))
    return str(refusal.value).replace(server.url, "http://host/")


def test_a_session_is_downloaded_whole_and_progress_is_reported(
    server: Server, tmp_path: Path
) -> None:
    progress: list[tuple[int, int]] = []
    folder = tmp_path / "new" / "folder"
    path = get(server, folder, report=lambda done, total: progress.append((done, total)))
    assert path == folder / "indy_1.mat"
    assert path.read_bytes() == CONTENT
    assert [file.name for file in folder.iterdir()] == ["indy_1.mat"]
    assert progress[0] == (0, len(CONTENT))
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    assert len(progress) > 3
    assert progress == sorted(progress)


def test_a_broken_download_is_continued_where_it_stopped(
    server: Server, tmp_path: Path, part: Path
) -> None:
    server.breaks_after = 300_000
    assert message_of(server, tmp_path, FileError) == (
        "http://host/indy_1.mat: connection lost: 300000 of 1000000 bytes arrived; run this again"
        " to continue indy_1.mat.part"
    )
    assert part.read_bytes() == CONTENT[:300_000]
    server.breaks_after = None
    progress: list[tuple[int, int]] = []
    path = get(server, tmp_path, report=lambda done, total: progress.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert progress[0] == (300_000, len(CONTENT))
    assert not part.exists()


def test_a_server_that_ignores_ranges_starts_again(
    server: Server, tmp_path: Path, part: Path
) -> None:
    server.honours_ranges = False
    part.write_bytes(b"something else")
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_answers_with_another_range_starts_again(
    server: Server, tmp_path: Path, part: Path
) -> None:
    server.shifts_ranges_by = 7
    part.write_bytes(CONTENT[:1000])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_part_that_is_complete_is_only_checked(
    server: Server, tmp_path: Path, part: Path
) -> None:
    part.write_bytes(CONTENT)
    progress: list[tuple[int, int]] = []
    path = get(server, tmp_path, report=lambda done, total: progress.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000000-"]
    assert progress == [(len(CONTENT), len(CONTENT))]


@pytest.mark.parametrize("says_size", [True, False])
def test_a_part_that_is_too_long_is_started_again(
    server: Server, tmp_path: Path, part: Path, says_size: bool
) -> None:
    server.says_size_when_416 = says_size
    part.write_bytes(CONTENT + b"more")
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_wrong_md5_deletes_the_download_and_names_both(server: Server, tmp_path: Path) -> None:
    assert message_of(server, tmp_path, MismatchError, name="loco_2") == (
        f"http://host/loco_2.mat: MD5 {MD5}, {'0' * 32} expected; the download was deleted, fetch"
        " it again or check the address"
    )
    assert not list(tmp_path.iterdir())


def test_a_damaged_part_is_found_by_the_md5_of_the_whole(
    server: Server, tmp_path: Path, part: Path
) -> None:
    part.write_bytes(b"x" + CONTENT[1:500_000])
    message_of(server, tmp_path, MismatchError)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_right_file_is_returned_without_asking_the_server(server: Server, tmp_path: Path) -> None:
    (tmp_path / "indy_1.mat").write_bytes(CONTENT)
    assert get(server, tmp_path) == tmp_path / "indy_1.mat"
    assert server.ranges == []


def test_a_file_with_another_md5_is_replaced_only_if_told_and_by_a_right_one(
    server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "indy_1.mat"
    path.write_bytes(b"old")
    with pytest.raises(FileError, match="exists, and is not the published session; name another"):
        get(server, tmp_path)
    server.status = 500
    with pytest.raises(FileError, match="HTTP 500"):
        get(server, tmp_path, replace=True)
    assert path.read_bytes() == b"old"
    server.status = None
    assert get(server, tmp_path, replace=True).read_bytes() == CONTENT


def test_ctrl_c_keeps_the_part_for_the_next_time(
    server: Server, tmp_path: Path, part: Path
) -> None:
    def press(done: int, total: int) -> None:
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, tmp_path, report=press)
    assert [file.name for file in tmp_path.iterdir()] == [part.name]
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={kept}-"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "HTTP 404 Not Found; check the name and the address"),
        (503, "HTTP 503 Service Unavailable; the server has a problem, try again later"),
    ],
)
def test_http_errors_are_one_line(
    server: Server, tmp_path: Path, status: int, message: str
) -> None:
    server.status = status
    assert message_of(server, tmp_path, FileError) == f"http://host/indy_1.mat: {message}"


def test_a_refused_connection_is_one_line(server: Server, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert message_of(server, tmp_path, FileError) == (
            "http://host/indy_1.mat: no connection: connection refused; check the network, then"
            " run this again"
        )


def test_of_a_reason_of_several_lines_the_first_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Certificate has expired\nin the proxy\nof the site")

    monkeypatch.setattr(urllib.request, "urlopen", refused)
    with pytest.raises(FileError, match="no connection: certificate has expired; check the"):
        fetch("indy_1", tmp_path, base_url="http://127.0.0.1/", md5s=MD5S)


def test_a_server_that_falls_silent_is_one_line(server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server.url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert message_of(server, tmp_path, FileError, timeout=0.1) == (
            "http://host/indy_1.mat: connection lost: timed out; run this again to continue"
            " indy_1.mat.part"
        )


def test_an_unknown_session_is_told_its_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        fetch("indy_2016063001", tmp_path)
    assert str(refusal.value) == (
        "indy_2016063001: not a published session; did you mean indy_20160630_01? known are"
        f" {', '.join(SESSIONS)}"
    )
    with pytest.raises(DataError, match="xyz: not a published session; known are indy_20160622_01"):
        fetch("xyz", tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "folder"
    assert message_of(server, folder, FileError) == (
        f"{folder / 'indy_1.mat'}: cannot be written: not a directory; choose another folder"
    )


def test_the_published_sessions_are_neurobenchs() -> None:
    source = Path(find_spec("neurobench").origin).parent
    text = (source / "datasets" / "primate_reaching.py").read_text()
    theirs = dict(re.findall(r'"((?:indy|loco)_\d+_\d+)\.mat": "([0-9a-f]{32})"', text))
    assert theirs == SESSIONS
    assert f'url = "{BASE_URL}"' in text
