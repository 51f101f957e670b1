from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.synthesis.narratives import Narrative, passages, read_narratives


def test_lines_and_folders(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(
        '\ufeff{"id": "a", "text": " one ", "more": 1}\n\n{"id": 2, "text": "two"}', encoding="utf-8"
    )
    assert list(read_narratives(file)) == [Narrative("a", "one"), Narrative("2", "two")]
    folder = tmp_path / "stories"
    (folder / "old").mkdir(parents=True)
    (folder / "b.txt").write_text("B\n")
    (folder / "old" / "a.txt").write_text("A")
    assert list(read_narratives(folder)) == [Narrative("b", "B"), Narrative("old/a", "A")]
    assert list(read_narratives(folder / "b.txt")) == [Narrative("b", "B")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{broken", "a JSON object (expecting property name enclosed in double quotes), but got '{broken'"),
        (b"[1]", "a JSON object, but got '[1]'"),
        (b"[" * 100_000, "a JSON object (fewer brackets in each other)"),
        (b'{"id": 1, "text": "a", "more": ' + b"9" * 5000 + b"}", "a number of at most 4,300 digits"),
        (b'{"id": 1, "text": "\\ud800 Once"}', "whole characters"),
        (b'{"id": 1, "text": "a\x00"}', "a JSON object (invalid control character at)"),
        (b'{"id": 1}', "but got no 'text' among: id"),
        (b"{}", "but got no 'id' among: no fields"),
        (b'{"id": true, "text": "a"}', "a text or an integer as 'id', but got True"),
        (b'{"id": 1, "text": "  "}', "a text that is not empty as 'text', but got '  '"),
        (b'{"id": "a", "text": "a"}', "every id once, but got 'a' again, as in line 1"),
        (b'{"id": 1, "text": "\xff"}', "UTF-8 text, but got the byte 0xff at column 20"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, line: bytes, told: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "a", "text": "one"}\n' + line + b"\n")
    with pytest.raises(CorpusError) as caught:
        list(read_narratives(path))
    assert str(caught.value).startswith(f"{path}:2: expected")
    assert told in str(caught.value)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="found nothing there"):
        list(read_narratives(tmp_path / "none"))
    with pytest.raises(ZooError, match=r"Expected \.txt files"):
        list(read_narratives(tmp_path))
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(CorpusError, match="an empty file"):
        list(read_narratives(tmp_path / "a.jsonl"))
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(CorpusError, match="an empty file"):
        list(read_narratives(tmp_path))


@given(st.text(alphabet="ab .\n。", max_size=80), st.integers(1, 20))
def test_passages_hold_the_whole_text_and_keep_the_limit(text: str, longest: int) -> None:
    found = passages(text, longest)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(part.strip() and len(part) <= longest for part in found)
