"""Download one of the published sessions, resumably, and trust it only when its MD5 is right."""

import difflib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from base.errors import DataError, FileError, MismatchError

BASE_URL = "https://zenodo.org/record/583331/files/"
TIMEOUT = 30.0  # s without a byte
_BLOCK = 1 << 18  # bytes read at a time

SESSIONS = {
    "indy_20160622_01": "c33d5fff31320d709d23fe445561fb6e",
    "indy_20160630_01": "197413a5339630ea926cbd22b8b43338",
    "indy_20170131_02": "2790b1c869564afaa7772dbf9e42d784",
    "loco_20170210_03": "4cae63b58c4cb9c8abd44929216c703b",
    "loco_20170215_02": "739b70762d838f3a1f358733c426bb02",
    "loco_20170301_05": "47342da09f9c950050c9213c3df38ea3",
}


def fetch(
    name: str,
    folder: Path,
    *,
    base_url: str = BASE_URL,
    report: Callable[[int, int], None] | None = None,
    md5s: Mapping[str, str] = SESSIONS,
    timeout: float = TIMEOUT,
    replace: bool = False,
) -> Path:
    """Download `<name>.mat` into `folder` and return its path.

    Bytes go to `<name>.mat.part`, which survives a broken connection or Ctrl-C and is continued by
    the next call; it gets its final name once its MD5 is right. A file already there with the right
    MD5 is returned at once.

    Args:
        name: a published session.
        folder: created if missing.
        base_url: URL of the folder with `<name>.mat`.
        report: called with the bytes done and the bytes in all (0 if the server does not say).
        md5s: of the known sessions.
        timeout: s to wait for a server that is silent.
        replace: overwrite a file already there with another MD5.

    Raises:
        DataError: an unknown session.
        FileError: no connection, an HTTP error, a folder that cannot be written, or a file that is
            not to be overwritten.
        MismatchError: the file's MD5 is wrong; the download is deleted.
    """
    if name not in md5s:
        raise DataError(_unknown(name, md5s))
    target = Path(folder) / f"{name}.mat"
    part = target.with_name(target.name + ".part")
    url = f"{base_url.rstrip('/')}/{target.name}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            if md5_of(target) == md5s[name]:
                return target
            if not replace:
                raise FileError(
                    f"{target}: exists, and is not the published session; name another folder, or"
                    " overwrite it with `force`"
                )
        _download(url, part, report or (lambda done, total: None), timeout)
        found = md5_of(part)
        if found != md5s[name]:
            part.unlink()
            raise MismatchError(
                f"{url}: MD5 {found}, {md5s[name]} expected; the download was deleted, fetch it"
                " again or check the address"
            )
        os.replace(part, target)
    except OSError as error:
        raise FileError(_why_not_written(target, error)) from error
    return target


def md5_of(path: Path) -> str:
    """Return the MD5 of a file in hexadecimal, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, _md5).hexdigest()


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)  # guards against damage, not against malice


def _download(url: str, part: Path, report: Callable[[int, int], None], timeout: float) -> None:
    """Continue or start `part` until it holds all that the server has."""
    done = part.stat().st_size if part.exists() else 0
    try:
        response = _open(url, done, timeout)
        if response is None:
            report(done, done)
            return
        with response:
            done = _first_byte(response)
            total = done + int(response.headers.get("Content-Length") or 0)
            with open(part, "ab" if done else "wb") as stream:
                report(done, total)
                while block := response.read(_BLOCK):
                    stream.write(block)
                    done += len(block)
                    report(done, total)
    except urllib.error.HTTPError as error:
        error.close()
        way_out = (
            "check the name and the address"
            if error.code < 500
            else "the server has a problem, try again later"
        )
        raise FileError(f"{url}: HTTP {error.code} {error.reason}; {way_out}") from error
    except urllib.error.URLError as error:
        raise FileError(
            f"{url}: no connection: {_reason(error.reason)}; check the network, then run this again"
        ) from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise FileError(_lost(url, part, _reason(error))) from error
    if done < total:
        raise FileError(_lost(url, part, f"{done} of {total} bytes arrived"))


def _open(url: str, done: int, timeout: float) -> http.client.HTTPResponse | None:
    """Ask for `url` from byte `done` on; None when those bytes are all that there are."""
    # A range counts the bytes on their way, and those must be the file's, so never compressed.
    headers = {"Accept-Encoding": "identity", "User-Agent": "rsnnctl"}
    if done:
        headers["Range"] = f"bytes={done}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{done}":
            return None
        return _open(url, 0, timeout)
    if done and _first_byte(response) not in (0, done):  # other bytes are of no use
        response.close()
        return _open(url, 0, timeout)
    return response


def _first_byte(response: http.client.HTTPResponse) -> int:
    """Return where in the file the response starts: 0 for a server that ignores ranges."""
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return 0
    unit, _, span = response.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else -1


def _unknown(name: str, md5s: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name, md5s, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{name}: not a published session; {hint}known are {', '.join(md5s)}"


def _lost(url: str, part: Path, why: str) -> str:
    return f"{url}: connection lost: {why}; run this again to continue {part.name}"


def _why_not_written(target: Path, error: OSError) -> str:
    return f"{target}: cannot be written: {_reason(error)}; choose another folder"


def _reason(error: object) -> str:
    """Return the words of an error in one line, without its number."""
    return (
        (getattr(error, "strerror", None) or str(error) or type(error).__name__)
        .splitlines()[0]
        .lower()
    )
