"""Intensities in a file of their own, read back as labels of their corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.relabelled import read_intensities, with_intensities, write_intensities
from ecpe_zoo.errors import CorpusError, ZooError

DOCUMENTS = [
    Document("a", (Segment("Thanks", emotions=("joy",)),), language="en"),
    Document("b", (Segment("Before", judged=False), Segment("Oh no", emotions=("fear",)))),
]
ROWS = {("a", 0): {"joy": 10.0, "fear": 0.25}, ("b", 1): {"fear": 10.0, "joy": 0.0}}


def test_what_is_written_is_read_back_as_labels(tmp_path: Path) -> None:
    path = tmp_path / "relabelled.jsonl"
    write_intensities(path, ROWS)
    assert path.read_text(encoding="utf-8").splitlines() == [
        '{"id": "a", "segment": 0, "intensities": {"joy": 10.0, "fear": 0.25}}',
        '{"id": "b", "segment": 1, "intensities": {"fear": 10.0}}',
    ]
    first, second = with_intensities(DOCUMENTS, read_intensities(path), ["fear", "joy"])
    assert first.segments[0].intensities == {"joy": 10.0, "fear": 0.25}
    assert first.segments[0].emotions == ("joy",)
    assert [segment.intensities for segment in second.segments] == [None, {"fear": 10.0}]
    assert not list(tmp_path.glob(".*"))


def test_a_document_without_intensities_and_a_strange_label_are_told() -> None:
    with pytest.raises(ZooError, match="1 have none: b"):
        with_intensities(DOCUMENTS, {("a", 0): {"joy": 10.0}})
    with pytest.raises(ZooError, match="got also grief"):
        with_intensities(DOCUMENTS, ROWS | {("z", 0): {"grief": 1.0}}, ["fear", "joy"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", ":2"),
        ('{"id": "b"}', "segment"),
        ('{"id": "b", "segment": 0, "intensities": ["joy"]}', "AttributeError"),
        ('{"id": "b", "segment": 0, "intensities": {"joy": 10.5}}', "from 0.0 to 10.0"),
        ('{"id": "b", "segment": 0, "intensities": {"joy": NaN}}', "from 0.0 to 10.0"),
        ('{"id": "a", "segment": 0, "intensities": {}}', "again"),
    ],
)
def test_each_malformed_line_raises_with_its_number(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "relabelled.jsonl"
    path.write_text('{"id": "a", "segment": 0, "intensities": {}}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=message) as raised:
        read_intensities(path)
    assert "relabelled.jsonl:2" in str(raised.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such file"):
        read_intensities(tmp_path / "none.jsonl")
