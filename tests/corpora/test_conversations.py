from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.ecf import LABELS as ECF_LABELS
from ecpe_zoo.corpora.ecf import read_ecf
from ecpe_zoo.corpora.emocontext import read_emocontext
from ecpe_zoo.corpora.emorynlp import read_emorynlp
from ecpe_zoo.corpora.iemocap import LABELS as IEMOCAP_LABELS
from ecpe_zoo.corpora.iemocap import read_iemocap
from ecpe_zoo.corpora.meld import read_meld
from ecpe_zoo.corpora.readers.lines import Reader
from ecpe_zoo.corpora.readers.mending import mended
from ecpe_zoo.corpora.reccon import LABELS as RECCON_LABELS
from ecpe_zoo.corpora.reccon import read_reccon
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import CorpusError, ZooError

MELD_HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
)
MELD = (
    MELD_HEADER
    + """\
1,"Oh, ""that"" one",Ann,joy,positive,0,0,1,1,"00:00:01,000","00:00:02,000"
2,Stop it.,Bob,anger,negative,0,3,1,1,"00:00:02,000","00:00:03,000"
3,Alone here.,Cem,neutral,neutral,1,0,1,1,"00:00:02,000","00:00:03,000"
4,Boo!,Ann,fear,negative,7,0,1,1,"00:00:02,000","00:00:03,000"
5,No.,Bob,disgust,negative,7,1,1,1,"00:00:02,000","00:00:03,000"
"""
)
EMORYNLP = """\
Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time
"Yeah, right!",['Ann Lee'],Joyful,1,1,1,2,00:00:02.877,00:00:07.548
Hi!,"['Ann Lee', ""Bob O'Neil""]",Mad,1,2,1,2,00:00:02.877,00:00:07.548
Alone.,['Cem'],Neutral,2,1,1,2,00:00:02.877,00:00:07.548
Again.,['Cem'],Scared,1,1,1,3,00:00:02.877,00:00:07.548
"""
EMOCONTEXT = (
    "id\tturn1\tturn2\tturn3\tlabel\r\n"
    '0\tWhen "did I?\twho\tI never saw you\tangry\r\n'
    "1\thi\thello\t😁\thappy\r\n"
    "2\ta\tb\tc\tothers"
)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_meld_gives_exact_documents(tmp_path: Path) -> None:
    reading = read_meld(written(tmp_path, MELD))
    assert reading.documents == (
        Document(
            "0",
            (Segment('Oh, "that" one', "Ann", ("joy",)), Segment("Stop it.", "Bob", ("anger",))),
            language="en",
        ),
        Document("1", (Segment("Alone here.", "Cem", ("neutral",)),), language="en"),
        Document(
            "7", (Segment("Boo!", "Ann", ("fear",)), Segment("No.", "Bob", ("disgust",))), language="en"
        ),
    )
    assert reading.counts == {}


def test_meld_mends_texts_and_counts_what_has_none(tmp_path: Path) -> None:
    rows = [
        b"1,It\x92s \x93fine\x94,Ann,joy,p,0,0,1,1,a,b",
        "2,It\x92s,Ann,joy,p,0,1,1,1,a,b".encode(),
        "3,Itâ€™s a cafÃ©,RenÃ©,joy,p,0,2,1,1,a,b".encode(),
        b"4,\x81\x00,Ann,joy,p,0,3,1,1,a,b",
        "5,It’s,Ann,joy,p,0,4,1,1,a,b".encode(),
        b"6,  ,Ann,joy,p,1,0,1,1,a,b",
    ]
    reading = read_meld(written(tmp_path, MELD_HEADER.encode() + b"\n".join(rows)))
    assert [s.text for d in reading.documents for s in d.segments] == [
        "It’s “fine”",
        "It’s",
        "Itâ€™s a cafÃ©".replace("â€™", "’").replace("Ã©", "é"),
        "It’s",
    ]
    assert reading.documents[0].segments[2].speaker == "René"
    assert reading.counts == {"mended_texts": 4, "empty_texts": 2, "empty_documents": 1}


def test_mending_leaves_right_text_alone() -> None:
    for text in ("It’s “fine” – naïve café…", "😁 ok", "tab\there", "á là carte", ""):
        assert mended(text) == (text, 0)


def test_emorynlp_gives_exact_documents(tmp_path: Path) -> None:
    reading = read_emorynlp(written(tmp_path, EMORYNLP))
    assert reading.documents == (
        Document(
            "1-2-1",
            (
                Segment("Yeah, right!", "Ann Lee", ("joyful",)),
                Segment("Hi!", "Ann Lee and Bob O'Neil", ("mad",)),
            ),
            language="en",
        ),
        Document("1-2-2", (Segment("Alone.", "Cem", ("neutral",)),), language="en"),
        Document("1-3-1", (Segment("Again.", "Cem", ("scared",)),), language="en"),
    )
    assert reading.counts == {"utterances_of_several": 1}


def test_emocontext_gives_exact_documents(tmp_path: Path) -> None:
    reading = read_emocontext(written(tmp_path, EMOCONTEXT))
    assert len(reading.documents) == 3
    assert reading.documents[0] == Document(
        "0",
        (
            Segment('When "did I?', "A", judged=False),
            Segment("who", "B", judged=False),
            Segment("I never saw you", "A", ("angry",)),
        ),
        language="en",
    )


# what is replaced by what, the line of the error, what is expected and found, documents that skip still gives
MALFORMED: list[tuple[Reader, str, str, str, int, str, str, int]] = [
    (read_meld, MELD, "Bob,anger", "Bob,angry", 3, "neutral, surprise, fear, sadness", "'angry'", 2),
    (read_meld, MELD, "Cem,", " ,", 4, "a speaker in column Speaker", "an empty field", 2),
    (read_meld, MELD, "negative,7,1", "negative,7,0", 6, "a number above 0", "0", 2),
    (read_meld, MELD, "negative,7,1", "negative,7,x", 6, "a number in column Utterance_ID", "'x'", 2),
    (read_meld, MELD, "neutral,1,0", "neutral,one,0", 4, "a number in column Dialogue_ID", "'one'", 2),
    (read_meld, MELD, "negative,7,1", "negative,0,9", 6, "every conversation in one piece", "line 2", 2),
    (read_meld, MELD, "4,Boo!,", "4,Boo!,Hu!,", 5, "11 fields", "12, the first of them '4'", 1),
    (read_meld, MELD, "5,No.,", "5,", 6, "11 fields", "10, the first", 2),
    (read_emorynlp, EMORYNLP, "['Cem'],N", "Cem,N", 4, "a list of names", "'Cem'", 2),
    (read_emorynlp, EMORYNLP, "['Cem'],N", "[],N", 4, "a list of names", "'[]'", 2),
    (read_emorynlp, EMORYNLP, "['Cem'],N", "[3],N", 4, "a list of names", "'[3]'", 2),
    (read_emorynlp, EMORYNLP, "['Cem'],N", "[''],N", 4, "a list of names", '"[', 2),
    (read_emorynlp, EMORYNLP, "['Cem'],N", "{'Cem'},N", 4, "a list of names", "Cem", 2),
    (read_emorynlp, EMORYNLP, "['Cem'],N", "exit(),N", 4, "a list of names", "'exit()'", 2),
    (read_emorynlp, EMORYNLP, "Joyful", "Glad", 2, "joyful, mad, peaceful", "'glad'", 2),
    (read_emorynlp, EMORYNLP, "Mad,1,2,1,2", "Mad,1,1,1,2", 3, "a number above 1", "1", 2),
    (read_emocontext, EMOCONTEXT, "happy", "joy", 3, "a label of happy, sad, angry, others", "'joy'", 2),
    (read_emocontext, EMOCONTEXT, "hello", " ", 3, "text in column turn2", "an empty field", 2),
    (read_emocontext, EMOCONTEXT, "\thello", "", 3, "5 fields", "4, the first of them '1'", 2),
    (read_emocontext, EMOCONTEXT, "1\thi", "0\thi", 3, "every id once", "as in line 2", 2),
    (read_emocontext, EMOCONTEXT, "1\thi", "one\thi", 3, "a number in column id", "'one'", 2),
]


@pytest.mark.parametrize("case", MALFORMED)
def test_every_malformed_line_is_named(
    tmp_path: Path, case: tuple[Reader, str, str, str, int, str, str, int]
) -> None:
    reader, text, old, new, line, expected, found, left = case
    assert old in text
    path = written(tmp_path, text.replace(old, new, 1))
    with pytest.raises(CorpusError) as caught:
        reader(path)
    assert caught.value.line == line
    assert expected in caught.value.expected
    assert found in caught.value.found
    reading = reader(path, on_error="skip")
    assert len(reading.documents) == left
    assert reading.counts["skipped_documents"] == 3 - left


@pytest.mark.parametrize(
    ("reader", "text"), [(read_meld, MELD), (read_emorynlp, EMORYNLP), (read_emocontext, EMOCONTEXT)]
)
def test_headers_and_empty_files(tmp_path: Path, reader: Reader, text: str) -> None:
    header, _, rest = text.partition("\n")
    for broken in (rest, text.replace("Emotion", "Feeling").replace("label", "feeling")):
        with pytest.raises(CorpusError, match=r":1: expected a header with the columns"):
            reader(written(tmp_path, broken), on_error="skip")
    with pytest.raises(CorpusError, match="an empty file"):
        reader(written(tmp_path, ""))
    with pytest.raises(CorpusError, match="a file without one that can be read"):
        reader(written(tmp_path, header + "\n"))


def test_a_quote_that_does_not_end_is_named_where_it_starts(tmp_path: Path) -> None:
    path = written(tmp_path, MELD.replace("3,Alone here.", '3,"Alone here.'))
    for on_error in ("raise", "skip"):
        with pytest.raises(CorpusError, match=r":4: expected fields whose double quotes end"):
            read_meld(path, on_error)  # type: ignore[arg-type]


def test_an_utterance_over_two_lines_and_one_of_2000_words(tmp_path: Path) -> None:
    long = "word " * 1999 + "end"
    text = MELD.replace("Stop it.", f'"Stop\r\n{long}"').replace("fear", "fright")
    with pytest.raises(CorpusError, match=r":6: .*'fright'"):
        read_meld(written(tmp_path, text))
    segment = read_meld(tmp_path / "file.txt", on_error="skip").documents[0].segments[1]
    assert len(segment.words) == 2001
    huge = MELD.replace("Stop it.", "x" * 200_000)  # csv alone stops at 131,072 characters
    assert len(read_meld(written(tmp_path, huge)).documents[0].segments[1].text) == 200_000


def test_bad_utf8_in_a_chat_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, EMOCONTEXT.encode().replace(b"hello", b"h\xffo"))
    with pytest.raises(CorpusError, match=r":3: expected UTF-8 text, but got the byte 0xff"):
        read_emocontext(path)
    assert read_emocontext(path, on_error="skip").counts == {"skipped_documents": 1}


def turn(text: Any = "Yes.", speaker: Any = "F", label: Any = "neu") -> dict[str, Any]:
    return {"text": text, "speaker": speaker, "label": label}


def test_iemocap_from_own_files(tmp_path: Path) -> None:
    folder = tmp_path / "iemocap"
    with pytest.raises(ZooError, match=r"needs a licence from its owner.*nothing to fetch"):
        load_corpus("iemocap", tmp_path)
    folder.mkdir()
    dialogues = [
        [turn("Excuse me.", "F", "exc"), {"text": "Do you", "speaker": "M"}, turn(" ", "M", "ang")],
        [turn("No.", "M", "fru"), turn("Hm.", "F", None)],
    ]
    for name in ("train", "dev", "test"):
        (folder / f"{name}_data.json").write_text(json.dumps(dialogues, indent=1))
    corpus = load_corpus("iemocap", tmp_path)
    assert corpus.labels == IEMOCAP_LABELS
    assert corpus.train == (
        Document(
            "train-0",
            (Segment("Excuse me.", "Mary", ("excited",)), Segment("Do you", "James", judged=False)),
            language="en",
        ),
        Document(
            "train-1",
            (Segment("No.", "Robert", ("frustrated",)), Segment("Hm.", "Patricia", judged=False)),
            language="en",
        ),
    )
    assert [d.id for d in corpus.test] == ["test-0", "test-1"]
    assert corpus.counts["train/empty_texts"] == 1


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (turn(label="joy"), "neu, exc, fru, sad, hap, ang or null as label"),
        (turn(speaker="X"), "F or M as speaker"),
        (turn(text=3), "text as text"),
        ("words", "an object with text, speaker and label"),
    ],
)
def test_iemocap_names_the_line(tmp_path: Path, wrong: Any, expected: str) -> None:
    rows = ["[", "[" + json.dumps(turn()) + "],", "[", json.dumps(turn()) + ",", json.dumps(wrong), "]", "]"]
    path = written(tmp_path, "\n".join(rows))
    with pytest.raises(CorpusError) as caught:
        read_iemocap(path)
    assert caught.value.line == 5
    assert expected in caught.value.expected
    reading = read_iemocap(path, on_error="skip")
    assert [d.id for d in reading.documents] == ["0"]
    assert reading.counts == {"skipped_documents": 1}


def test_iemocap_that_breaks_off(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="truncated"):
        read_iemocap(written(tmp_path, json.dumps([[turn()], [turn()]])[:-1]), on_error="skip")
    with pytest.raises(CorpusError, match=r"expected utterances in dialogue 1, but got none"):
        read_iemocap(written(tmp_path, json.dumps([[turn()], []])))


def test_unknown_emotions_of_pair_corpora_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, "1 1\n\n1 | Ann | glad | Hello . | c\n")
    with pytest.raises(CorpusError, match=rf":3: expected an emotion of {', '.join(ECF_LABELS)}, .*'glad'"):
        read_ecf(path)
    conversation = [{"turn": 1, "speaker": "A", "utterance": "Hi", "emotion": "glad"}]
    path = written(tmp_path, json.dumps({"tr_1": [conversation]}))
    with pytest.raises(CorpusError, match=rf":1: expected one of {', '.join(RECCON_LABELS)}"):
        read_reccon(path)


REAL = {
    "meld": (
        (1038, 9989),
        (114, 1109),
        (280, 2610),
        {"neutral": 4710, "surprise": 1205, "fear": 268, "sadness": 683, "joy": 1743, "disgust": 271},
        {"anger": 345, "neutral": 1256, "joy": 402},
    ),
    "emorynlp": (
        (659, 7551),
        (89, 954),
        (79, 984),
        {"joyful": 1677, "mad": 785, "peaceful": 638, "neutral": 2485, "sad": 474, "powerful": 551},
        {"joyful": 217, "mad": 86, "peaceful": 111, "neutral": 288, "sad": 70, "powerful": 96, "scared": 116},
    ),
    "emocontext": (
        (30160, 90480),
        (2755, 8265),
        (5509, 16527),
        {"happy": 4243, "sad": 5463, "angry": 5506, "others": 14948},
        {"happy": 284, "sad": 250, "angry": 298, "others": 4677},
    ),
    "reccon": (
        (834, 8206),
        (47, 493),
        (225, 2405),
        {"neutral": 3644, "happiness": 3557, "surprise": 366, "anger": 276, "sadness": 212, "disgust": 106},
        {"neutral": 1306, "fear": 25},
    ),
    "ecf": (
        (1001, 9966),
        (112, 1087),
        (261, 2566),
        {"neutral": 4389, "joy": 1708, "surprise": 1365, "anger": 1140, "sadness": 789, "disgust": 301},
        {"neutral": 1121, "fear": 56},
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_conversations(real_data: Callable[[str], Path], name: str) -> None:
    corpus = load_corpus(name, real_data(name))
    train, validation, test, trained, tested = REAL[name]
    for part, (documents, utterances) in (
        (corpus.train, train),
        (corpus.validation or (), validation),
        (corpus.test, test),
    ):
        assert (len(part), sum(map(len, part))) == (documents, utterances)
    for part, expected in ((corpus.train, trained), (corpus.test, tested)):
        found = [emotion for d in part for segment in d.segments for emotion in segment.emotions]
        assert {label: found.count(label) for label in expected} == expected
        assert set(found) == set(corpus.labels)
        assert all(len(s.emotions) == s.judged for d in part for s in d.segments)
    assert not any("mended" in reason or "empty" in reason for reason in corpus.counts)
