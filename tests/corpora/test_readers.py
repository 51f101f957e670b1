from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.ecf import read_ecf
from ecpe_zoo.corpora.readers.lines import Reader
from ecpe_zoo.corpora.reccon import read_reccon
from ecpe_zoo.corpora.xia_ding import clause_reader, read_english, read_xia_ding
from ecpe_zoo.errors import CorpusError

XIA_DING = """\
1 3
 (2,1), (2,1), (3,1)
1,null,null,他 丢 了 钱包
2,sadness&anger,难过&气,他 难过 又 气
3,fear,怕,还 有点 怕, 真 的
2 1
 (1,1)
1,happiness,高兴,中奖 让 他 高兴
30 2

1,null,null,今天 下雨
2,null,null,没有 人 高兴
"""
ECF = """\
1 2
(2,1),(2,2)
1 | Ann | neutral | We won , didn't we ? | S1E1: 0
2 | Bob | joy | Great ! | S1E1: 1
2 1

1 | All | neutral | Hello . | S1E1: 2
3 2
(1,2)
1 | Ann | surprise | Oh ! | S1E1: 3
2 | Bob | neutral | A cat . | S1E1: 4
"""


def utterance(
    turn: int, emotion: str = "neutral", text: str = "Yes .", evidence: Any = None
) -> dict[str, Any]:
    bare = {"turn": turn, "speaker": "AB"[turn % 2], "utterance": text, "emotion": emotion}
    return bare if evidence is None else {**bare, "expanded emotion cause evidence": evidence}


RECCON = {
    "tr_1": [
        [utterance(1, "happy", "I won !", [1, 1, "b"]), utterance(2, "surprise", "Really ?", [1, 3, 2])]
    ],
    "tr_2": [[utterance(1)]],
    "tr_3": [[utterance(1, "anger", "Stop .", [2]), utterance(2)]],
}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_xia_ding_gives_exact_documents(tmp_path: Path) -> None:
    reading = read_xia_ding(written(tmp_path, XIA_DING))
    assert reading.documents == (
        Document(
            "1",
            (
                Segment("他 丢 了 钱包"),
                Segment("他 难过 又 气", emotions=("sadness", "anger"), keyword="难过&气"),
                Segment("还 有点 怕, 真 的", emotions=("fear",), keyword="怕"),
            ),
            frozenset({(1, 0), (2, 0)}),
            "zh",
        ),
        Document(
            "2",
            (Segment("中奖 让 他 高兴", emotions=("happiness",), keyword="高兴"),),
            frozenset({(0, 0)}),
            "zh",
        ),
        Document("30", (Segment("今天 下雨"), Segment("没有 人 高兴")), frozenset(), "zh"),
    )
    assert reading.counts == {"annotated_pairs": 4, "duplicate_pairs": 1}
    assert {document.language for document in read_english(tmp_path / "file.txt").documents} == {"en"}


def test_a_comma_after_the_pairs_is_allowed(tmp_path: Path) -> None:
    text = XIA_DING.replace(" (2,1), (2,1), (3,1)", " (2, 1),(2, 1),(3, 1),")
    assert read_xia_ding(written(tmp_path, text)) == read_xia_ding(written(tmp_path, XIA_DING))
    for wrong in (" (1,1),,", " ,", " , (1,1)"):
        with pytest.raises(CorpusError, match=r":7: expected pairs of clause numbers"):
            read_xia_ding(written(tmp_path, XIA_DING.replace(" (1,1)", wrong)))


def test_documents_that_are_known_to_be_malformed_are_left_out(tmp_path: Path) -> None:
    reader = clause_reader("zh", malformed=("2",))
    path = written(tmp_path, XIA_DING.replace(" (1,1)", " (1,2), (1,1)"))
    reading = reader(path)
    assert [document.id for document in reading.documents] == ["1", "30"]
    assert reading.counts == {"annotated_pairs": 3, "duplicate_pairs": 1, "known_malformed": 1}
    assert reader(written(tmp_path, XIA_DING)) == read_xia_ding(written(tmp_path, XIA_DING))
    with pytest.raises(CorpusError, match=r":2: expected pairs within"):  # any other is still an error
        reader(written(tmp_path, XIA_DING.replace("1 3\n (2,1)", "1 3\n (9,1)")))


def test_ecf_gives_exact_documents(tmp_path: Path) -> None:
    reading = read_ecf(written(tmp_path, ECF))
    assert reading.documents == (
        Document(
            "1",
            (Segment("We won , didn't we ?", "Ann", ("neutral",)), Segment("Great !", "Bob", ("joy",))),
            frozenset({(1, 0), (1, 1)}),
            "en",
        ),
        Document("2", (Segment("Hello .", "All", ("neutral",)),), frozenset(), "en"),
        Document(
            "3",
            (Segment("Oh !", "Ann", ("surprise",)), Segment("A cat .", "Bob", ("neutral",))),
            frozenset({(0, 1)}),
            "en",
        ),
    )


@pytest.mark.parametrize("indent", [None, 4])
def test_reccon_gives_exact_documents_and_counts_what_is_no_utterance(
    tmp_path: Path, indent: int | None
) -> None:
    reading = read_reccon(written(tmp_path, json.dumps(RECCON, indent=indent)))
    assert reading.documents == (
        Document(
            "tr_1",
            (Segment("I won !", "B", ("happiness",)), Segment("Really ?", "A", ("surprise",))),
            frozenset({(0, 0), (1, 0), (1, 1)}),
            "en",
        ),
        Document("tr_2", (Segment("Yes .", "B", ("neutral",)),), frozenset(), "en"),
        Document(
            "tr_3",
            (Segment("Stop .", "B", ("anger",)), Segment("Yes .", "A", ("neutral",))),
            frozenset({(0, 1)}),
            "en",
        ),
    )
    assert reading.counts == {
        "annotated_pairs": 5,
        "duplicate_pairs": 1,
        "background_causes": 1,
        "outside_causes": 1,
        "respelled_emotions": 1,
    }


def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path) -> None:
    plain = read_xia_ding(written(tmp_path, XIA_DING))
    assert (
        read_xia_ding(written(tmp_path, b"\xef\xbb\xbf" + XIA_DING.replace("\n", "\r\n").encode())) == plain
    )
    assert read_xia_ding(written(tmp_path, XIA_DING.rstrip("\n") + "\n\n\n")) == plain
    # a character that str.splitlines would cut at
    text = read_xia_ding(written(tmp_path, XIA_DING.replace("今天 下雨", "今天\u2028下雨"))).documents[2]
    assert text.segments[0].text == "今天\u2028下雨"


# what is replaced by what, the line of the error, what is expected and found, documents that skip still gives
MALFORMED: list[tuple[Reader, str, str, str, int, str, str, int]] = [
    (read_xia_ding, XIA_DING, "30 2", "x30 2", 9, "a numeric document id", "'x30'", 2),
    (read_xia_ding, XIA_DING, "2 1\n", "2 one\n", 6, "a numeric number of clauses", "'one'", 2),
    (read_xia_ding, XIA_DING, "2 1\n", "2 1 1\n", 6, "two fields", "3 in '2 1 1'", 2),
    (
        read_xia_ding,
        XIA_DING,
        "2 1\n (1,1)\n1,happiness,高兴,中奖 让 他 高兴\n",
        "2 0\n\n",
        6,
        "one clause",
        "0",
        2,
    ),
    (read_xia_ding, XIA_DING, "30 2", "1 2", 9, "every document id once", "1 again, as in line 1", 2),
    (read_xia_ding, XIA_DING, " (1,1)", " (1,2)", 7, "clauses 1 to 1", "(1,2)", 2),
    (read_xia_ding, XIA_DING, " (1,1)", " (0,1)", 7, "clauses 1 to 1", "(0,1)", 2),
    (read_xia_ding, XIA_DING, " (1,1)", " (1,-1)", 7, "pairs of clause numbers", "' (1,-1)'", 2),
    (read_xia_ding, XIA_DING, " (1,1)", " exit(1,1)", 7, "pairs of clause numbers", "exit", 2),
    (read_xia_ding, XIA_DING, " (1,1)\n", "", 7, "pairs of clause numbers", "'1,happiness", 2),
    (read_xia_ding, XIA_DING, "1,null,null,今天", "1,null,今天", 11, "4 fields", "3 in '1,null", 2),
    (read_xia_ding, XIA_DING, "2,null,null,没有", "3,null,null,没有", 12, "clause number 2", "'3'", 2),
    (read_xia_ding, XIA_DING, "没有 人 高兴", "  ", 12, "words in clause 2", "an empty clause", 2),
    (read_xia_ding, XIA_DING, "2,null,null,没有 人 高兴\n", "", 11, "clause 2 of 2", "may be truncated", 2),
    (
        read_xia_ding,
        XIA_DING,
        "1,null,null,今天 下雨\n2,null,null,没有 人 高兴\n",
        "",
        10,
        "clause 1 of 2",
        "end",
        2,
    ),
    (read_xia_ding, XIA_DING, "3,fear,怕,还 有点 怕, 真 的\n", "", 5, "clause 3 of 3", "'2 1'", 2),
    (read_xia_ding, XIA_DING, "2 1\n", "2 0\n", 6, "at least one clause", "0", 2),
    (read_xia_ding, XIA_DING, "1 3\n", "1 2\n", 2, "clauses 1 to 2", "(3,1)", 2),
    (read_xia_ding, XIA_DING, "30 2\n", "30 1\n", 12, "next document after 1 clauses", "'2,null", 2),
    (read_xia_ding, XIA_DING, "1 3\n", "", 1, "two fields", "3 in", 2),
    (read_ecf, ECF, "3 2", "c 2", 8, "a numeric document id", "'c'", 2),
    (read_ecf, ECF, "1 | All |", "1 | All , |", 7, "", "", 3),
    (read_ecf, ECF, " | S1E1: 2", "", 7, "5 fields", "4 in '1 | All", 2),
    (read_ecf, ECF, "Bob | joy", " | joy", 4, "a speaker in utterance 2", "an empty field", 2),
    (read_ecf, ECF, "Hello .", "", 7, "words in utterance 1", "an empty field", 2),
    (read_ecf, ECF, "(1,2)", "(1,9)", 9, "utterances 1 to 2", "(1,9)", 2),
    (
        read_ecf,
        ECF,
        "2 | Bob | neutral | A cat . | S1E1: 4\n",
        "",
        10,
        "utterance 2 of 2",
        "may be truncated",
        2,
    ),
]


@pytest.mark.parametrize("case", MALFORMED)
def test_every_malformed_line_is_named(
    tmp_path: Path, case: tuple[Reader, str, str, str, int, str, str, int]
) -> None:
    reader, text, old, new, line, expected, found, left = case
    assert old in text
    path = written(tmp_path, text.replace(old, new, 1))
    if left == 3:  # nothing is wrong with it
        assert len(reader(path).documents) == 3
        return
    with pytest.raises(CorpusError) as caught:
        reader(path)
    assert caught.value.line == line
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert str(caught.value).startswith(f"{path}:{line}: expected ")
    reading = reader(path, on_error="skip")
    assert len(reading.documents) == left
    assert reading.counts["skipped_documents"] == 1
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(("reader", "text"), [(read_xia_ding, XIA_DING), (read_ecf, ECF)])
def test_bad_utf8_is_named_and_skipped(tmp_path: Path, reader: Reader, text: str) -> None:
    lines = text.encode().split(b"\n")
    lines[3] += b" \xff"
    path = written(tmp_path, b"\n".join(lines))
    with pytest.raises(
        CorpusError, match=r"file.txt:4: expected UTF-8 text, but got the byte 0xff at column \d+"
    ):
        reader(path)
    reading = reader(path, on_error="skip")
    assert len(reading.documents) == 2
    assert reading.counts["skipped_documents"] == 1


@pytest.mark.parametrize("text", ["", "\n\n", "x 1\n (1,1)\n1,null,null,text\n"])
def test_a_file_without_a_document_is_an_error_even_when_skipping(tmp_path: Path, text: str) -> None:
    with pytest.raises(CorpusError, match=r"expected documents of numbered clauses"):
        read_xia_ding(written(tmp_path, text), on_error="skip")


@pytest.mark.parametrize(
    ("change", "line", "expected"),
    [
        ({"turn": 9}, 5, "2 as turn of utterance 2 of conversation tr_1"),
        ({"turn": "2"}, 5, "2 as turn"),
        ({"utterance": " "}, 5, "text as utterance of utterance 2"),
        ({"emotion": None}, 5, "text as emotion of utterance 2"),
        ({"speaker": 3}, 5, "text as speaker"),
        ({"expanded emotion cause evidence": 1}, 5, "a list as expanded emotion cause evidence"),
        ({"expanded emotion cause evidence": ["c"]}, 5, 'turns or "b"'),
        ({"expanded emotion cause evidence": [True]}, 5, 'turns or "b"'),
    ],
)
def test_reccon_names_the_line_of_a_malformed_utterance(
    tmp_path: Path, change: dict[str, Any], line: int, expected: str
) -> None:
    first, second = RECCON["tr_1"][0]
    rows = [
        "{",
        '"tr_2": [[' + json.dumps(utterance(1)) + "]],",
        '"tr_1": [[',
        json.dumps(first) + ",",
        json.dumps({**second, **change}) + "]]",
        "}",
    ]
    path = written(tmp_path, "\n".join(rows))
    with pytest.raises(CorpusError) as caught:
        read_reccon(path)
    assert caught.value.line == line
    assert expected in caught.value.expected
    reading = read_reccon(path, on_error="skip")
    assert [document.id for document in reading.documents] == ["tr_2"]
    assert reading.counts == {"skipped_documents": 1}


def test_reccon_repeated_and_empty_conversations(tmp_path: Path) -> None:
    one = json.dumps([[utterance(1)]])
    path = written(tmp_path, f'{{"a": {one},\n"a": {one},\n"b": [[]],\n"c": 3,\n"d": [[4]]}}')
    with pytest.raises(CorpusError, match=r":2: expected every conversation id once, but got a again"):
        read_reccon(path)
    assert read_reccon(path, on_error="skip").counts == {"skipped_documents": 4}


@pytest.mark.parametrize(
    ("keep", "line", "match"),
    [(0, 1, "`{` before"), (60, 4, "truncated"), (-3, None, "truncated"), (-1, None, "truncated")],
)
def test_reccon_truncated_json_is_an_error_even_when_skipping(
    tmp_path: Path, keep: int, line: int | None, match: str
) -> None:
    path = written(tmp_path, json.dumps(RECCON, indent=1)[:keep])
    for on_error in ("raise", "skip"):
        with pytest.raises(CorpusError, match=match) as caught:
            read_reccon(path, on_error)  # type: ignore[arg-type]
        assert line is None or caught.value.line >= line  # type: ignore[operator]


def test_reccon_text_behind_the_last_conversation(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(RECCON) + "\nmore")
    with pytest.raises(CorpusError, match=r":2: expected the end of the file .*'more'"):
        read_reccon(path)
