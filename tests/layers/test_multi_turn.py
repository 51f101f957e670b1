"""The rules that make pairs of answers, against transcriptions of the released loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from ecpe_zoo.data.predictions import Array
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.multi_turn import (
    AGREED,
    CE,
    CSEE,
    EE,
    ESCE,
    Answers,
    Combine,
    combined,
    pairs_both_ways,
    pairs_in_turns,
)
from ecpe_zoo.metrics.pairs import GRID
from ecpe_zoo.text.queries import Query

Tables = tuple[Array, Array, Array, Array]
"""EE (N,), CE (N,), ESCE (N, N) by emotion, CSEE (N, N) by cause: P(i|c) is [c, i]."""


def tables(seed: int, size: int) -> Tables:
    draw = np.random.default_rng(seed)
    shapes = ((size,), (size,), (size, size), (size, size))
    ee, ce, esce, csee = (draw.random(shape).astype(np.float32) for shape in shapes)
    return ee, ce, esce, csee


def opened(*documents: Tables) -> dict[Query, Tensor]:
    first = {Query(d, EE): table[0] for d, table in enumerate(documents)}
    first |= {Query(d, CE): table[1] for d, table in enumerate(documents)}
    return {query: torch.from_numpy(p) for query, p in first.items()}


def answering(*documents: Tables) -> Callable[[Sequence[Query]], Answers]:
    def ask(queries: Sequence[Query]) -> Answers:
        place = {ESCE: 2, CSEE: 3}
        return {q: torch.from_numpy(documents[q.document][place[q.kind]][q.asked]) for q in queries}

    return ask


def released(
    tables: Tables, above: float = 0.5, window: int = 999, elsewhere: float = 1.0, stale: bool = False
) -> dict[tuple[int, int], float]:
    """MM-R's loop without its list, in double precision: pairs in the order found, then those that CSEE brings.

    Args:
        stale: take P(c|e) of an added pair from the array of the last emotion, as the released code does.
    """
    ee, _, esce, csee = (table.astype(np.float64) for table in tables)
    emotions = [e for e in range(len(ee)) if ee[e] > above]
    pairs, scores = [], []
    for e in emotions:
        causes = esce[e]
        for c in range(len(causes)):
            if causes[c] > 0.5 and abs(c - e) <= window:
                score = ee[e] * causes[c]
                if not 0 <= c - e <= 2:
                    score *= elsewhere
                pairs.append((e, c))
                scores.append(score)
    more, brought = [], []
    for k, (e, c) in enumerate(list(pairs)):
        again = csee[c]
        for i in range(len(again)):
            if again[i] > 0.5 and i != e:
                scores[k] *= 0.7
                brought.append(again[i] * (esce[emotions[-1]][c] if stale else esce[e][c]))
                more.append((i, c))
    for pair, score in zip(more, brought, strict=True):
        if pair not in pairs:
            pairs.append(pair)
            scores.append(score)
    return dict(zip(pairs, scores, strict=True))


def as_table(pairs: Mapping[tuple[int, int], float], size: int) -> np.ndarray:
    found = np.zeros((size, size))
    for pair, score in pairs.items():
        found[pair] = score
    return found


@pytest.mark.parametrize(("window", "elsewhere"), [(None, 1.0), (1, 0.9), (2, 1.0), (None, 0.9)])
def test_rethink_is_the_released_loop(window: int | None, elsewhere: float) -> None:
    documents = [tables(seed, 1 + seed % 7) for seed in range(60)]
    found = pairs_in_turns(
        opened(*documents), answering(*documents), 0.5, "mm-r", 0.7, window=window, elsewhere=elsewhere
    )
    shared = 0
    for document, scores in zip(documents, found, strict=True):
        size = len(document[0])
        pairs = released(document, 0.5, 999 if window is None else window, elsewhere)
        np.testing.assert_allclose(scores["pair"], as_table(pairs, size), atol=1e-6)
        causes = [c for _, c in pairs]
        shared += sum(causes.count(c) > 1 for c in set(causes))
    assert shared > 50  # causes of several emotions


def test_the_stale_array_of_the_released_loop_is_not_copied() -> None:
    """The emotion of the doubted pair gives P(c|e) of an added pair, not the last emotion that was asked about."""
    documents = [tables(seed, 5) for seed in range(40)]
    found = pairs_in_turns(opened(*documents), answering(*documents), 0.5, "mm-r", 0.7)
    other = [
        not np.allclose(scores["pair"], as_table(released(document, stale=True), 5))
        for document, scores in zip(documents, found, strict=True)
    ]
    assert sum(other) > 10


def test_rethink_on_three_emotions_that_share_a_cause() -> None:
    """By hand: ESCE(0) and ESCE(1) adopt clause 3, ESCE(2) does not; CSEE(3) returns 0, 2 and 4, which EE left out."""
    ee = np.array([0.9, 0.8, 0.7, 0.1, 0.3], np.float32)
    esce, csee = np.zeros((5, 5), np.float32), np.zeros((5, 5), np.float32)
    esce[0, 3], esce[1, 3], esce[2, 3], esce[2, 1] = 0.8, 0.6, 0.4, 0.9
    csee[3, [0, 1, 2, 4]] = 0.95, 0.2, 0.9, 0.6
    csee[1] = 0.3  # returns nothing: (2, 1) keeps its score
    document = (ee, np.zeros(5, np.float32), esce, csee)
    (scores,) = pairs_in_turns(opened(document), answering(document), 0.5, "mm-r", 0.7)
    expected = {
        (0, 3): 0.9 * 0.8 * 0.7**2,  # doubted by 2 and by 4, although 0 is returned too
        (1, 3): 0.8 * 0.6 * 0.7**3,  # doubted by 0, 2 and 4
        (2, 1): 0.7 * 0.9,
        (2, 3): 0.9 * 0.8,  # P(2|3) P(3|0): the first pair that brings it
        (4, 3): 0.6 * 0.8,
    }
    np.testing.assert_allclose(scores["pair"], as_table(expected, 5), atol=1e-6)


def test_without_a_question_about_causes_there_is_no_score_of_causes() -> None:
    document = tables(0, 4)
    first = {query: p for query, p in opened(document).items() if query.kind == EE}
    (scores,) = pairs_in_turns(first, answering(document), rethink="mm-r")
    assert set(scores) == {"pair", "emotion"}


def read_out(tables: Tables, rule: str, t: float) -> set[tuple[int, int]]:
    """CD-MRC's sets, by loops."""
    ee, ce, esce, csee = tables
    size = range(len(ee))

    def forward(t: float) -> set[tuple[int, int]]:
        return {(e, c) for e in size if ee[e] > 0.5 for c in size if esce[e, c] > np.float32(t)}

    def backward(t: float) -> set[tuple[int, int]]:
        return {(e, c) for c in size if ce[c] > 0.5 for e in size if csee[c, e] > np.float32(t)}

    match rule:
        case "set":
            return (forward(0.5) & backward(0.5)) | forward(t) | backward(t)
        case "forward":
            return forward(t)
        case "backward":
            return backward(t)
        case "union":
            return forward(t) | backward(t)
    return forward(t) & backward(t)


@pytest.mark.parametrize("rule", ["set", "forward", "backward", "union", "intersection"])
def test_a_threshold_of_the_score_gives_the_released_sets(rule: Combine) -> None:
    """At every t that tuning tries, and at the released ones."""
    documents = [tables(seed, 2 + seed % 6) for seed in range(40)]
    found = pairs_both_ways(opened(*documents), answering(*documents), 0.5, rule)
    for document, scores in zip(documents, found, strict=True):
        np.testing.assert_array_equal(scores["emotion"], document[0])
        np.testing.assert_array_equal(scores["cause"], document[1])
        before = None
        for t in GRID:
            pairs = set(map(tuple, (scores["pair"] > t).nonzero().tolist()))
            assert pairs == read_out(document, rule, t), t
            assert before is None or pairs <= before
            before = pairs


def test_pairs_that_both_adopt_keep_their_order_above_every_threshold() -> None:
    forward = torch.tensor([[0.51, 0.6, 0.9, 0.995, 0.2]])
    backward = torch.tensor([[0.9, 0.7, 0.8, 0.3, 0.4]])
    scores = combined(forward, backward, "set")[0]
    assert scores[:3].tolist() == sorted(scores[:3].tolist())
    assert (scores[:3] > AGREED).all()
    assert max(GRID) <= AGREED
    assert scores[3:].tolist() == pytest.approx([0.995, 0.4])
    assert scores.max() <= 1


def test_an_unknown_combination_lists_the_choices() -> None:
    with pytest.raises(ZooError, match=r"--model\.combine to be one of: set, forward, .* 'both'"):
        combined(torch.zeros(1, 1), torch.zeros(1, 1), "both")  # type: ignore[arg-type]
