"""Every method's predictions as plain rows."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ecpe_zoo.annotation import Options, annotate_texts
from ecpe_zoo.annotation.annotator import Annotator, reads_words
from ecpe_zoo.annotation.inputs import entry_of
from ecpe_zoo.corpora.document import Document, Segment, document_from_texts
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.metrics.emotions import STRONGEST
from ecpe_zoo.metrics.pairs import predicted_pairs
from ecpe_zoo.tasks import ECPE, EMOTIONS, ERC
from ecpe_zoo.text import words
from ecpe_zoo.text.profile import profile_of
from ecpe_zoo.text.words import is_segmented
from tests.annotation.making import built, save, some_documents
from tests.methods.contract import CONTRACT


def predicted(method: Method, documents: list[Document]) -> dict[str, Prediction]:
    bare = [document.without_gold() for document in documents]
    with torch.no_grad():
        return {found.id: found for found in method.decode(method.collator(False)(bare))}


@pytest.mark.parametrize("id", sorted(CONTRACT))
def test_a_checkpoint_of_every_method_annotates_documents(id: str, tmp_path: Path) -> None:
    method = built(id)
    tuned = 0.5 if method.task.labelled else 0.02
    path = save(method, tmp_path / "some.ckpt", tuned=tuned)
    documents = some_documents(method.task.id)
    expected = predicted(method, documents)
    rows = annotate_texts(path, documents, Options(every=True, batch_tokens=200))
    assert json.loads(json.dumps(rows)) == rows  # plain values
    assert [row["id"] for row in rows] == [document.id for document in documents]
    for row, document in zip(rows, documents, strict=True):
        check = {ECPE: check_pairs, ERC: check_conversation, EMOTIONS: check_emotions}[method.task]
        check(row, document, expected[document.id], tuned)


def check_pairs(row: dict[str, Any], document: Document, expected: Prediction, tuned: float) -> None:
    assert row["clauses"] == [segment.text for segment in document.segments]
    assert {(p["emotion"] - 1, p["cause"] - 1) for p in row["pairs"]} == predicted_pairs(expected, tuned)
    assert [p["probability"] for p in row["pairs"]] == sorted(
        (p["probability"] for p in row["pairs"]), reverse=True
    )
    for pair in row["pairs"]:
        assert pair["emotion_text"] == document.segments[pair["emotion"] - 1].text
        assert pair["cause_text"] == document.segments[pair["cause"] - 1].text
    for name, scores in row["scores"].items():
        np.testing.assert_allclose(scores, expected.scores[name], atol=1e-4)


def check_conversation(row: dict[str, Any], document: Document, expected: Prediction, tuned: float) -> None:
    segments = zip(row["segments"], document.segments, expected.scores["emotions"], strict=True)
    for number, (answer, segment, scores) in enumerate(segments, start=1):
        assert (answer["number"], answer["speaker"], answer["text"]) == (
            number,
            segment.speaker,
            segment.text,
        )
        if segment.judged:
            assert answer["emotion"] == expected.labels[int(scores.argmax())]
            assert answer["probability"] == pytest.approx(float(scores.max()), abs=1e-4)
            np.testing.assert_allclose(list(answer["scores"].values()), scores, atol=1e-4)
        else:
            assert answer["emotion"] is None


def check_emotions(row: dict[str, Any], document: Document, expected: Prediction, tuned: float) -> None:
    (answer,), (scores,) = row["segments"], expected.scores["emotions"]
    np.testing.assert_allclose(list(answer["scores"].values()), STRONGEST * scores, atol=1e-3)
    above = {label for label, score in zip(expected.labels, scores, strict=True) if score > tuned}
    assert answer["above_threshold"] == bool(above)
    assert set(answer["emotions"]) == (above or {expected.labels[int(scores.argmax())]})
    assert list(answer["emotions"].values()) == sorted(answer["emotions"].values(), reverse=True)


def test_running_text_has_its_clauses_cut_and_its_words_apart() -> None:
    pytest.importorskip("jieba")
    method = built("e2eecpe")
    assert reads_words(method)
    assert not reads_words(built("mgcl"))
    read = Annotator(method)._read(entry_of(1, "昨天，他收到了一份礼物。“他很高兴！”"))
    assert read.shown == ["昨天，", "他收到了一份礼物。", "“他很高兴！”"]
    assert read.document is not None
    assert [segment.text for segment in read.document.segments] == [
        "昨天",
        "他 收到 了 一份 礼物",
        "他 很 高兴",
    ]
    assert Annotator(method)._read(entry_of(1, "\u200b \ufeff\u200b")).document is None  # nothing to see
    segmented = Annotator(method)._read(entry_of(1, "他 收到 了 一 份 礼物 ， 他 很 高兴"))
    assert segmented.document is not None
    assert [s.text for s in segmented.document.segments] == ["他 收到 了 一 份 礼物", "他 很 高兴"]
    english = Annotator(method)._read(entry_of(1, "He won (again), so he's glad."))
    assert english.document is not None
    assert (english.document.language, [s.text for s in english.document.segments]) == (
        "en",
        ["He won ( again )", "so he's glad"],
    )


@pytest.mark.parametrize("id", ["e2eecpe", "two_stage"])
def test_chinese_that_is_cut_or_spaced_needs_no_jieba(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words._jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    method = built(id)
    word = max((w for w in method.vocabulary or () if is_segmented(w, "zh") is False), key=len)
    reader = Annotator(method)
    spaced = reader._read(entry_of(1, "他 收到 了 一 份 礼物 ， 他 很 高兴"))
    assert spaced.document is not None
    assert [s.text for s in spaced.document.segments] == ["他 收到 了 一 份 礼物", "他 很 高兴"]
    apart = document_from_texts("a", ["他 收到 了 礼物", "他 很 高兴"])
    found = reader._read(entry_of(1, apart)).document
    assert found is not None
    assert found.segments == apart.segments
    # short clauses without spaces in them are no words, though no clause has a space
    cut = reader._read(entry_of(1, document_from_texts("b", [f"他{word}", "他哭", word]))).document
    assert cut is not None
    assert [s.text.replace(" ", "") for s in cut.segments] == [f"他{word}", "他哭", word]
    assert cut.segments[0].text.split()[-1] == cut.segments[2].text == word
    running = reader._read(entry_of(1, f"昨天他{word}，他哭了。")).document
    assert running is not None
    assert word in running.segments[0].text.split()
    words._jieba.cache_clear()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("sad", "a list of texts or Documents, but got one str"),
        ({"text": "sad"}, "but got one dict"),
        (SimpleNamespace(columns=["text"]), "but got one SimpleNamespace"),
        (["sad", None], "item 2 is None"),
        (["sad", float("nan")], "item 2 is nan.*Replace missing texts by ''"),
        ([["a", "b"]], "item 1 is .*'a', 'b'"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(texts: Any, message: str) -> None:
    with pytest.raises(ZooError, match=message):
        annotate_texts(built("emo_pillars"), texts)


def test_texts_unlike_those_of_training_are_warned_of() -> None:
    method = built("emo_pillars")
    documents = some_documents("emotions")
    method.profile = profile_of("bundled-emotions", {"train": documents}, method.token_counter())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotate_texts(method, documents)
    with pytest.warns(UserWarning, match=r"100\.0 % of their words are in scripts .*\(Han; training: Latin"):
        annotate_texts(method, ["今天我很高兴"])


def test_a_text_method_reads_the_text_uncut_and_keeps_blank_ones() -> None:
    method = built("eqn")
    rows = annotate_texts(method, ["I am glad, but he is sad.", "", "  "], Options(threshold=0.0, top=2))
    assert [row["text"] for row in rows] == ["I am glad, but he is sad.", "", "  "]
    assert len(rows[0]["emotions"]) == 2
    assert rows[1:] == [
        {"id": id, "text": text, "emotions": {}, "above_threshold": False, "truncated": 0}
        for id, text in (("2", ""), ("3", "  "))
    ]


def test_nothing_above_the_threshold_gives_the_strongest_and_says_so() -> None:
    method = built("emo_pillars")
    (sure,) = annotate_texts(method, ["I am glad"], Options(top=1))
    (unsure,) = annotate_texts(method, ["I am glad"], Options(threshold=0.999))
    assert unsure["emotions"] == sure["emotions"]
    assert not unsure["above_threshold"]
    (three,) = annotate_texts(method, ["I am glad"], Options(top=3))
    assert len(three["emotions"]) == 3


def test_blank_segments_keep_their_numbers() -> None:
    entry = entry_of(1, document_from_texts("a", ["he won", "x", "he is glad"], language="en"))
    entry = entry._replace(texts=("he won", " ", "he is glad"))
    (row,) = Annotator(built("e2eecpe"), Options(top=100, every=True)).annotate([entry])
    assert row["clauses"] == ["he won", " ", "he is glad"]
    assert {pair["emotion"] for pair in row["pairs"]} == {1, 3}
    assert np.shape(row["scores"]["pair"]) == (3, 3)
    assert not any(row["scores"]["pair"][1])
    (row,) = Annotator(built("eacl"), Options(top=2)).annotate([entry])
    assert [segment["emotion"] is None for segment in row["segments"]] == [False, True, False]
    assert len(row["segments"][0]["emotions"]) == 2


def test_context_gets_no_answer() -> None:
    document = Document("a", (Segment("I won", judged=False), Segment("Hurray")), language="en")
    for id in ("eacl", "eqn"):
        (row,) = annotate_texts(built(id), [document])
        context, judged = row["segments"]
        name = "emotion" if id == "eacl" else "emotions"
        assert not context[name]
        assert judged[name]


def test_very_many_clauses_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecpe_zoo.annotation.annotator.MOST_CLAUSES", 3)
    (row,) = annotate_texts(
        built("e2eecpe"), ["he won. he fell. she came. he cried. she left."], Options(top=99)
    )
    assert len(row["clauses"]) == 5
    assert row["truncated"] == 2
    assert max(pair["cause"] for pair in row["pairs"]) == 3


def test_sixteen_bits_move_scores_a_little_only() -> None:
    texts = ["I am glad that he won", "he lost his phone"]
    for id in sorted(CONTRACT):
        full, half = (
            annotate_texts(built(id), texts, Options(every=True, precision=p)) for p in ("32", "bf16")
        )
        for one, other in zip(full, half, strict=True):
            first, second = (row["scores"] for row in (one, other))
            for name in first:
                np.testing.assert_allclose(first[name], second[name], atol=0.5)


@pytest.mark.parametrize(
    ("id", "options", "message"),
    [
        ("eacl", Options(threshold=0.5), "--top"),
        ("eqn", Options(threshold=3.0), "from 0 to below 1"),
        ("eqn", Options(top=0), "at least 1"),
        ("eqn", Options(batch_tokens=0), "--batch-tokens"),
        ("eqn", Options(language="fr"), "zh, en"),  # type: ignore[arg-type]
        ("eqn", Options(precision="8"), "32, bf16"),  # type: ignore[arg-type]
        ("eqn", Options(device="tpu"), "auto, cpu, cuda"),  # type: ignore[arg-type]
    ],
)
def test_options_that_do_not_fit_are_told(id: str, options: Options, message: str) -> None:
    with pytest.raises(ZooError, match=message):
        annotate_texts(built(id), ["I am glad"], options)
