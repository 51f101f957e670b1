"""The tables of the report, as Markdown.

All intervals are 95 % t-intervals. Over folds they count in that folds share training documents (Nadeau and Bengio
2003): the variance of a mean over k folds is (1/k + n_test/n_train) s^2. Fewer than `FEWEST` folds or seeds have none.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Any, Literal, NamedTuple

from ecpe_zoo.leaderboard.comparisons import Against, Why
from ecpe_zoo.leaderboard.tables import p_value, percent, signed
from ecpe_zoo.results import statistics
from ecpe_zoo.results.store import RunGroup
from ecpe_zoo.results.verdict import FOLDS, SEEDS, SPLIT_SEEDS
from experiments import position_check
from experiments.report_names import encoder_in_words

FEWEST = 3
"""Folds, or seeds, of an interval. With two, t(1) = 12.7: the interval would hold nearly every score there is. Values
that are all alike have none either: an interval of no width would claim certainty."""


def with_shared(it: statistics.RunSpread, share: float) -> statistics.Spread:
    """Mean and interval; over folds it counts in the training documents that they share.

    Args:
        it: Spread over folds or seeds.
        share: n_test / n_train of a fold.
    """
    over = it.over
    if over.n < FEWEST or over.sd == 0:
        return over._replace(low=math.nan, high=math.nan)
    if it.unit != "folds":
        return over
    return over.with_shared(share)


class Row(NamedTuple):
    """A method on a corpus.

    Args:
        name: Method and variant.
        group: Its strict runs.
        score: Its headline score; see `with_shared`.
        against: Its comparisons, chosen by rule.
    """

    name: str
    group: RunGroup
    score: statistics.Spread
    against: tuple[Against, ...]

    @property
    def encoder(self) -> str:
        """Its encoder, in words."""
        return encoder_in_words(self.group)

    def to(self, *why: Why) -> Against | None:
        """Its comparison of one of these kinds."""
        return next((one for one in self.against if one.why in why), None)


class Practice(NamedTuple):
    """What a practice adds to a strict score, by method.

    Args:
        id: Its id among the arms.
        title: Title in words.
        done_by: Who is known to do it.
        gains: Method -> what it adds; see `with_shared`.
    """

    id: str
    title: str
    done_by: str
    gains: dict[str, statistics.Spread]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; numbers keep their minus sign and their interval on one line."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)])


def score(it: statistics.Spread) -> str:
    """`59.1 [52.4, 65.8]`."""
    return percent(it.mean) + ("" if math.isnan(it.low) else f" [{percent(it.low)}, {percent(it.high)}]")


def points(it: statistics.Spread | None) -> str:
    """`+2.2 [+1.2, +3.1]`."""
    if it is None:
        return "–"
    return signed(it.mean) + ("" if math.isnan(it.low) else f" [{signed(it.low)}, {signed(it.high)}]")


def difference(one: Against | None) -> statistics.Spread | None:
    """A comparison's mean and interval; see `with_shared`."""
    if one is None:
        return None
    found, n = one.verdict, len(one.verdict.differences)
    low, high = (found.low_shared, found.high_shared) if n >= FEWEST else (math.nan, math.nan)
    return statistics.Spread(found.mean, math.nan, low, high, n)


def between_rows(
    one: Row,
    other: Row,
    share: float,
    of: Callable[[RunGroup], Mapping[tuple[int, Any], float]] = RunGroup.values,
) -> statistics.Spread:
    """The first row minus the second, on their common folds; see `with_shared`.

    Args:
        one: First row.
        other: Second row.
        share: Test documents over training documents.
        of: What is compared, by (fold, run); F1 by default.
    """
    first, second = (statistics.fold_means(of(row.group)) for row in (one, other))
    gaps = {(fold, 0): first[fold] - second[fold] for fold in first.keys() & second.keys()}
    return with_shared(statistics.over_runs(gaps), share)


def ranges(numbers: Iterable[int]) -> str:
    """Numbers in order, neighbours together.

    >>> ranges([1, 2, 3, 5])
    '1–3, 5'
    """
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in found)


def span(values: Iterable[int]) -> str:
    """The least and the most of some counts.

    >>> span([1200, 3]), span([7, 7])
    ('3 to 1,200', '7')
    """
    listed = list(values)
    least, most = min(listed), max(listed)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


METHOD: tuple[Why, ...] = ("its method", "the best of its encoder")


def by_encoder(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Encoder -> its rows: most folds first, then the best; an ablation after its method. The rule has the key ""."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    ablations: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (-len(row.group.folds), -row.score.mean)):
        if (method := row.to("its method")) is not None:
            ablations[method.label].append(row)
        else:
            found["" if row.group.method == "rule" else row.encoder].append(row)

    def most_folds(encoder: str) -> int:
        return max(len(row.group.folds) for row in found[encoder])

    return {
        encoder: [one for row in found[encoder] for one in (row, *ablations[row.name])]
        for encoder in sorted(found, key=lambda encoder: (encoder != "", -most_folds(encoder)))
    }


def item_f1(group: RunGroup, item: Literal["emotion", "cause"]) -> float:
    """Mean F1 of emotion clauses or of cause clauses."""
    metric = f"{group.task}.{item}_f1.v1"
    values = {(entry.fold, entry.id): entry.record.metrics[metric] for entry in group.finished}
    return statistics.over_runs(values).over.mean


def score_table(rows: Sequence[Row]) -> str:
    """Scores and comparisons of each method, by encoder."""
    has_rule, pairs = any(row.to("the rule") for row in rows), all(row.group.task == "ecpe" for row in rows)
    heads = ["", "folds×seeds" if pairs else "seeds", "F1"] + ["emotion / cause F1"] * pairs
    heads += ["minus the rule, same folds"] * has_rule + [
        "minus its reference, same folds",
        "verdict, or the folds and seeds that it lacks",
    ]
    lines = []
    for encoder, listed in by_encoder(rows).items():
        if encoder:
            lines.append([f"*{encoder}*", *[""] * (len(heads) - 1)])
        leaders = {one.label for row in listed if (one := row.to(*METHOD))}
        for row in listed:
            rises = " ↑" * bool(row.group.rising)
            cells = [row.name, folds_and_seeds(row.group), score(row.score) + rises]
            if pairs:
                cells.append("/".join(percent(item_f1(row.group, item)) for item in ("emotion", "cause")))
            cells += [points(difference(row.to("the rule")))] * has_rule
            reference = "reference" if row.name in leaders and not row.to(*METHOD) else ""
            lines.append([*cells, reference or points(difference(row.to(*METHOD))), verdict(row)])
    return table(heads, lines)


def folds_and_seeds(group: RunGroup) -> str:
    """`1–10×3`; the number of runs if folds have different numbers of seeds, or that of seeds if there is one split."""
    runs, folds = len(group.finished), len(group.folds)
    if group.task != "ecpe":
        return str(runs)
    return (
        f"{ranges(group.folds)}×{runs // folds}"
        if runs % folds == 0
        else f"{ranges(group.folds)} ({runs} runs)"
    )


def verdict(row: Row) -> str:
    """The verdict on each comparison of a row, or the runs that it lacks; once if they are alike."""
    said = {}
    for one in row.against:
        found = one.verdict
        said[one.label] = lacks(found.missing) or f"{p_value(found.holm_p)} (Holm), {found.in_words}"
    if len(set(said.values())) <= 1:
        return next(iter(said.values()), "–")
    return "; ".join(f"{label}: {words}" for label, words in said.items())


def lacks(missing: str) -> str:
    """What a verdict needs beyond the runs, as folds and seeds: `7, 2`; in words if it is anything else.

    >>> lacks("7 more folds, 2 more seeds a fold for one of them"), lacks("2 more seeds a fold"), lacks("4 more seeds")
    ('7, 2 for one', '0, 2', '4 more seeds')
    """
    counts = re.fullmatch(
        r"(?:(\d+) more folds?)?(?:, )?(?:(\d+) more seeds? a fold)?( for \w+)?(?: of them)?", missing
    )
    return f"{counts[1] or 0}, {counts[2] or 0}{counts[3] or ''}" if missing and counts else missing


class Power(NamedTuple):
    """What runs could show of a difference, as fractions.

    Args:
        corpus: Corpus.
        name: The difference.
        over: What it is taken over, in words.
        now: Smallest true difference that a t-test over as many folds shows in four of five repetitions.
    """

    corpus: str
    name: str
    over: str
    now: float


def powers(rows: Mapping[str, Sequence[Row]]) -> list[Power]:
    """Of all comparisons of a row with its method or with the best of its encoder that have an interval."""
    found = []
    for corpus, listed in rows.items():
        for row in (row for some in by_encoder(listed).values() for row in some):
            one = row.to(*METHOD)
            measured = difference(one)
            if one is None or measured is None or math.isnan(measured.low):
                continue
            name = f"{row.name} − {one.label}"
            found.append(Power(corpus, name, one.verdict.counted, one.verdict.detectable))
    return found


def power_table(found: Sequence[Power]) -> str:
    """What the comparisons could have shown, in points."""
    heads = ("difference", "folds", "these runs show")
    lines: list[tuple[str, ...]] = []
    for corpus, powers in groupby(found, key=lambda it: it.corpus):
        lines.append((f"*{corpus}*", "", ""))
        lines += [(it.name, it.over.removesuffix(" folds"), percent(it.now)) for it in powers]
    return table(heads, lines)


def full_titles(found: Iterable[Practice]) -> Iterator[tuple[str, Practice]]:
    """Practices after titles that need no other row: a list has rows with `the same, ...` after its own."""
    before = ""
    for practice in found:
        if practice.title.startswith("the same"):
            yield before + practice.title.removeprefix("the same"), practice
        else:
            before = practice.title
            yield before, practice


HEADS = {
    "epoch": "epoch",
    "emotion-maximum": "epoch for emotions (emotion F1)",
    "cause-maximum": "epoch for causes (cause F1)",
    "threshold": "threshold",
    "rankcp_file": "list",
    "rankcp_file-threshold": "list and threshold",
    "train_words": "keywords",
    "window-3": "window of 3",
}
"""Arm -> head of its column."""


def practice_table(found: Sequence[Practice]) -> str:
    """A row for each method, a column for each practice of `HEADS` that any of them has."""
    columns = {it.id: it for it in found if it.gains}
    shown = [columns[id] for id in HEADS if id in columns]
    names = list(dict.fromkeys(name for it in found for name in it.gains))
    heads = ["", *(HEADS[it.id] for it in shown)]
    return table(heads, ((name, *(points(it.gains.get(name)) for it in shown)) for name in names))


def who_table(found: Sequence[Practice]) -> str:
    """Who is known to do each practice."""
    columns = {it.id: (title, it.done_by) for title, it in full_titles(found)}
    rows = []
    for id in (id for id in HEADS if id in columns):
        title, done_by = columns[id]
        rows.append((HEADS[id], title, "(a bound)" if id == "rankcp_file-threshold" else done_by))
    return table(("practice", "what it does", "known from"), rows)


def position_table(rows: Sequence[position_check.Row], share: float) -> str:
    """Scores on documents whose offsets are balanced, and on the others: rows with an interval, most folds first."""
    heads = ("", "folds", "all", "others", "balanced", "balanced minus others", "recall near", "recall far")
    return table(
        heads,
        (
            (
                row.name,
                str(row.folds),
                *(percent(value) for value in (row.every, row.others, row.balanced)),
                points(with_shared(row.gap, share)),
                percent(row.near),
                percent(row.far),
            )
            for row in sorted(rows, key=lambda row: -row.folds)
            if row.folds >= FEWEST
        ),
    )


def seconds_of(rows: Iterable[Row]) -> list[float]:
    """Wall time of each run."""
    return [entry.record.machine.seconds for row in rows for entry in row.group.finished]


def hours(rows: Mapping[str, Sequence[Row]]) -> float:
    """Hours of all runs together."""
    return sum(sum(seconds_of(listed)) for listed in rows.values()) / 3600


def cost_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Time and memory of a run, by corpus and encoder; and the time of the runs of a verdict."""
    lines = []
    for corpus, listed in rows.items():
        for encoder, some in by_encoder(listed).items():
            if not encoder:  # the rule takes seconds
                continue
            minutes = [value / 60 for value in seconds_of(some)]
            machines = [entry.record.machine for row in some for entry in row.group.finished]
            needed = FOLDS * SEEDS if some[0].group.task == "ecpe" else SPLIT_SEEDS
            cells = (
                corpus,
                encoder,
                str(len(machines)),
                f"{median(minutes):.1f}" + f" ({min(minutes):.1f}–{max(minutes):.1f})" * (len(minutes) > 1),
                f"{median(minutes) * needed / 60:.1f}",
                span([round(machine.parameters / 1e6) for machine in machines]),
                f"{max(machine.peak_memory_bytes for machine in machines) / 1e9:.1f}",
            )
            lines.append(cells)
    heads = ("corpus", "encoder", "runs", "minutes a run, median (range)", "hours for the runs of a verdict")
    return table((*heads, "parameters, M", "peak memory, GB"), lines)
