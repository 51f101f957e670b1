"""The tables of the report, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from ecpe_zoo.leaderboard.comparisons import Against
from ecpe_zoo.leaderboard.tables import interval, mean_and_sd, p_value, percent, signed
from ecpe_zoo.results import statistics
from ecpe_zoo.results.store import RunGroup, encoder_of
from experiments import position_check


class Row(NamedTuple):
    """A method on a corpus.

    Args:
        name: Method and variant.
        group: Its strict runs.
        spread: Spread of its headline score.
        against: Its comparisons, fixed in advance.
    """

    name: str
    group: RunGroup
    spread: statistics.RunSpread
    against: tuple[Against, ...]


class Practice(NamedTuple):
    """What a practice adds to a strict score, by method.

    Args:
        title: Title in words.
        done_by: Who is known to do it.
        gains: Method -> its spread over runs.
    """

    title: str
    done_by: str
    gains: dict[str, statistics.RunSpread]


def comparison(one: Against) -> str:
    """`+13.5 [+10.4, +16.7] to Rule: no verdict: 2 more seeds a fold`."""
    verdict = one.verdict
    bounds = "" if math.isnan(verdict.low) else f" [{signed(verdict.low)}, {signed(verdict.high)}]"
    p = "" if verdict.missing else f"{p_value(verdict.holm_p)}, "
    return f"{signed(verdict.mean)}{bounds} to {one.label}: {p}{verdict.in_words}"


def score_table(rows: Sequence[Row]) -> str:
    """Mean, spread and comparisons of each method."""
    lines = [
        "| | encoder | folds × seeds | F1 | 95 % interval | differences |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        runs = f"{len(row.group.folds)} × {len(row.group.seeds)}"
        said = "; ".join(map(comparison, row.against)) or "–"
        cells = (
            row.name,
            encoder_of(row.group.first),
            runs,
            mean_and_sd(row.spread),
            interval(row.spread),
            said,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def power_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """What the comparisons with most runs could have shown, in points."""
    lines = ["| difference | corpus | over | measured | could have been shown |", "|---|---|---|---|---|"]
    for corpus, listed in rows.items():
        for row in listed:
            for one in row.against:
                if math.isfinite(one.verdict.detectable):
                    cells = (
                        f"{row.name} − {one.label}",
                        corpus,
                        one.verdict.counted,
                        signed(one.verdict.mean),
                        percent(one.verdict.detectable),
                    )
                    lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def points(spread: statistics.RunSpread | None) -> str:
    """`+2.15 [+1.17, +3.14]`."""
    if spread is None:
        return "–"
    over = spread.over

    def two(value: float) -> str:
        text = f"{100 * abs(value):.2f}"
        return text if float(text) == 0 else ("+" if value > 0 else "−") + text

    return two(over.mean) + ("" if math.isnan(over.low) else f" [{two(over.low)}, {two(over.high)}]")


def practice_table(found: Sequence[Practice]) -> str:
    """A row for each practice, a column for each method."""
    names = list(dict.fromkeys(name for practice in found for name in practice.gains))
    lines = [f"| practice | {' | '.join(names)} | done by |", "|---" * (len(names) + 2) + "|"]
    for practice in found:
        cells = (practice.title, *(points(practice.gains.get(name)) for name in names), practice.done_by)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def position_table(rows: Sequence[position_check.Row]) -> str:
    """Scores on the documents whose offsets are balanced, and on the others."""
    lines = ["| | folds | other documents | balanced documents | difference |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (row.name, str(row.folds), percent(row.others), percent(row.balanced), points(row.gap))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cost_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Minutes and memory of a cell, by corpus and method."""
    lines = [
        "| | corpus | cells | minutes a cell, median | hours in all | parameters, M | peak memory, GB |",
        "|---|---|---|---|---|---|---|",
    ]
    for corpus, listed in rows.items():
        for row in listed:
            machines = [entry.record.machine for entry in row.group.finished]
            seconds = [machine.seconds for machine in machines]
            cells = (
                row.name,
                corpus,
                str(len(machines)),
                f"{median(seconds) / 60:.1f}",
                f"{sum(seconds) / 3600:.1f}",
                f"{machines[0].parameters / 1e6:.1f}",
                f"{max(machine.peak_memory_bytes for machine in machines) / 1e9:.1f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def leak_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Training documents left out because they repeat a test or validation document, by corpus and fold."""
    lines = [
        "| | test documents a fold | exact twins left out of training | near-duplicates left out |",
        "|---|---|---|---|",
    ]
    for corpus, listed in rows.items():
        parts = {entry.fold: entry.record.corpus for row in listed for entry in row.group.finished}.values()
        cells = (
            corpus,
            _range([part.test for part in parts]),
            _range([len(part.twins_left_out) for part in parts]),
            _range([len(part.near_left_out) for part in parts]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(values: Sequence[int]) -> str:
    least, most = min(values), max(values)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def hours(rows: Mapping[str, Sequence[Row]]) -> float:
    """Hours of all cells together."""
    entries = (entry for listed in rows.values() for row in listed for entry in row.group.finished)
    return sum(entry.record.machine.seconds for entry in entries) / 3600
