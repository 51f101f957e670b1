"""Compares two methods by every test that their records allow, on common folds and documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results import resampling, statistics
from ecpe_zoo.results.evidence import document_counts
from ecpe_zoo.results.store import RunGroup, share_tested
from ecpe_zoo.results.verdict import Verdict, folds_of, judge
from ecpe_zoo.tasks import find_task

RESAMPLES = 10_000


@dataclass(frozen=True)
class MethodComparison:
    """A difference and its tests; all scores are the headline metric as fractions, first minus second.

    Args:
        folds: Folds on which both have runs.
        runs: Numbers of runs of the first and the second on these folds.
        documents: Documents that both were scored on.
        bootstrap: Bootstrap of the pooled score, over documents.
        permutation_p: Two-sided p-value of the permutation test over documents.
        won: Documents on which the first, the second or neither makes fewer errors.
        fold_test: Test over folds; its numbers are nan for a single fold.
        detectable: Smallest true difference that these documents would show in four of five repetitions.
        verdict: The verdict over runs, which decides.
    """

    folds: tuple[int, ...]
    runs: tuple[int, int]
    documents: int
    bootstrap: resampling.Bootstrap
    permutation_p: float
    won: resampling.Documents
    fold_test: statistics.FoldTest
    detectable: float
    verdict: Verdict

    @property
    def limits(self) -> str:
        """What these runs could have shown, and what tests over documents leave out, in sentences."""
        said = ""
        if not math.isnan(self.verdict.detectable):
            said = (
                "The smallest difference that as many runs would show in four of five repetitions is "
                f"{100 * self.verdict.detectable:.1f} points. "
            )
        return (
            f"{said}Tests over documents hold the trained weights fixed (they would show {100 * self.detectable:.1f} "
            "points): they are about these runs, not about what other seeds or folds would give."
        )


def pooled_counts(
    groups: Sequence[RunGroup], folds: tuple[int, ...], root: Path | None = None
) -> list[npt.NDArray[np.float64]]:
    """Counts of the test documents of several folds together, for each group, with the same classes.

    A fold's runs are repeated up to a common multiple of the numbers of runs of all folds, which changes no mean.

    Args:
        groups: Each with finished runs on all the folds.
        folds: Folds, in this order.
        root: Folder of the corpora.

    Returns:
        (S, D, C, 3) for each group; documents by fold and id.

    Raises:
        ZooError: see `document_counts`.
    """
    counted = [
        [[document_counts(entry, root) for entry in group.by_fold()[fold]] for fold in folds]
        for group in groups
    ]
    classes = sorted({name for group in counted for fold in group for run in fold for name in run.classes})
    pooled = []
    for group in counted:
        runs = math.lcm(*(len(fold) for fold in group))
        parts = [
            np.tile(np.stack([run.among(classes) for run in fold]), (runs // len(fold), 1, 1, 1))
            for fold in group
        ]
        pooled.append(np.concatenate(parts, axis=1))
    return pooled


def pooled_score(group: RunGroup, root: Path | None = None) -> float:
    """The out-of-fold score: the test documents of all folds as one set, the mean over runs.

    Raises:
        ZooError: no finished run; or see `document_counts`.
    """
    if not group.finished:
        raise ZooError(f"Expected a finished run of {group.method}, but all {len(group.entries)} failed.")
    (counts,) = pooled_counts([group], group.folds, root)
    return float(resampling.f1_of(counts.sum(axis=1), find_task(group.task).average).mean())


def check_comparable(first: RunGroup, second: RunGroup) -> None:
    """Check that two groups are of one task, corpus and protocol.

    Raises:
        ZooError: They are not.
    """
    for name in ("task", "corpus", "protocol"):
        one, two = getattr(first, name), getattr(second, name)
        if one != two:
            raise ZooError(
                f"Expected two methods of one {name}, but got {one!r} and {two!r}: such numbers are not compared."
            )


def compare(
    first: RunGroup, second: RunGroup, root: Path | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> MethodComparison:
    """All tests for two groups.

    Args:
        first: One group.
        second: Another on the same task and corpus.
        root: Folder of the corpora.
        resamples: Draws of the bootstrap and of the permutation test.
        seed: Seed of both.

    Raises:
        ZooError: groups of different corpora, tasks or protocols, or without a common fold; see also
            `document_counts`.
    """
    check_comparable(first, second)
    folds = tuple(sorted(set(first.folds) & set(second.folds)))
    if not folds:
        raise ZooError(
            f"Expected a fold that both were run on, but {first.method} has {list(first.folds)} and {second.method} "
            f"has {list(second.folds)}."
        )
    average = find_task(first.task).average
    one, two = pooled_counts([first, second], folds, root)
    fold_runs = [sum(len(group.by_fold()[fold]) for fold in folds) for group in (first, second)]
    bootstrap = resampling.paired_bootstrap(one, two, average, resamples, seed)
    p = resampling.permutation_test(one, two, average, resamples, seed)
    fold_test = fold_differences(first, second, folds)
    return MethodComparison(
        folds=folds,
        runs=(fold_runs[0], fold_runs[1]),
        documents=one.shape[1],
        bootstrap=bootstrap,
        permutation_p=p,
        won=resampling.documents_won(one, two),
        fold_test=fold_test,
        detectable=statistics.smallest_detectable(bootstrap.error),
        verdict=judge(first, second, folds_of((first, second)), bootstrap.error),
    )


def compare_sound(
    first: RunGroup, second: RunGroup, root: Path | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> MethodComparison | None:
    """`compare` without the collapsed runs of both; None if none collapsed on a common fold, or none is left."""
    common = set(first.folds) & set(second.folds)
    if not any(run.fold in common for run in (*first.collapsed, *second.collapsed)):
        return None
    if not set(first.sound.folds) & set(second.sound.folds):
        return None
    return compare(first.sound, second.sound, root, resamples, seed)


def fold_differences(first: RunGroup, second: RunGroup, folds: tuple[int, ...]) -> statistics.FoldTest:
    """The corrected resampled t-test over the folds, on means over seeds."""
    one, two = (statistics.fold_means(group.values()) for group in (first, second))
    share = share_tested(entry for fold in folds for entry in first.by_fold()[fold])
    return statistics.corrected_t_test([one[fold] - two[fold] for fold in folds], share)
