"""The check that explanations mean something: what is scored, what is left out, and the figures."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ecpe_zoo.annotation.annotator import Annotator
from ecpe_zoo.annotation.occlusion import BLANK
from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.eacl import EACL
from ecpe_zoo.options import EncoderSettings
from experiments import explain_check
from experiments.explain_check import compare
from experiments.leaving_out import (
    ABSOLUTE,
    CLUES,
    FEWEST,
    LEFT_OUT,
    SIGNED,
    Drop,
    by_word,
    case_of,
    drops,
    without,
)
from tests.annotation.making import built, save, some_documents


@cache
def found(id: str) -> tuple[Document, list[Drop]]:
    document = next(d for d in some_documents("ecpe") if len(d) >= 6).without_gold()
    return document, drops(Annotator(built(id)), document, -1.0, 3, random.Random(0), blank=False)


def test_what_is_left_of_a_document() -> None:
    document = document_from_texts("d", list("abcd"))
    some, places = without(document, [2, 0], blank=False)
    assert ([s.text for s in some.segments], places) == (["b", "d"], [None, 0, None, 1])
    some, places = without(document, [2, 0], blank=True)
    assert ([s.text for s in some.segments], places) == ([BLANK, "b", BLANK, "d"], [0, 1, 2, 3])


def test_what_is_left_of_a_text() -> None:
    document = document_from_texts("d", ["a b  c\nd"])
    some, places = without(document, [2, 0], blank=False, unit="word")
    assert ([s.text for s in some.segments], places) == (["b d"], [0])
    some, places = without(document, [2, 0], blank=True, unit="word")
    assert ([s.text for s in some.segments], places) == ([f"{BLANK} b {BLANK} d"], [0])


def test_drops_are_those_of_the_score_of_the_best_pair() -> None:
    document, rows = found("e2eecpe")
    method = built("e2eecpe")

    def scores(some: Document) -> np.ndarray:
        with torch.no_grad():
            (prediction,) = method.decode(method.batch_of([some]))
        return prediction.scores["pair"]

    pair = scores(document)
    e, c = divmod(int(pair.argmax()), len(pair))
    single = {}
    for index in set(range(len(document))) - {e, c}:
        rest = Document("rest", (*document.segments[:index], *document.segments[index + 1 :]), language="en")
        single[index] = float(pair[e, c]) - float(scores(rest)[e - (index < e), c - (index < c)])
    first = next(row for row in rows if (row.ranking, row.size) == (LEFT_OUT, 1))
    assert first.top == pytest.approx(max(single.values()), abs=1e-5)
    for row in rows:
        assert len(row.random) == 3
        if row.size == 1:
            assert all(min(abs(value - other) for other in single.values()) < 1e-5 for value in row.random)
    assert [(row.ranking, row.size) for row in rows] == [
        (n, s) for n in (LEFT_OUT, ABSOLUTE, SIGNED) for s in (1, 2)
    ]
    assert not drops(Annotator(method), document, 1.0, 3, random.Random(0), blank=False)  # no predicted pair


def test_rankings_are_those_that_a_method_has() -> None:
    assert {row.ranking for row in found("rule")[1]} == {LEFT_OUT}
    assert {row.ranking for row in found("mgcl")[1]} == {LEFT_OUT, ABSOLUTE, SIGNED, CLUES}


# --- methods that label


@cache
def reader(context: int = 4, max_tokens: int = 128) -> EACL:
    torch.manual_seed(0)
    encoder = EncoderSettings("embedded", 32, heads=2)
    method = EACL(encoder=encoder, context=context, max_tokens=max_tokens, adapt_epochs=2)
    method.build_from(some_documents("erc"))
    method.eval()
    return method


def label_scores(method: Method, document: Document) -> np.ndarray:
    with torch.no_grad():
        (prediction,) = method.decode(method.batch_of([document]))
    return prediction.scores["emotions"]


def test_the_drops_of_a_turn_are_those_of_its_predicted_label() -> None:
    method = reader()
    document = next(d for d in some_documents("erc") if len(d) >= 6)
    case = case_of(Annotator(method), document, 0.0, random.Random(1))
    assert case is not None
    turn, label = case.target.segment, case.target.label
    scores = label_scores(method, document.without_gold())
    assert label == int(scores[turn].argmax())
    assert case.among == list(range(turn - 4, turn))  # its context, and nothing after it
    rows = drops(Annotator(method), document, 0.0, 3, random.Random(1), blank=False)
    assert [(row.unit, row.ranking, row.size) for row in rows] == [
        ("turn", ranking, size) for ranking in (LEFT_OUT, ABSOLUTE, SIGNED) for size in (1, 2)
    ]
    single = []
    for gone in case.among:
        segments = document.without_gold().segments
        rest = replace(document, segments=(*segments[:gone], *segments[gone + 1 :]))
        single.append(float(scores[turn, label] - label_scores(method, rest)[turn - 1, label]))
    assert rows[0].top == pytest.approx(max(single), abs=1e-5)
    assert all(min(abs(value - other) for other in single) < 1e-5 for value in rows[2].random)


def test_turns_that_are_cut_off_or_outside_of_the_context_are_none_of_its_parts() -> None:
    document = next(d for d in some_documents("erc") if len(d) >= 7)
    near = case_of(Annotator(reader(context=5, max_tokens=128)), document, 0.0, random.Random(0))
    assert near is not None
    assert all(near.target.segment - 5 <= turn < near.target.segment for turn in near.among)
    assert case_of(Annotator(reader(context=3)), document, 0.0, random.Random(0)) is None
    assert case_of(Annotator(reader(max_tokens=24)), document, 0.0, random.Random(0)) is None
    silent = replace(
        document, segments=tuple(replace(s, judged=i == 0) for i, s in enumerate(document.segments))
    )
    assert case_of(Annotator(reader()), silent, 0.0, random.Random(0)) is None  # nothing is before it
    monologue = document_from_texts("m", ["I am so very glad about this old red bike ."], language="en")
    assert case_of(Annotator(reader()), monologue, 0.0, random.Random(0)) is None


def test_the_drops_of_a_text_are_those_of_its_words() -> None:
    method = built("eqn")
    document = next(d for d in some_documents("emotions") if len(d.segments[0].words) >= FEWEST["word"])
    words = document.segments[0].words
    rows = drops(Annotator(method), document, 0.0, 3, random.Random(0), blank=False)
    assert [(row.unit, row.ranking, row.size) for row in rows] == [
        ("word", ranking, size) for ranking in (LEFT_OUT, ABSOLUTE, SIGNED) for size in (1, 2)
    ]
    (full,) = label_scores(method, document)
    label = int(full.argmax())
    single = [
        full[label]
        - label_scores(method, document_from_texts("r", [" ".join(words[:i] + words[i + 1 :])]))[0, label]
        for i in range(len(words))
    ]
    assert rows[0].top == pytest.approx(max(single), abs=1e-5)
    (scores,) = Annotator(method).contributions(document.without_gold(), [(0, label)]) or []
    pieces = method.token_texts(document.segments[0])
    sums = [values.sum() for values in by_word(document.segments[0].text, pieces, scores[0])]
    first = max(range(len(words)), key=lambda index: sums[index])
    signed = next(row for row in rows if (row.ranking, row.size) == (SIGNED, 1))
    assert signed.top == pytest.approx(single[first], abs=1e-5)
    assert not drops(Annotator(method), document, 1.0, 3, random.Random(0), blank=False)  # no predicted label
    short = document_from_texts("s", [" ".join(words[: FEWEST["word"] - 1])])
    assert not drops(Annotator(method), short, 0.0, 3, random.Random(0), blank=False)


def test_tokens_belong_to_the_word_in_which_they_start() -> None:
    text = "Oh 😀 ok \x00 ok 😀"
    pieces = [
        "Oh",
        "😀",
        "😀",
        "😀",
        "ok",
        "ok",
        "😀",
        "😀",
        "😀",
    ]  # bytes; the control character has no token
    found = by_word(text, pieces, range(9))
    assert [values.tolist() for values in found] == [[0], [1, 2, 3], [4], [], [5], [6, 7, 8]]
    assert [v.tolist() for v in by_word("ﬁne , yes", ["fine", ",", "yes"], range(3))] == [[0], [1], [2]]


# --- figures


def test_figures_are_means_over_documents() -> None:
    draw = np.random.default_rng(0)
    top, chance = draw.normal(0.2, 0.1, 40), draw.normal(0.0, 0.1, (40, 3))
    rows = [Drop(str(i), "clause", ABSOLUTE, 2, float(top[i]), tuple(chance[i].tolist())) for i in range(40)]
    (figures,) = compare(rows, resamples=2000)
    assert figures.drop.first == pytest.approx(top.mean())
    assert figures.drop.second == pytest.approx(chance.mean())
    assert figures.change.second == pytest.approx(np.abs(chance).mean())
    difference = top - chance.mean(1)
    error = difference.std() / 40**0.5
    assert figures.drop.difference == pytest.approx(difference.mean())
    assert figures.drop.low == pytest.approx(difference.mean() - 1.96 * error, abs=0.3 * error)
    assert figures.drop.high == pytest.approx(difference.mean() + 1.96 * error, abs=0.3 * error)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "drops.json"
    options = [
        str(save(built("rule"), tmp_path / "rule.ckpt")),
        "--corpus",
        "bundled-ecpe",
        "--documents",
        "3",
    ]
    assert explain_check.main([*options, "--json", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "3 of " in shown
    assert "by construction" in shown
    assert {row["ranking"] for row in json.loads(path.read_text(encoding="utf-8"))["drops"]} == {LEFT_OUT}


@pytest.mark.parametrize(
    ("id", "corpus", "unit"), [("eqn", "bundled-emotions", "word"), ("eacl", "bundled-conversations", "turn")]
)
def test_the_command_with_a_method_that_labels(
    id: str, corpus: str, unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "drops.json"
    checkpoint = save(built(id), tmp_path / "small.ckpt", tuned=0.01 if id == "eqn" else None)
    options = ["--corpus", corpus, "--documents", "2", "--draws", "2", "--blank", "--json", str(path)]
    assert explain_check.main([str(checkpoint), *options]) == 0
    assert f"2 {unit}s" in capsys.readouterr().out
    assert {row["unit"] for row in json.loads(path.read_text(encoding="utf-8"))["drops"]} == {unit}


def test_without_a_fitting_document_it_says_what_is_needed() -> None:
    with pytest.raises(ZooError, match=r"a label above 0\.3 with at least 4 other turns"):
        explain_check.check(Annotator(built("eqn")), [document_from_texts("a", ["Too short ."])], 3)
