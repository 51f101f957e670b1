"""What the answers of a trained method rest on: parts of the text, tokens, and the method's own clues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ecpe_zoo.annotation.annotator import Annotator
from ecpe_zoo.annotation.answers import DIGITS, Row
from ecpe_zoo.annotation.explanations import Answer, Clue, Explanation, Part, Token
from ecpe_zoo.annotation.inputs import Entry
from ecpe_zoo.annotation.occlusion import Piece, Target, changes
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.text.clauses import cut_clauses


class _Found(NamedTuple):
    """A score to explain, and its answer without the explanation."""

    target: Target
    answer: dict[str, Any]


class Explainer:
    """Explains the answers of an annotator, one text at a time; the same text always gives the same explanation.

    Args:
        annotator: Its threshold and `top` choose the answers.
        gradients: Whether tokens are explained by gradients; about the time of a training step for each answer.
    """

    def __init__(self, annotator: Annotator, gradients: bool = True) -> None:
        self.annotator, self.method, self.gradients = annotator, annotator.method, gradients

    def explain(self, entry: Entry) -> Explanation:
        """Explain the answers to a text.

        If no pair is above the threshold, the one with the highest score is explained, and marked as not given.

        Raises:
            ZooError: the device's memory is too small.
        """
        prepared = self.annotator.prepare([entry])
        (read,), (row,) = prepared.reads, self.annotator.answer(prepared)
        speakers = entry.speakers if len(entry.speakers) == len(read.shown) else (None,) * len(read.shown)
        shown = [
            Part(segment=number, text=text, speaker=speaker)
            for number, (text, speaker) in enumerate(zip(read.shown, speakers, strict=True), start=1)
        ]
        if read.document is None:
            return Explanation(id=row["id"], method=self.method.id, parts=tuple(shown), answers=())
        document, places = read.document, read.places
        (full,) = self.annotator.predict([document])
        find = self._labels if self.method.task.labelled else self._pairs
        found = find(row, places, full)
        pieces = [Piece(index, segment.text) for index, segment in enumerate(document.segments)]
        at = places
        if entry.whole and self.method.task.labelled:
            cut = [clause.text for clause in cut_clauses(document.segments[0].text, document.language)]
            pieces = [Piece(0, text) for text in cut] if cut else pieces
            shown = [Part(segment=1, text=piece.text.strip()) for piece in pieces]
            at = list(range(len(pieces)))
        targets = [item.target for item in found]
        table = changes(document, pieces, targets, full, self.annotator.predict)
        tokens = self._tokens(document, targets, len(read.shown), places)
        answers = [
            Answer.model_validate(
                item.answer | {"changes": _at(len(shown), at, values), "tokens": contributions}
            )
            for item, values, contributions in zip(found, table, tokens, strict=True)
        ]
        return Explanation(
            id=row["id"],
            method=self.method.id,
            parts=tuple(shown),
            answers=tuple(answers),
            clues=tuple(self._clues(document, len(read.shown), places)),
            truncated=row["truncated"],
        )

    # --- answers

    def _pairs(self, row: Row, places: Sequence[int], full: Prediction) -> list[_Found]:
        pair = full.scores.get("pair")
        if pair is None or not pair.size:
            return []
        at = {place: index for index, place in enumerate(places)}
        chosen = [(at[item["emotion"] - 1], at[item["cause"] - 1]) for item in row["pairs"]]
        given = bool(chosen)
        if not chosen and pair.max() > 0:
            chosen = [divmod(int(pair.argmax()), len(pair))]
        return [
            _Found(
                Target(e, c),
                {
                    "emotion": places[e] + 1,
                    "cause": places[c] + 1,
                    "score": rounded(pair[e, c]),
                    "given": given,
                },
            )
            for e, c in chosen
        ]

    def _labels(self, row: Row, places: Sequence[int], full: Prediction) -> list[_Found]:
        segments = row.get("segments", [row])
        found = []
        for index, place in enumerate(places):
            answer = segments[place]
            single = answer.get("emotion")
            named = list(answer.get("emotions", {})) or ([single] if single is not None else [])
            for label in named:
                target = Target(index, label=full.labels.index(label))
                about = {"segment": place + 1, "label": label, "score": rounded(target.score(full))}
                found.append(_Found(target, about | {"given": answer.get("above_threshold", True)}))
        return found

    # --- tokens

    def _tokens(
        self, document: Document, targets: Sequence[Target], size: int, places: Sequence[int]
    ) -> list[list[tuple[Token, ...]] | None]:
        """Gradient times input of all tokens of each segment, for each target; None without gradients."""
        found = None
        if self.gradients and targets:
            columns = [target.label if target.cause is None else target.cause for target in targets]
            at = [(target.segment, column or 0) for target, column in zip(targets, columns, strict=True)]
            found = self.annotator.contributions(document, at)
        if found is None:
            return [None] * len(targets)
        texts = [self.method.token_texts(segment) for segment in document.segments]
        listed: list[list[tuple[Token, ...]] | None] = []
        for values in found:
            segments: list[tuple[Token, ...]] = [()] * size
            for place, pieces, row in zip(places, texts, values, strict=True):
                numbers = (None if np.isnan(value) else significant(value) for value in row)
                segments[place] = tuple(zip(pieces, numbers, strict=True))
            listed.append(segments)
        return listed

    # --- the method's own clues

    def _clues(self, document: Document, size: int, places: Sequence[int]) -> list[Clue]:
        with torch.inference_mode():
            found = self.method.clues(document)
        if found is None:
            return []
        clues = []
        for name, table in found.tokens.items():
            listed: list[tuple[Token, ...]] = [()] * size
            for place, segment, values in zip(places, document.segments, table, strict=True):
                read = zip(self.method.token_texts(segment), values[~np.isnan(values)], strict=False)
                listed[place] = tuple((piece, rounded(value)) for piece, value in read)
            clues.append(Clue(name=name, tokens=tuple(listed)))
        for name, near in found.segments.items():
            clues.append(Clue(name=name, segments=_at(size, places, near)))
        return clues


def rounded(value: float) -> float:
    """A score or change as it is written, without a negative zero."""
    return round(float(value), DIGITS) + 0.0


def significant(value: float) -> float:
    """A contribution as it is written.

    >>> significant(-0.000123456), significant(-0.0)
    (-0.0001235, 0.0)
    """
    return float(f"{value:.4g}") + 0.0


def _at(size: int, places: Sequence[int], values: npt.NDArray[Any]) -> tuple[float | None, ...]:
    """Values at their places among all parts; None elsewhere and for NaN."""
    placed: list[float | None] = [None] * size
    for place, value in zip(places, values, strict=False):
        placed[place] = None if np.isnan(value) else rounded(value)
    return tuple(placed)
