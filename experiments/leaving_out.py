"""The score of an answer without some parts of its text: those that a ranking puts first, or random ones.

What is scored, and the parts that can be left out:

- methods of pairs: the pair with the highest score, if it is predicted; the clauses outside of it;
- methods that label, a conversation: the predicted label of one judged turn; the other turns that the method reads for
  it (if it has gradients, those of which at least one token was read; else all);
- methods of the task `emotions`, a single text: its predicted label; the words between spaces, as far as the method
  reads them.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ecpe_zoo.annotation.annotator import Annotator
from ecpe_zoo.annotation.occlusion import BLANK, Target
from ecpe_zoo.corpora.document import Document

SIZES = (1, 2)
"""Parts that are left out together."""

Unit = Literal["clause", "turn", "word"]

FEWEST: Mapping[Unit, int] = {"clause": 4, "turn": 4, "word": 8}
"""Parts that a document needs: of fewer, random ones are nearly the same as the first."""

LEFT_OUT, ABSOLUTE, SIGNED, CLUES = "left out alone", "gradients, absolute", "gradients, signed", "own clues"

Values = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Drop:
    """The drop of a document's score.

    Args:
        id: Id of the document.
        unit: What was left out.
        ranking: Name of the ranking.
        size: Parts that were left out.
        top: Drop without the first ones of the ranking.
        random: Drop without as many random ones, for each draw.
    """

    id: str
    unit: Unit
    ranking: str
    size: int
    top: float
    random: tuple[float, ...]


class Case(NamedTuple):
    """A score, and the parts of its document that can be left out.

    Args:
        document: Document without gold; in a conversation only the turn of the score is judged.
        unit: Clauses and turns are segments, words are those of the only segment.
        target: The score.
        among: Indices of the parts, in order.
        tokens: Gradients times input of the tokens of each part; None without gradients.
    """

    document: Document
    unit: Unit
    target: Target
    among: list[int]
    tokens: Mapping[int, Values] | None


# --- what is scored


def case_of(annotator: Annotator, document: Document, threshold: float, chance: random.Random) -> Case | None:
    """The case of a document; None if nothing is predicted, or it has too few parts.

    Args:
        annotator: Applies the method.
        document: Document, with or without gold.
        threshold: Score that a predicted pair or label exceeds.
        chance: Draws the turn.
    """
    document = document.without_gold()
    if not annotator.method.task.labelled:
        return _pair(annotator, document, threshold)
    if len(document) == 1 and annotator.method.task.thresholded:  # else a conversation of one turn
        return _label(annotator, document, 0, "word", threshold)
    judged = [index for index, segment in enumerate(document.segments) if segment.judged]
    found = (
        _label(annotator, _judged_alone(document, index), index, "turn", threshold)
        for index in chance.sample(judged, len(judged))
    )
    return next((case for case in found if case is not None), None)


def _pair(annotator: Annotator, document: Document, threshold: float) -> Case | None:
    (full,) = annotator.predict([document])
    pair = full.scores["pair"]
    target = Target(*divmod(int(pair.argmax()), len(pair)))
    among = [index for index in range(len(document)) if index not in target.own]
    if len(among) < FEWEST["clause"] or not target.score(full) > threshold:
        return None
    assert target.cause is not None
    found = annotator.contributions(document, [(target.segment, target.cause)])
    return Case(document, "clause", target, among, None if found is None else dict(enumerate(found[0])))


def _label(annotator: Annotator, document: Document, index: int, unit: Unit, threshold: float) -> Case | None:
    """The case of the label of a segment."""
    segment = document.segments[index]
    size = len(segment.words) if unit == "word" else len(document)
    among = [part for part in range(size) if unit == "word" or part != index]
    if len(among) < FEWEST[unit]:
        return None
    (full,) = annotator.predict([document])
    label = int(full.scores["emotions"][index].argmax())
    target = Target(index, label=label)
    if not target.score(full) > threshold:
        return None
    found = annotator.contributions(document, [(index, label)])
    if found is None:
        return Case(document, unit, target, among, None)
    values = found[0]
    if unit == "word":  # a method may read the speaker before the text
        pieces = annotator.method.token_texts(replace(segment, speaker=None))
        values = by_word(segment.text, pieces, values[0][len(values[0]) - len(pieces) :])
    among = [part for part in among if not np.isnan(values[part]).all()]
    if len(among) < FEWEST[unit]:
        return None
    return Case(document, unit, target, among, dict(enumerate(values)))


def _judged_alone(document: Document, index: int) -> Document:
    """A conversation in which all other turns are context: tokens that are not read for this one have no gradient."""
    segments = tuple(replace(s, judged=place == index) for place, s in enumerate(document.segments))
    return replace(document, segments=segments)


def by_word(text: str, pieces: Sequence[str], values: Iterable[float]) -> list[Values]:
    """The values of the tokens of each word of a text; a token belongs to the word in which it starts.

    Args:
        text: Text; spaces separate its words.
        pieces: Its tokens as written, in order.
        values: One for each token.

    >>> by_word("I'm so glad!", ["I'm", "so", "gla", "d", "!"], [1, 2, 3, 4, 5])
    [array([1.]), array([2.]), array([3., 4., 5.])]
    """
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    found: list[list[float]] = [[] for _ in starts]
    at = 0
    for piece, value in zip((piece.strip() for piece in pieces), values, strict=True):
        start = text.find(piece, at)
        known = (
            start >= 0 and len(text[at:start].split()) <= 1
        )  # else the rest of a character, or replaced text
        at = start if known else at
        found[max(bisect_right(starts, at) - 1, 0)].append(value)
        at += len(piece) if known else 0
    return [np.array(some, dtype=np.float64) for some in found]


# --- leaving out


def without(
    document: Document, parts: Sequence[int], blank: bool, unit: Unit = "clause"
) -> tuple[Document, list[int | None]]:
    """A document without parts, and the index of each segment in it.

    Args:
        document: Document without gold.
        parts: Indices of the parts.
        blank: Whether their text becomes `BLANK` instead.
        unit: What the parts are.
    """
    id = f"{document.id} without {sorted(parts)}"
    segments = document.segments
    texts = segments[0].words if unit == "word" else [segment.text for segment in segments]
    kept = [
        (place, BLANK if place in parts else text)
        for place, text in enumerate(texts)
        if blank or place not in parts
    ]
    if unit == "word":
        left = replace(segments[0], text=" ".join(word for _, word in kept))
        return replace(document, id=id, segments=(left,)), [0]
    new = tuple(replace(segments[place], text=text) for place, text in kept)
    places = {old: place for place, (old, _) in enumerate(kept)}
    return replace(document, id=id, segments=new), [places.get(old) for old in range(len(document))]


def rankings(annotator: Annotator, case: Case, alone: Mapping[int, float]) -> dict[str, list[int]]:
    """The parts in the order of each ranking, the most important first.

    Args:
        annotator: Applies the method.
        case: What is scored.
        alone: Drop of the score without each part.
    """
    weights: dict[str, Mapping[int, float]] = {LEFT_OUT: alone}
    if case.tokens is not None:
        tokens = case.tokens
        weights[ABSOLUTE] = {part: float(np.nansum(np.abs(tokens[part]))) for part in case.among}
        weights[SIGNED] = {part: float(np.nansum(tokens[part])) for part in case.among}
    with torch.inference_mode():
        clues = annotator.method.clues(case.document)
    if clues is not None and clues.tokens and case.unit != "word":
        tables = list(clues.tokens.values())
        weights[CLUES] = {i: float(max(np.nanmax(t[i], initial=0.0) for t in tables)) for i in case.among}
    return {name: sorted(case.among, key=lambda part: (-by[part], part)) for name, by in weights.items()}


def drops(
    annotator: Annotator, document: Document, threshold: float, draws: int, chance: random.Random, blank: bool
) -> list[Drop]:
    """The drops of a document; none if it has no case.

    Args:
        annotator: Applies the method.
        document: Document, with or without gold.
        threshold: See `case_of`.
        draws: Random draws for each size.
        chance: Draws the turn and the random parts.
        blank: See `without`.
    """
    case = case_of(annotator, document, threshold, chance)
    if case is None:
        return []
    chosen = {size: [chance.sample(case.among, size) for _ in range(draws)] for size in SIZES}
    known = _without_each(annotator, case, [[part] for part in case.among], blank)
    orders = rankings(annotator, case, {part: known[part,] for part in case.among})
    wanted = [order[:size] for order in orders.values() for size in SIZES]
    wanted += [parts for size in SIZES for parts in chosen[size]]
    known |= _without_each(annotator, case, [parts for parts in wanted if _key(parts) not in known], blank)
    return [
        Drop(
            document.id,
            case.unit,
            name,
            size,
            known[_key(order[:size])],
            tuple(known[_key(p)] for p in chosen[size]),
        )
        for name, order in orders.items()
        for size in SIZES
    ]


def _key(parts: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(parts))


def _without_each(
    annotator: Annotator, case: Case, sets: Sequence[Sequence[int]], blank: bool
) -> dict[tuple[int, ...], float]:
    """The drop of the score without each set of parts."""
    made = {_key(parts): without(case.document, parts, blank, case.unit) for parts in sets}
    predictions = annotator.predict([case.document, *(variant for variant, _ in made.values())])
    full = case.target.score(predictions[0])
    return {
        key: full - case.target.score(prediction, places)
        for (key, (_, places)), prediction in zip(made.items(), predictions[1:], strict=True)
    }
