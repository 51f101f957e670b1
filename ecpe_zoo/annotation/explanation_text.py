"""Explanations as lines for a terminal."""

from __future__ import annotations

from ecpe_zoo.annotation.explanations import Answer, Clue, Explanation, strongest_words
from ecpe_zoo.escaping import visible

MOST = 5
"""Parts and tokens of an answer that are listed, the strongest ones."""

OF_A_PART = 4
"""Tokens of a part that are listed, the strongest ones."""

WIDEST = 100
"""Characters of a part's text that are shown."""


def lines_of(explanation: Explanation, most: int = MOST) -> list[str]:
    """An explanation in lines, without control characters.

    Args:
        explanation: What to show.
        most: Parts that are listed with each answer, and tokens with each clue.
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
    if answer.tokens is not None:
        found = answer.strongest_tokens(most, OF_A_PART)
        lines.append("   tokens, gradient times input:" if found else "   no token changes the score")
        for number, tokens in found:
            listed = ", ".join(f"{token} {short(value)}" for token, value in tokens)
            lines.append(f"   {number:4}  {listed}")
    return lines


def short(value: float) -> str:
    """A contribution in three digits.

    >>> short(0.0123456), short(-0.5), short(0.00001234)
    ('+0.0123', '-0.5', '+1.23e-05')
    """
    return f"{value:+.3g}"


def _clue(clue: Clue, most: int) -> list[str]:
    if clue.tokens is not None:
        words = (f"{n}:{text} {value:+.4f}" for n, text, value in strongest_words(clue.tokens, most))
        return [f"-- {clue.name}: {', '.join(words) or 'none'}"]
    listed = (
        f"{number} {value:.4f}" for number, value in enumerate(clue.segments or (), 1) if value is not None
    )
    return [f"-- {clue.name}: {', '.join(listed)}"]
