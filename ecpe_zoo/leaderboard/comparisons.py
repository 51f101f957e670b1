"""Which rows of a board are compared: by a rule that is the same for all, so that Holm's correction counts them all.

A method is compared with the rule without training and with the best method of its encoder. An ablation is compared
with its method alone. The best is the best by test scores, so that differences to it are biased against the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from ecpe_zoo.leaderboard.papers import about
from ecpe_zoo.results.naming import declared_method, idle_settings
from ecpe_zoo.results.significance import MethodComparison, compare, compare_sound
from ecpe_zoo.results.store import RunGroup, encoder_of
from ecpe_zoo.results.verdict import Verdict, adjusted, folds_of, judge

RULE = "rule"

Why = Literal["its method", "the best of its encoder", "the rule", "chosen"]


class Against(NamedTuple):
    """A comparison of a row with another one.

    Args:
        label: Label of the other row.
        why: Why it is compared with that row.
        verdict: What the runs say, adjusted for all comparisons of the board.
        documents: Tests over documents; None if they cannot be counted.
        sound: `documents` without the collapsed runs of both rows; None if none collapsed.
    """

    label: str
    why: Why
    verdict: Verdict
    documents: MethodComparison | None
    sound: MethodComparison | None


def references(groups: Mapping[str, RunGroup], against: str | None = None) -> dict[tuple[str, str], Why]:
    """The comparisons of one protocol's rows as (row, other row).

    Args:
        groups: Finished rows by label, with weights chosen as the protocol says.
        against: Label of the row that all others are compared with, in place of these comparisons.
    """
    if against is not None:
        return (
            {(label, against): "chosen" for label in groups if label != against} if against in groups else {}
        )
    found: dict[tuple[str, str], Why] = {}
    rules = [name for name, group in groups.items() if group.method == RULE and not _ablated(group)]
    best = _best_by_encoder(groups)
    for label, group in groups.items():
        if (method := method_of(label, groups)) is not None:
            found[label, method] = "its method"
            continue
        leader = best.get(encoder_of(group.first))
        if leader not in (None, label) and label not in rules:
            found[label, leader] = "the best of its encoder"
        found |= {(label, rule): "the rule" for rule in rules if label != rule}
    return found


def _settings(group: RunGroup) -> set[tuple[str, str]]:
    """What decides its results: names and values, which may be lists, as text."""
    return {
        (name, json.dumps(value, sort_keys=True, default=str)) for name, value in group.first.settings.items()
    }


def _ablated(group: RunGroup) -> set[tuple[str, str]]:
    """The ablations among its settings. A form with a name of its own is none: Indep is no ablation of Inter-EC."""
    method, known = declared_method(group.first.record), about(group.method)
    names = frozenset() if method is None else method.ablations
    if known is not None:
        names -= {form.partition("=")[0] for form in known.forms}
    return {
        (name, value) for name, value in _settings(group) if name.startswith("model.") and name[6:] in names
    }


def method_of(label: str, groups: Mapping[str, RunGroup]) -> str | None:
    """The row whose ablation this is: fewer ablations, and all other settings that matter the same; None if none is."""
    group = groups[label]
    own, idle = _ablated(group), idle_settings(group.first.record)
    rest = _settings(group) - own
    found = [
        (len(theirs), other)
        for other, it in groups.items()
        if it.method == group.method
        and it.content == group.content
        and (theirs := _ablated(it)) < own
        and {(name, value) for name, value in _settings(it) - theirs if name not in idle} == rest
    ]
    return min(found)[1] if found else None


def _best_by_encoder(groups: Mapping[str, RunGroup]) -> dict[str, str]:
    """Encoder -> label of its best method: of those with the most folds, the one with the highest mean."""
    best: dict[str, tuple[int, float, str]] = {}
    for label, group in groups.items():
        spread = group.spread()
        if (
            group.method == RULE
            or spread is None
            or not group.comparable
            or method_of(label, groups) is not None
        ):
            continue
        encoder, standing = encoder_of(group.first), (len(group.folds), spread.over.mean, label)
        best[encoder] = max(best.get(encoder, standing), standing)
    return {encoder: label for encoder, (_, _, label) in best.items()}


def compare_rows(
    groups: Mapping[str, RunGroup],
    countable: frozenset[str],
    against: str | None,
    root: Path | None,
    resamples: int,
) -> dict[str, tuple[Against, ...]]:
    """All comparisons of one protocol's rows, by label; the most telling one of a row comes first.

    Args:
        groups: See `references`.
        countable: Labels of rows whose documents can be counted.
        against: See `references`.
        root: Folder of the corpora.
        resamples: Draws of the tests over documents.
    """
    pairs = references(groups, against)
    folds = folds_of(groups.values()) if groups else 1
    found: dict[tuple[str, str], tuple[Verdict, MethodComparison | None, MethodComparison | None]] = {}
    for one, two in pairs:
        first, second = groups[one], groups[two]
        if not set(first.folds) & set(second.folds):
            continue
        documents = sound = None
        if {one, two} <= countable:
            documents = compare(first, second, root, resamples)
            sound = compare_sound(first, second, root, resamples)
        verdict = judge(first, second, folds, float("nan")) if documents is None else documents.verdict
        found[one, two] = verdict, documents, sound
    corrected = adjusted({pair: verdict for pair, (verdict, _, _) in found.items()})
    made: dict[str, tuple[Against, ...]] = {}
    for (one, two), (_, documents, sound) in found.items():
        verdict = corrected[one, two]
        shown = None if documents is None else replace(documents, verdict=verdict)
        made[one] = (*made.get(one, ()), Against(two, pairs[one, two], verdict, shown, sound))
    return made
