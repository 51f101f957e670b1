"""Predictions as plain rows, one for each entry, and as cells of a table.

An entry that was given as one text has its answer next to its `text`; one that was given as segments has a list
`segments` with an answer each. Segments are counted from 1. Probabilities and intensities (0.0 to 10.0) are rounded to
4 decimals.

emotions   `emotions`: {label: intensity}, the strongest first: those above the threshold, else the strongest one
           alone; `above_threshold`: whether the strongest is above it
erc        `emotion` and its `probability`
ecpe       `clauses`, and `pairs` of `emotion` and `cause` (numbers of clauses), `probability`, and both texts,
           the most probable first

`truncated` counts the segments that the model did not read to their end. A blank text has an empty answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecpe_zoo.annotation.inputs import Entry
from ecpe_zoo.data.predictions import Array, Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.metrics.emotions import STRONGEST
from ecpe_zoo.tasks import Task

Row = dict[str, Any]
Cell = str | int | float

DIGITS = 4
JOINT = "; "
"""Between the labels of one cell."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How predictions become rows.

    Args:
        task: Task of the method.
        labels: Names of the C labels; none for pairs.
        threshold: Pairs and emotions that score above it are given, if `by_threshold`.
        by_threshold: Whether the threshold decides; else the `top` highest are given, whatever they score.
        top: Most pairs or emotions; for emotions of conversations, the length of an additional list.
        every: Add all scores, as `scores`.
    """

    task: Task
    labels: tuple[str, ...]
    threshold: float
    by_threshold: bool = True
    top: int | None = None
    every: bool = False

    # --- rows

    def row(self, entry: Entry, shown: Sequence[str], places: Sequence[int], found: Prediction | None) -> Row:
        """The answer to one entry.

        Args:
            entry: The entry.
            shown: Its N segments, as they are shown.
            places: 0-based indices of those that the model was given.
            found: Prediction for these; None if there are none.
        """
        truncated = found.truncated if found is not None else 0
        if not self.task.labelled:
            pairs = self._pairs(shown, places, found)
            return {"id": entry.id, "clauses": list(shown), **pairs, "truncated": truncated}
        scores: list[Array | None] = [None] * len(shown)
        for row, place in enumerate(places):
            if found is not None and not np.isnan(found.scores["emotions"][row]).any():
                scores[place] = found.scores["emotions"][row]
        answer = self._emotions if self.task.thresholded else self._emotion
        if entry.whole:
            return {"id": entry.id, "text": entry.texts[0], **answer(scores[0]), "truncated": truncated}
        segments = [
            {"number": number, "speaker": speaker, "text": text, **answer(score)}
            for number, (speaker, text, score) in enumerate(
                zip(entry.speakers, shown, scores, strict=True), start=1
            )
        ]
        return {"id": entry.id, "segments": segments, "truncated": truncated}

    def _emotions(self, scores: Array | None) -> Row:
        if scores is None:
            return {"emotions": {}, "above_threshold": False} | ({"scores": {}} if self.every else {})
        order = np.argsort(-scores, kind="stable")
        above = scores > np.float32(self.threshold)
        chosen = [index for index in order if above[index]] if self.by_threshold else list(order)
        chosen = (chosen or [order[0]])[: self.top]
        row: Row = {
            "emotions": {self.labels[index]: _rounded(STRONGEST * scores[index]) for index in chosen},
            "above_threshold": bool(above[order[0]]),
        }
        return row | ({"scores": self._scores(STRONGEST * scores)} if self.every else {})

    def _emotion(self, scores: Array | None) -> Row:
        if scores is None:
            more: Row = ({"emotions": {}} if self.top else {}) | ({"scores": {}} if self.every else {})
            return {"emotion": None, "probability": None, **more}
        order = np.argsort(-scores, kind="stable")
        row: Row = {"emotion": self.labels[order[0]], "probability": _rounded(scores[order[0]])}
        if self.top:
            row["emotions"] = {self.labels[index]: _rounded(scores[index]) for index in order[: self.top]}
        return row | ({"scores": self._scores(scores)} if self.every else {})

    def _scores(self, scores: Array) -> dict[str, float]:
        return {label: _rounded(score) for label, score in zip(self.labels, scores, strict=True)}

    def _pairs(self, shown: Sequence[str], places: Sequence[int], found: Prediction | None) -> Row:
        if found is None or "pair" not in found.scores:  # a first stage predicts none
            return {"pairs": []} | ({"scores": {"pair": []}} if self.every else {})
        pair = found.scores["pair"]  # (N, N) over the places
        order = np.argsort(-pair, axis=None, kind="stable")
        if self.by_threshold:
            order = order[: int((pair > np.float32(self.threshold)).sum())]
        row: Row = {
            "pairs": [
                _pair(shown, places[index // len(pair)], places[index % len(pair)], pair.flat[index])
                for index in order[: self.top].tolist()
            ]
        }
        return row | ({"scores": self._pair_scores(len(shown), places, found)} if self.every else {})

    def _pair_scores(self, size: int, places: Sequence[int], found: Prediction) -> Row:
        """Scores over all segments that are shown; 0 for blank ones."""
        scores: Row = {}
        for name in ("pair", "emotion", "cause"):
            if name in found.scores:
                given = found.scores[name]
                padded = np.zeros((size,) * given.ndim, dtype=np.float64)
                padded[np.ix_(*[places] * given.ndim)] = given
                scores[name] = np.round(padded, DIGITS).tolist()
        return scores

    # --- tables

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a table: a row for each pair (a document without any has one, too), or for each segment."""
        if not self.task.labelled:
            return ("id", "emotion", "cause", "probability", "emotion_text", "cause_text", "truncated")
        answer: tuple[str, ...] = ("emotions", "intensities", "above_threshold")
        if not self.task.thresholded:
            answer = ("emotion", "probability", *(("emotions", "probabilities") if self.top else ()))
        labels = self.labels if self.every else ()
        return ("id", "segment", "speaker", "text", *answer, "truncated", *labels)

    def cells(self, row: Row) -> list[list[Cell]]:
        """A result of `row` as rows of a table; an unknown value is an empty cell."""
        listed = self._segment_cells(row) if self.task.labelled else self._pair_cells(row)
        return [["" if cell is None else cell for cell in cells] for cells in listed]

    def _pair_cells(self, row: Row) -> list[list[Any]]:
        pairs = row["pairs"]
        if self.every:
            pairs = [
                _pair(row["clauses"], emotion, cause, score)
                for emotion, scores in enumerate(row["scores"]["pair"])
                for cause, score in enumerate(scores)
            ]
        names = self.columns[1:-1]
        return [[row["id"], *(pair.get(name) for name in names), row["truncated"]] for pair in pairs or [{}]]

    def _segment_cells(self, row: Row) -> list[list[Any]]:
        segments = row.get("segments", [{"number": 1, "speaker": None, **row}])
        rows: list[list[Any]] = []
        for segment in segments:
            several = segment.get("emotions", {})
            listed = [JOINT.join(several), JOINT.join(str(value) for value in several.values())]
            if self.task.thresholded:
                answer = [*listed, str(segment["above_threshold"]).lower()]
            else:
                answer = [segment["emotion"], segment["probability"], *(listed if self.top else ())]
            every = [segment["scores"].get(label) for label in self.labels] if self.every else []
            about = [row["id"], segment["number"], segment["speaker"], segment["text"]]
            rows.append([*about, *answer, row["truncated"], *every])
        return rows


def _pair(shown: Sequence[str], emotion: int, cause: int, score: float) -> Row:
    return {
        "emotion": emotion + 1,
        "cause": cause + 1,
        "probability": _rounded(score),
        "emotion_text": shown[emotion],
        "cause_text": shown[cause],
    }


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)


def answers_for(
    method: Method, threshold: float | None = None, top: int | None = None, every: bool = False
) -> Answers:
    """How a method's predictions become rows.

    Args:
        method: Trained method.
        threshold: Threshold instead of the tuned one.
        top: Most pairs or emotions; without `threshold` exactly so many, if there are as many.
        every: Add all scores.

    Raises:
        ZooError: The method has no threshold, or a number is out of range.
    """
    if threshold is not None and not method.task.thresholded:
        raise ZooError(
            f"Expected no --threshold with {method.id!r}, which gives each text its most probable emotion, but got "
            f"{threshold}. Ask for more of them with --top."
        )
    if threshold is not None and not 0 <= threshold < 1:
        raise ZooError(
            f"Expected --threshold to be a score from 0 to below 1 (intensities are ten times that), but got "
            f"{threshold}."
        )
    if top is not None and top < 1:
        raise ZooError(f"Expected --top to be at least 1, but got {top}.")
    labels = method.labels if method.task.labelled else ()
    tuned = method.threshold if method.tuned is None else method.tuned
    used = tuned if threshold is None else threshold
    return Answers(method.task, labels, used, threshold is not None or top is None, top, every)
