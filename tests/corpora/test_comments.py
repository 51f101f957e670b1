from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.goemotions import GROUPINGS, group_labels, read_goemotions
from ecpe_zoo.corpora.goemotions import LABELS as GOEMOTIONS_LABELS
from ecpe_zoo.corpora.isear import LABELS as ISEAR_LABELS
from ecpe_zoo.corpora.isear import isear_part, read_isear
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.corpora.splits import partition
from ecpe_zoo.errors import CorpusError, ZooError

COMMENTS = 'So "what\t27\tid1\nThanks, love it\t18,15\tid2\n  lol \t1\tid3\n'
LABELS = "".join(f"{label}\n" for label in GOEMOTIONS_LABELS)
ISEAR_COLUMNS = ("ID", "EMOT", "INTS", "Field1", "MYKEY", "SIT", "STATE", "")


@pytest.fixture
def comments(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, labels: str = LABELS) -> Path:
        (tmp_path / "labels.txt").write_text(labels)
        path = tmp_path / "file.tsv"
        path.write_bytes(text.encode(errors="surrogateescape"))
        return path

    return write


def test_goemotions_gives_exact_documents(comments: Callable[[str], Path]) -> None:
    assert read_goemotions(comments(COMMENTS)).documents == (
        Document("id1", (Segment('So "what', emotions=("neutral",)),), language="en"),
        Document("id2", (Segment("Thanks, love it", emotions=("gratitude", "love")),), language="en"),
        Document("id3", (Segment("lol", emotions=("amusement",)),), language="en"),
    )
    reading = read_goemotions(comments(COMMENTS.replace("  lol ", "  ")))
    assert (len(reading.documents), reading.counts) == (2, {"empty_documents": 1})


@pytest.mark.parametrize(
    ("old", "new", "line", "expected", "found"),
    [
        ("18,15", "18,28", 2, "label numbers from 0 to 27", "'18,28'"),
        ("18,15", "18,,15", 2, "label numbers", "'18,,15'"),
        ("18,15", "love", 2, "admiration, amusement", "'love'"),
        ("18,15", "-1", 2, "label numbers", "'-1'"),
        ("\tid2", "", 2, "3 fields", "2"),
        ("\tid2", "\tid2\t", 2, "3 fields", "4"),
        ("\tid2", "\t ", 2, "a comment id", "an empty field"),
        ("id3", "id1", 3, "every id once", "id1 again, as in line 1"),
        ("lol", "l\udcffl", 3, "UTF-8 text", "0xff"),
    ],
)
def test_malformed_comments_are_named(
    comments: Callable[[str], Path], old: str, new: str, line: int, expected: str, found: str
) -> None:
    path = comments(COMMENTS.replace(old, new))
    with pytest.raises(CorpusError) as caught:
        read_goemotions(path)
    assert caught.value.line == line
    assert expected in caught.value.expected
    assert found in caught.value.found
    reading = read_goemotions(path, on_error="skip")
    assert (len(reading.documents), reading.counts) == (2, {"skipped_documents": 1})


def test_labels_beside_comments_must_be_those_of_the_corpus(comments: Callable[..., Path]) -> None:
    with pytest.raises(CorpusError, match=r"labels.txt: expected the labels admiration, .* got joy, anger"):
        read_goemotions(comments(COMMENTS, "joy\nanger\n"))
    with pytest.raises(CorpusError, match=r"labels.txt:2: expected every label once"):
        read_goemotions(comments(COMMENTS, "joy\njoy\n"))
    with pytest.raises(CorpusError, match=r"labels.txt:2: expected a label"):
        read_goemotions(comments(COMMENTS, "joy\n\nanger\n"))
    path = comments(COMMENTS)
    (path.parent / "labels.txt").unlink()
    with pytest.raises(CorpusError, match="no such file"):
        read_goemotions(path)


def test_groupings_cover_every_label_once() -> None:
    for groups in GROUPINGS.values():
        assert sorted(label for labels in groups.values() for label in labels) == sorted(GOEMOTIONS_LABELS)


def test_groups_take_the_place_of_labels() -> None:
    strong = Segment(
        "a", emotions=("love", "anger", "joy"), intensities={"love": 3.0, "joy": 7.0, "fear": 1.0}
    )
    plain = Segment("b", judged=False)
    ekman, sentiment = (
        group_labels([Document("1", (strong, plain))], kind)[0] for kind in ("ekman", "sentiment")
    )  # type: ignore[arg-type]
    assert ekman.segments[0].emotions == ("anger", "joy")
    assert ekman.segments[0].intensities == {"joy": 7.0, "fear": 1.0}
    assert sentiment.segments[0].emotions == ("positive", "negative")
    assert ekman.segments[1] == plain
    with pytest.raises(ZooError, match=r"expected labels of GoEmotions .* but got 'rage'"):
        group_labels([Document("1", (Segment("a", emotions=("rage",)),))], "ekman")
    with pytest.raises(ZooError, match="a grouping to be one of: ekman, sentiment"):
        group_labels([], "none")  # type: ignore[arg-type]


def isear(rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(["|".join(ISEAR_COLUMNS), *("|".join((*row, "1", "")) for row in rows)]) + "\n"


def test_isear_gives_exact_documents(tmp_path: Path) -> None:
    rows = [
        ("11001", "1", "4", "joy", "k1", "When we met and á especially later. á"),
        ("11001", "3", "0", "anger", "k2", 'A \\big\\" row á|with him."'),
        ("11001", "2", "1", "fear", "k3", "[ No response.]"),
        ("11001", "2", "1", "fear", "k4", " "),
        ("11001", "7", "2", "guilt", "k5", "I do not remember his name, " + "and I went there " * 6),
    ]
    (tmp_path / "isear.csv").write_text(isear(rows))
    reading = read_isear(tmp_path / "isear.csv")
    assert reading.documents[:2] == (
        Document(
            "k1",
            (Segment("When we met and especially later.", emotions=("joy",), reported={"joy": 10.0}),),
            language="en",
        ),
        Document("k2", (Segment('A "big" row with him.', emotions=("anger",)),), language="en"),
    )
    assert [d.id for d in reading.documents] == ["k1", "k2", "k5"]
    assert reading.counts == {
        "mended_texts": 2,
        "no_response": 1,
        "empty_documents": 1,
        "intensity_not_reported": 1,
    }


@pytest.mark.parametrize(
    ("row", "expected", "found"),
    [
        (("11001", "9", "4", "joy", "k2", "text"), "the number of joy in column EMOT", "9"),
        (("11001", "1", "5", "joy", "k2", "text"), "a number from 0 to 4 in column INTS", "5"),
        (("11001", "1", "x", "joy", "k2", "text"), "a number in column INTS", "'x'"),
        (("11001", "1", "4", "glee", "k2", "text"), ", ".join(ISEAR_LABELS), "'glee'"),
        (("11001", "1", "4", "joy", "", "text"), "the key of a report", "an empty field"),
        (("11001", "1", "4", "joy", "k1", "text"), "every id once", "as in line 2"),
        (("11001", "1"), "5 fields, the report, and |1| at the end", "4 fields"),
    ],
)
def test_malformed_reports_are_named(tmp_path: Path, row: Any, expected: str, found: str) -> None:
    (tmp_path / "isear.csv").write_text(isear([("11001", "1", "4", "joy", "k1", "text"), row]))
    with pytest.raises(CorpusError) as caught:
        read_isear(tmp_path / "isear.csv")
    assert caught.value.line == 3
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert read_isear(tmp_path / "isear.csv", "skip", part="train").counts == {"skipped_documents": 1}


def test_isear_needs_its_header(tmp_path: Path) -> None:
    for text in ("", "a|b\n"):
        (tmp_path / "isear.csv").write_text(text)
        with pytest.raises(CorpusError, match="expected a header with the columns ID, EMOT"):
            read_isear(tmp_path / "isear.csv")


def labels_of(documents: tuple[Document, ...]) -> Counter[str]:
    return Counter(label for d in documents for label in d.segments[0].emotions)


def test_real_goemotions(real_data: Callable[[str], Path]) -> None:
    started = time.perf_counter()
    corpus = load_corpus("goemotions", real_data("goemotions"))
    parts = partition(corpus)
    seconds = time.perf_counter() - started
    assert (len(corpus.train), len(corpus.validation or ()), len(corpus.test)) == (43410, 5426, 5427)
    trained = labels_of(corpus.train)
    assert (trained["neutral"], trained["grief"], trained["admiration"]) == (14219, 77, 4130)
    assert Counter(len(d.segments[0].emotions) for d in corpus.train) == {
        1: 36308,
        2: 6541,
        3: 532,
        4: 28,
        5: 1,
    }
    assert set(corpus.files) == {"train.tsv", "dev.tsv", "test.tsv", "labels.txt"}
    assert len(parts.twins_left_out) == 143
    assert len(parts.test) == 5427
    assert seconds < 30, f"reading and splitting took {seconds:.1f} s, a few are normal"


@pytest.mark.parametrize(
    ("name", "trained", "tested"),
    [
        ("goemotions-ekman", {"joy": 17410, "neutral": 14219, "fear": 726}, {"anger": 726, "disgust": 123}),
        ("goemotions-sentiment", {"positive": 17410, "negative": 9839}, {"ambiguous": 677, "neutral": 1787}),
    ],
)
def test_real_groups(
    real_data: Callable[[str], Path], name: str, trained: dict[str, int], tested: dict[str, int]
) -> None:
    corpus = load_corpus(name, real_data("goemotions"))
    assert trained.items() <= labels_of(corpus.train).items()
    assert tested.items() <= labels_of(corpus.test).items()
    assert set(labels_of(corpus.test)) == set(corpus.labels)


def test_real_isear(real_data: Callable[[str], Path]) -> None:
    corpus = load_corpus("isear", real_data("isear"))
    parts = (corpus.train, corpus.validation or (), corpus.test)
    assert [len(part) for part in parts] == [6100, 713, 706]
    assert labels_of(sum(parts, ())) == {
        "joy": 1088,
        "fear": 1082,
        "anger": 1086,
        "sadness": 1080,
        "disgust": 1070,
        "shame": 1054,
        "guilt": 1059,
    }
    counted = {part: corpus.counts[f"{part}/no_response"] for part in ("train", "validation", "test")}
    assert sum(counted.values()) == 147 == 7666 - 7519
    assert sum(d.segments[0].reported is None for part in parts for d in part) == 56
    texts = " ".join(d.segments[0].text for part in parts for d in part)
    assert not set("á|\\÷") & set(texts)
    assert Counter(isear_part(str(number)) for number in range(1000)).most_common(1)[0][0] == "train"
