"""Explanations as lines for a terminal."""

from __future__ import annotations

from ecpe_zoo.annotation.explanations import Answer, Clue, Explanation, Token
from ecpe_zoo.escaping import visible

MOST = 5
"""Parts and tokens of an answer that are listed, the strongest ones."""

WIDEST = 100
"""Characters of a part's text that are shown."""


def lines_of(explanation: Explanation, most: int = MOST) -> list[str]:
    """An explanation in lines, without control characters.

    Args:
        explanation: What to show.
        most: Parts and tokens that are listed with each answer.
    """
    lines = [f"== {explanation.id}"]
    for number, part in enumerate(explanation.parts, start=1):
        speaker = f"{part.speaker}: " if part.speaker else ""
        lines.append(f"{number:4}  {speaker}{part.text}")
    if explanation.truncated:
        lines.append(f"not read to their end: {explanation.truncated} segments")
    if not explanation.answers:
        lines.append("no answer")
    for answer in explanation.answers:
        lines += _answer(explanation, answer, most)
    for clue in explanation.clues:
        lines += _clue(clue, most)
    return [visible(line) for line in lines]


def score_text(answer: Answer) -> str:
    """The score of an answer, and whether it is given.

    >>> score_text(Answer(emotion=1, cause=1, score=0.25, given=False))
    'score 0.2500, too low to be given'
    """
    score = "no score" if answer.score is None else f"score {answer.score:.4f}"
    return score if answer.given else f"{score}, too low to be given"


def _answer(explanation: Explanation, answer: Answer, most: int) -> list[str]:
    lines = [f"-- {answer.name}: {score_text(answer)}"]
    if answer.changes is not None:
        strongest = answer.strongest(most)
        lines += [] if strongest else ["   no part changes the score"]
        for number, change in strongest:
            part = explanation.parts[number - 1]
            how = "blanked" if part.segment in answer.own and explanation.segmented else "left out"
            text = part.text if len(part.text) <= WIDEST else f"{part.text[:WIDEST]}…"
            lines.append(f"   {-change:+.4f} without {number} ({how})  {text}")
    return lines


def _clue(clue: Clue, most: int) -> list[str]:
    if clue.tokens is not None:
        return [f"-- {clue.name}: {_strongest_tokens(clue.tokens, most)}"]
    listed = (
        f"{number} {value:.4f}" for number, value in enumerate(clue.segments or (), 1) if value is not None
    )
    return [f"-- {clue.name}: {', '.join(listed)}"]


def _strongest_tokens(tokens: tuple[tuple[Token, ...], ...], most: int) -> str:
    """The tokens with the largest values, each after the number of its segment."""
    placed = [
        (number, place, text, value)
        for number, segment in enumerate(tokens, start=1)
        for place, (text, value) in enumerate(segment)
        if value
    ]
    placed.sort(key=lambda item: (-abs(item[3]), item[0], item[1]))
    return ", ".join(f"{number}:{text} {value:+.4f}" for number, _, text, value in placed[:most]) or "none"
