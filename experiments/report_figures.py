"""The figures of the report: forest plots as SVG files, in light and dark colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

from ecpe_zoo.errors import counted
from ecpe_zoo.leaderboard import plots
from ecpe_zoo.leaderboard.figures import templates
from ecpe_zoo.results import statistics
from experiments import position_check
from experiments import report_tables as tables
from experiments.report_names import bare
from experiments.report_tables import Practice, Row, full_titles, with_shared

TINTS = (5, 0, 1, 2)
"""Colours that the style sheet has for filled dots; the first is the rule's."""

CHOSEN, ON_TEST = ", threshold chosen on test", ", threshold on test"
"""Words of a title, and as many as fit above a row."""

MOST = "E2EECPE"
"""The method with most folds."""


def estimate(
    name: str, it: statistics.Spread, colour: int = 0, folds: Sequence[float] = ()
) -> plots.Estimate:
    """A row of a forest plot, in percent; hollow without an interval."""
    values = [100 * value for value in folds]
    hollow = math.isnan(it.low)
    return plots.Estimate(name, 100 * it.mean, 100 * it.low, 100 * it.high, colour, hollow, values)


def figure(name: str, title: str, dots: Sequence[plots.Estimate], label: str) -> str:
    """A forest plot as an SVG file of its own, in light and dark colours."""
    described = "; ".join(f"{dot.name} {dot.value:.1f}" for dot in dots)
    style = templates().get_template("picture.css").render()
    return plots.forest(name, title, described, dots, label, style) + "\n"


def over_rule(rows: Sequence[Row]) -> list[plots.Estimate]:
    """Each row minus the rule on the same folds, a colour for each encoder."""
    found = []
    for colour, listed in zip(cycle(TINTS), tables.by_encoder(rows).values(), strict=False):
        for row in listed:
            if (one := row.to("the rule")) is not None and (it := tables.difference(one)) is not None:
                name = f"{bare(row.name)} ({row.encoder})"
                found.append(estimate(name, it, colour, one.verdict.differences))
    return found


def figures(
    rows: Mapping[str, Sequence[Row]],
    practices: Mapping[str, Sequence[Practice]],
    position: Sequence[position_check.Row],
    share: float,
) -> dict[str, str]:
    """All figures: path below `experiments` -> SVG.

    Args:
        rows: Corpus -> rows.
        practices: Corpus -> practices; the first corpus has a figure of them.
        position: Scores by the offsets of the documents.
        share: n_test / n_train of a fold.
    """
    made = {
        f"figures/{corpus}.svg": figure(
            corpus,
            f"Pair F1 on {corpus} minus that of the rule, strict",
            over_rule(rows[corpus]),
            "points of pair F1 above the rule, same folds",
        )
        for corpus in practices
    }
    corpus, listed = next(iter(practices.items()))
    gains = dict(full_titles(practice for practice in listed if MOST in practice.gains))
    made["figures/practices.svg"] = figure(
        "practices",
        f"What each practice adds to {MOST} on {corpus}",
        [estimate(title.replace(CHOSEN, ON_TEST), it.gains[MOST], 1) for title, it in gains.items()],
        "points of F1",
    )
    made["figures/position.svg"] = figure(
        "position",
        "Balanced test documents minus the others",
        [
            estimate(f"{row.name}, {counted(row.folds, 'fold')}", with_shared(row.gap, share), 2)
            for row in sorted(position, key=lambda row: -row.folds)
        ],
        "points of pair F1",
    )
    return made
