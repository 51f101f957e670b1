"""The check that explanations mean something: what is left out, and the figures."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ecpe_zoo.annotation.annotator import Annotator
from ecpe_zoo.annotation.occlusion import BLANK
from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.errors import ZooError
from experiments import explain_check
from experiments.explain_check import ABSOLUTE, CLUES, LEFT_OUT, SIGNED, Drop, compare, drops, without
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


def test_figures_are_means_over_documents() -> None:
    draw = np.random.default_rng(0)
    top, chance = draw.normal(0.2, 0.1, 40), draw.normal(0.0, 0.1, (40, 3))
    rows = [Drop(str(i), ABSOLUTE, 2, float(top[i]), tuple(chance[i].tolist())) for i in range(40)]
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
    with pytest.raises(ZooError, match="emotion-cause pairs, but got eqn"):
        explain_check.check(Annotator(built("eqn")), some_documents("emotions"), 3)
