from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ecpe_zoo.corpora.corpus import PinnedFile
from ecpe_zoo.corpora.fetch import ATTEMPTS, fetch_file, file_url, git_blob_id, mirror_base
from ecpe_zoo.corpora.registry import CORPORA
from ecpe_zoo.errors import ZooError

CONTENT = bytes(range(256)) * 1200  # several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
FILE = PinnedFile("file.bin", "data/file.bin", len(CONTENT), SHA256, BLOB)
CORPUS = replace(CORPORA["ecf"], id="made-up", repository="who/what", commit="c0ffee")


@dataclass
class Site:
    """A local server and how it behaves."""

    url: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # how many bytes the next answers stop after
    statuses: list[int] = field(default_factory=list)  # what the next answers say in place of the file
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    pause: float = 0.0  # seconds in the middle of an answer


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if start >= len(state.content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                last = len(state.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(state.content)}")
            self.send_header("Content-Length", str(len(state.content) - start))
            self.end_headers()
            stop = start + state.cuts.pop(0) if state.cuts else len(state.content)
            middle = (start + stop) // 2
            self.wfile.write(state.content[start:middle])
            time.sleep(state.pause)
            self.wfile.write(state.content[middle:stop])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/base/"
        yield state
        server.shutdown()
        thread.join()


def fetch(site: Site, folder: Path, file: PinnedFile = FILE, force: bool = False) -> bool:
    return fetch_file(CORPUS, file, folder, mirror=site.url, force=force, pause=0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_once(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert fetch_file(
        CORPUS, FILE, tmp_path / "a", mirror=site.url, progress=lambda done, total: seen.append((done, total))
    )
    assert (tmp_path / "a" / "file.bin").read_bytes() == CONTENT
    assert names(tmp_path / "a") == ["file.bin"]
    assert site.asked == [("/base/who/what/c0ffee/data/file.bin", None)]
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 3
    assert not fetch(site, tmp_path / "a")
    assert len(site.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_is_taken_up_again(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.cuts, site.ranges = [70_000, 50_000], ranges
    assert fetch(site, tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    second = 70_000
    assert site.asked[1][1] == f"bytes={second}-"
    assert len(site.asked) == 3


@pytest.mark.parametrize("ranges", [True, False])
def test_an_earlier_part_is_gone_on_with(site: Site, tmp_path: Path, ranges: bool) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    site.ranges = ranges
    assert fetch(site, tmp_path)
    assert site.asked == [("/base/who/what/c0ffee/data/file.bin", "bytes=1000-")]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("length", [1000, len(CONTENT), len(CONTENT) + 5])
@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_part_of_another_file_does_no_harm(
    site: Site, tmp_path: Path, length: int, size: int | None
) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * length)
    assert fetch(site, tmp_path, replace(FILE, bytes=size))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["file.bin"]


def test_a_complete_part_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch_file(CORPUS, FILE, tmp_path, mirror="http://127.0.0.1:9", pause=0)
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("locks", [True, False])
def test_two_downloads_into_one_folder(
    site: Site, tmp_path: Path, locks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them said that all was checked while the other went on writing into the renamed file."""
    if not locks:  # as on a network file system
        monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError("no locks")))
    site.pause = 0.2
    with ThreadPoolExecutor(2) as both:
        fetched = list(both.map(lambda _: fetch(site, tmp_path), range(2)))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["file.bin"]
    if locks:
        assert sorted(fetched) == [False, True]
        assert len(site.asked) == 1


@pytest.mark.parametrize("by_blob", [False, True])
def test_wrong_content_is_not_kept(site: Site, tmp_path: Path, by_blob: bool) -> None:
    site.content = CONTENT[:-1] + b"!"
    file = replace(FILE, sha256=None, bytes=None) if by_blob else FILE
    with pytest.raises(ZooError, match=r"expected (sha256|git blob id) \w+, but got \w+\. Nothing was kept"):
        fetch(site, tmp_path, file)
    assert names(tmp_path) == []


def test_a_git_blob_id_is_enough(site: Site, tmp_path: Path) -> None:
    assert fetch(site, tmp_path, replace(FILE, sha256=None, bytes=None))
    assert git_blob_id(tmp_path / "file.bin") == BLOB


def test_an_altered_file_is_told_and_replaced_only_by_force(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(ZooError, match="altered; replace it with --force"):
        fetch(site, tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert fetch(site, tmp_path, force=True)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_refusal_is_final_and_says_what_to_put_where(site: Site, tmp_path: Path) -> None:
    site.statuses = [404] * 9
    with pytest.raises(ZooError) as caught:
        fetch(site, tmp_path)
    assert len(site.asked) == 1
    message = str(caught.value)
    public = "https://raw.githubusercontent.com/who/what/c0ffee/data/file.bin"
    for part in ("404", public, SHA256, str(tmp_path / "file.bin"), "ECPE_ZOO_MIRROR", "--root"):
        assert part in message


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429]
    assert fetch(site, tmp_path)
    assert len(site.asked) == 3
    site.statuses = [500] * 9
    with pytest.raises(ZooError, match=rf"500 .*\({ATTEMPTS} attempts\)"):
        fetch(site, tmp_path / "other")


@pytest.mark.parametrize("mirror", ["http://127.0.0.1:9", "nonsense"])
def test_no_server_at_all(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(ZooError, match="Without a network: get https://"):
        fetch_file(CORPUS, FILE, tmp_path, mirror=mirror, pause=0)


def test_a_folder_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="Could not write into"):
        fetch(site, tmp_path / "file" / "sub")


def test_the_mirror_is_an_option_or_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECPE_ZOO_MIRROR", raising=False)
    assert file_url(CORPUS, FILE).startswith("https://raw.githubusercontent.com/who/what/c0ffee/")
    monkeypatch.setenv("ECPE_ZOO_MIRROR", "http://mirror/a/")
    assert mirror_base() == "http://mirror/a"
    assert mirror_base("http://other") == "http://other"
