"""Numbers that the report's sentences give: printed scores beside ours, printed gaps, designs, unfinished runs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from ecpe_zoo.leaderboard.published import Published, published
from ecpe_zoo.leaderboard.tables import p_value, percent, signed
from ecpe_zoo.results import statistics
from ecpe_zoo.results.store import RunGroup, share_tested
from ecpe_zoo.results.verdict import Components
from experiments import filter_check
from experiments.report_names import ENCODERS, OWN, VARIANTS, bare
from experiments.report_tables import (
    FEWEST,
    METHOD,
    Practice,
    Row,
    difference,
    points,
    ranges,
    table,
    with_shared,
)

ROOT = Path(__file__).parent.parent
TASK, CORPUS = "ecpe", "xia-ding-2019"
"""Of the printed scores."""

IN_SAMPLE = VARIANTS["in-sample"]
"""End of the name of a two-stage method whose filter was trained in sample."""

MAIN = "MGCL (Findings of EMNLP 2024)"
"""The paper whose Table 2 has most methods."""


# --- printed scores


def paper_encoder(method: str) -> str:
    """The encoder of a method's paper, in words: that of its config of the paper's setting."""
    config = yaml.safe_load((ROOT / "configs" / "paper" / f"{method}.yaml").read_text(encoding="utf-8"))
    encoder = config["model"].get("init_args", {}).get("encoder") or OWN
    name = str(encoder["name"] if isinstance(encoder, dict) else encoder)
    return ENCODERS.get(name, name)


def method_of(printed: str, rows: Mapping[str, Sequence[Row]]) -> str | None:
    """The id of a printed method that has a row on any corpus."""
    names = {bare(row.name): row.group.method for listed in rows.values() for row in listed}
    return names.get(printed.removesuffix(" with lexicon"))


def printed_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """What papers print for the methods that have a row here, beside our scores on that corpus."""
    ours: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(rows[CORPUS], key=lambda row: -len(row.group.folds)):
        folds, several = ranges(row.group.folds), len(row.group.folds) > 1
        first = statistics.fold_means(row.group.values()).get(1) if several else None
        alone = f"; fold 1: {percent(first)}" if first is not None else ""
        where = f"{row.encoder}; {'folds' if several else 'fold'} {folds}"
        rises = " ↑" * bool(row.group.rising)
        ours[bare(row.name)].append(f"{percent(row.score.mean)}{rises} ({where}{alone})")
    lines = []
    for it in published(TASK, CORPUS):
        method = method_of(it.method, rows)
        if it.kind != "main" or method is None:
            continue
        lines.append(
            (
                it.method,
                percent(it.f1, 2),
                f"{it.paper.partition(' (')[0]}, {it.table}",
                paper_encoder(method),
                "not stated" if it.selection.startswith("not stated") else it.selected_on,
                "no" if it.lexicon == "none" else "yes",
                "; ".join(ours.get(it.method, ())) or "–",
            )
        )
    return table(
        (
            "",
            "printed F1",
            "where",
            "encoder of the paper",
            "epoch chosen on",
            "list",
            "strict, here (encoder; folds)",
        ),
        lines,
    )


class Gap(NamedTuple):
    """What a paper's ablation loses, as printed.

    Args:
        method: The method, as printed.
        without: What is left out.
        points: Its printed F1 minus that without, as a fraction.
        paper: The paper that prints it.
    """

    method: str
    without: str
    points: float
    paper: str


def printed_gaps() -> list[Gap]:
    """All printed ablations `METHOD w/o PART` of pairs on the Chinese corpus, largest first."""
    scores = {it.method: it for it in published(TASK, CORPUS)}
    found = []
    for it in scores.values():
        method, _, part = it.method.partition(" w/o ")
        if it.kind == "ablation" and part and method in scores:
            found.append(Gap(method, part, round(scores[method].f1 - it.f1, 4), it.paper))
    return sorted(found, key=lambda gap: -gap.points)


def neighbours(paper: str = MAIN) -> list[float]:
    """Gaps between neighbouring rows of a paper's main table, those without the list, in order of their score."""
    listed: list[Published] = [
        it
        for it in published(TASK, CORPUS)
        if it.paper == paper and it.kind == "main" and it.lexicon == "none"
    ]
    return [round(b - a, 4) for a, b in pairwise(sorted(it.f1 for it in listed))]


def printed_list_gain(paper: str = MAIN, method: str = "MGCL") -> float:
    """What a paper prints for a method with the released list, minus without it."""
    scores = {it.method: it.f1 for it in published(TASK, CORPUS) if it.paper == paper}
    return scores[f"{method} with lexicon"] - scores[method]


def printed_window_gains() -> list[float]:
    """What JCB's paper prints for methods in a window of three clauses, minus without a window; the least first."""
    scores = {it.method: it.f1 for it in published(TASK, CORPUS)}
    ends = ", no window"
    return sorted(scores[name.removesuffix(ends)] - f1 for name, f1 in scores.items() if name.endswith(ends))


def printed_filter_gain() -> float:
    """What E2EECPE's table prints for Inter-EC with its filter, minus without it."""
    scores = {it.method: it.f1 for it in published(TASK, CORPUS) if it.paper.startswith("E2EECPE")}
    return scores["Inter-EC"] - scores["Inter-EC w/o filter"]


class Training(NamedTuple):
    """A two-stage method whose filter was trained in two ways.

    Args:
        name: The method.
        gap: What the filter adds if trained out of fold, minus what it adds if trained in sample. Both gains are taken
            within runs, whose stages one differ.
    """

    name: str
    gap: statistics.Spread


def trainings(found: Sequence[filter_check.Row], share: float) -> list[Training]:
    """Of the methods of which both are there, over their common folds.

    Args:
        found: Rows of `filter_check`, named as in the report.
        share: n_test / n_train of a fold.
    """
    by_name = {row.name: statistics.fold_means(row.gains) for row in found}
    pairs = ((name, gains, by_name.get(name + IN_SAMPLE, {})) for name, gains in by_name.items())
    gaps = {
        name: {(fold, 0): gains[fold] - other[fold] for fold in gains.keys() & other.keys()}
        for name, gains, other in pairs
    }
    return [
        Training(name, with_shared(statistics.over_runs(gap), share)) for name, gap in gaps.items() if gap
    ]


# --- what could be shown


class Design(NamedTuple):
    """Runs of each of two methods, and the smallest true difference that they show in four of five repetitions.

    Args:
        folds: Folds.
        seeds: Seeds a fold.
        shown: That difference, as a fraction.
    """

    folds: int
    seeds: int
    shown: float


def designs(
    group: RunGroup, sizes: Iterable[tuple[int, int]] = ((3, 1), (10, 1), (10, 3), (10, 10))
) -> list[Design]:
    """At best: both methods move over seeds as the sound runs of this group, and differ alike on every fold."""
    spread = group.sound.spread()
    assert spread is not None
    seed = Components(0.0, (spread.seed_sd, spread.seed_sd), ())
    return [Design(folds, seeds, seed.detectable(folds, seeds)) for folds, seeds in sizes]


def fewest_folds() -> int:
    """Folds from which on the exact sign-flip test can reach p < .05."""
    return next(k for k in range(1, 20) if 2 * 0.5**k < 1 - statistics.LEVEL)


def spread_factor(n: int) -> float:
    """Upper over lower end of the 95 % interval of a standard deviation of so many normal values.

    >>> round(spread_factor(3), 2)
    12.07
    """
    from scipy import special

    tail = (1 - statistics.LEVEL) / 2
    return float(np.sqrt(special.chdtri(n - 1, tail) / special.chdtri(n - 1, 1 - tail)))


class Shown(NamedTuple):
    """Comparisons of rows with their method or with the best of their encoder.

    Args:
        fixed: All comparisons, those with the rule among them.
        intervals: Those with a method or with the best of an encoder that have an interval.
        apart: Of these, intervals that exclude 0, without any correction.
        verdicts: Of all, the verdicts of those with enough runs, in words.
    """

    fixed: int
    intervals: int
    apart: int
    verdicts: tuple[str, ...]


def shown(rows: Mapping[str, Sequence[Row]]) -> Shown:
    """Count the comparisons of all corpora."""
    every = [one for listed in rows.values() for row in listed for one in row.against]
    found = [
        it for one in every if one.why in METHOD and (it := difference(one)) is not None and it.low == it.low
    ]
    apart = sum(it.low > 0 or it.high < 0 for it in found)
    verdicts = tuple(
        f"{row.name} minus {one.label} on `{corpus}`: {points(difference(one))}, {p_value(one.verdict.holm_p)} (Holm), "
        f"{one.verdict.in_words}"
        for corpus, listed in rows.items()
        for row in listed
        for one in row.against
        if not one.verdict.missing
    )
    return Shown(len(every), len(found), apart, verdicts)


def epochs(rows: Iterable[Row]) -> tuple[int, int]:
    """The fewest and the most epochs of the last stage of runs: as many test scores are there to choose from."""
    runs = [entry.record for row in rows if not row.group.seedless for entry in row.group.finished]
    counts = [record.stages[-1].epochs if record.stages else record.epochs for record in runs]
    return min(counts), max(counts)


def same_order(found: Practice, rows: Iterable[Row]) -> bool:
    """Whether what a practice adds leaves these rows in the order of their strict scores."""
    listed = sorted((row for row in rows if row.name in found.gains), key=lambda row: -row.score.mean)
    after = [row.score.mean + found.gains[row.name].mean for row in listed]
    return after == sorted(after, reverse=True)


class LastEpochs(NamedTuple):
    """Runs whose epochs were all trained.

    Args:
        runs: Their number.
        last: Of these, runs whose best epoch was the last.
    """

    runs: int
    last: int


def last_epochs(rows: Mapping[str, Sequence[Row]]) -> LastEpochs:
    """How often validation chose the last epoch of those that were allowed, of runs without stages."""
    groups = [row.group for listed in rows.values() for row in listed if not row.group.seedless]
    last = []
    for record in (entry.record for group in groups for entry in group.finished):
        most = record.config["trainer"].get("max_epochs")
        if len(record.stages) <= 1 and record.epochs == most and record.epoch is not None:
            last.append(record.epoch + 1 == most)
    return LastEpochs(len(last), sum(last))


class Pooled(NamedTuple):
    """Several methods on the same folds, with one spread for all: each score is a method's part, a fold's, and noise.

    Args:
        sd: Spread of the noise, as a fraction.
        f: F of the null that all methods are equal.
        degrees: Its degrees of freedom, of the methods and of the noise.
        p: Its p-value.
        half: Half the width of Tukey's simultaneous 95 % intervals for all differences, as a fraction.
    """

    sd: float
    f: float
    degrees: tuple[int, int]
    p: float
    half: float


def pooled(scores: np.ndarray[tuple[int, int], np.dtype[np.float64]], share: float) -> Pooled:
    """Analysis of variance without interaction; the variance of a mean counts in shared training documents.

    Args:
        scores: Scores (methods, folds) as fractions.
        share: n_test / n_train of a fold.
    """
    from scipy import stats

    methods, folds = scores.shape
    degrees = methods - 1, (methods - 1) * (folds - 1)
    means = scores.mean(axis=1)
    noise = scores - means[:, None] - scores.mean(axis=0) + scores.mean()
    variance = float((noise**2).sum()) / degrees[1]
    error = variance * (1 / folds + share)  # of a method's mean
    f = float(means.var(ddof=1)) / error
    half = float(stats.studentized_range.ppf(statistics.LEVEL, methods, degrees[1])) * error**0.5
    return Pooled(variance**0.5, f, degrees, float(stats.f.sf(f, *degrees)), half)


class Peers(NamedTuple):
    """Methods that share corpus, encoder and folds.

    Args:
        corpus: Corpus.
        encoder: Encoder, in words.
        folds: Their folds.
        rows: Methods, the best first; no ablation.
        pooled: What can be said of all of them together.
    """

    corpus: str
    encoder: str
    folds: str
    rows: tuple[Row, ...]
    pooled: Pooled

    @property
    def apart(self) -> tuple[Row, ...]:
        """Methods that the simultaneous intervals separate from the best."""
        best = self.rows[0].score.mean
        return tuple(row for row in self.rows if best - row.score.mean > self.pooled.half)


def peers(rows: Mapping[str, Sequence[Row]]) -> list[Peers]:
    """Such sets of at least three methods with an interval, the largest first."""
    found: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for corpus, listed in rows.items():
        for row in listed:
            usual = not row.group.seedless and row.group.task == TASK and row.to("its method") is None
            if usual and len(row.group.folds) >= FEWEST:
                found[corpus, row.encoder, ranges(row.group.folds)].append(row)
    made = []
    for key, some in found.items():
        if len(some) >= FEWEST:
            best = sorted(some, key=lambda row: -row.score.mean)
            by_fold = [statistics.fold_means(row.group.values()) for row in best]
            scores = np.array([[of[fold] for fold in sorted(of)] for of in by_fold])
            made.append(Peers(*key, tuple(best), pooled(scores, share_tested(best[0].group.finished))))
    return sorted(made, key=lambda it: (-len(it.rows), it.corpus, it.encoder))


def over_rule(rows: Sequence[Row]) -> list[statistics.Spread]:
    """All intervals of a row minus the rule."""
    found = [difference(row.to("the rule")) for row in rows]
    return [it for it in found if it is not None and it.low == it.low]


def near_rule(rows: Sequence[Row]) -> list[Row]:
    """Methods whose interval of the difference to the rule holds 0; most folds first."""
    held = [
        row for row in rows if (it := difference(row.to("the rule"))) is not None and it.low <= 0 <= it.high
    ]
    return sorted(held, key=lambda row: -len(row.group.folds))


class Provenance(NamedTuple):
    """Where the runs come from.

    Args:
        collapsed: How many collapsed.
        commits: Commits of the package.
        hardware: Processors.
    """

    collapsed: int
    commits: int
    hardware: tuple[str, ...]


def provenance(rows: Mapping[str, Sequence[Row]]) -> Provenance:
    """Of the runs of all rows."""
    groups = [row.group for listed in rows.values() for row in listed]
    records = [entry.record for group in groups for entry in group.finished]
    return Provenance(
        sum(len(group.collapsed) for group in groups),
        len({record.code.commit for record in records}),
        tuple(sorted({record.machine.hardware for record in records})),
    )


def truncated(rows: Mapping[str, Sequence[Row]]) -> int:
    """Segments that any run cut because its encoder reads no more."""
    entries = (entry for listed in rows.values() for row in listed for entry in row.group.finished)
    return sum(entry.record.protocol.truncated_segments for entry in entries)


# --- practices and errors


def between(values: Iterable[float]) -> str:
    """The least and the most, in points.

    >>> between([0.011, 0.017])
    '+1.1 to +1.7'
    """
    listed = sorted(values)
    texts = dict.fromkeys((signed(listed[0]), signed(listed[-1])))
    return " to ".join(texts)


def practice(found: Sequence[Practice], id: str) -> Practice:
    """The practice with this id."""
    return next(it for it in found if it.id == id)


def simulated(text: str) -> dict[str, tuple[str, str]]:
    """The table of `docs/verdicts.md`: test -> share of true nulls rejected without and with collapsing runs.

    >>> simulated("| bootstrap of documents | 3.6 % | 60.2 % |")
    {'bootstrap of documents': ('3.6 %', '60.2 %')}
    """
    found = re.findall(r"^\| ([^|]+?) \| ([\d.]+ %) \| ([\d.]+ %) \|$", text, re.MULTILINE)
    return {name.partition(" (")[0]: (plain, collapsing) for name, plain, collapsing in found}
