"""Whether two methods differ, judged over folds, or over seeds if a corpus has one official split.

The test documents of one set of trained weights cannot decide: if one run in thirty collapses, the bootstrap and the
permutation test over documents reject a true null in about half of the cases (`experiments/false_positives.py`). So
the verdict needs a fixed number of runs:

- A corpus with folds: ten folds (all, if it has fewer) with three seeds each. d_k is the difference of the seed means
  in fold k, collapsed runs as they scored. The test is the exact sign-flip of d_1 ... d_K. Under the null hypothesis
  the signs are symmetric whatever the distribution of d_k, so that a collapsed run costs power and not validity.
- A corpus with one split: five seeds. The variance of the mean difference is that over seeds plus that over test
  documents.

With fewer runs there is no verdict, and the row says what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from ecpe_zoo.corpora.registry import CORPORA
from ecpe_zoo.errors import counted
from ecpe_zoo.results import statistics
from ecpe_zoo.results.store import RunGroup, share_tested

FOLDS, SEEDS = 10, 3
"""Folds that a verdict needs, and seeds in each."""

SPLIT_SEEDS = 5
"""Seeds that a verdict needs on a corpus with one split."""

MOST_FLIPS = 20
"""Maximum number of folds for the exact test: a million sign patterns."""


Key = TypeVar("Key", bound=Hashable)


class Verdict(NamedTuple):
    """First method minus second, over runs; scores are fractions.

    Args:
        unit: Unit of `differences`.
        differences: One for each common fold (means over seeds) or each common seed.
        mean: Their mean.
        low: Lower end of the 95 % t-interval that takes them as independent; nan for one difference.
        high: Upper end of the interval.
        low_shared: Lower end of the interval that counts in that folds share training documents: the variance of the
            mean is (1/k + n_test/n_train) s^2 in place of s^2/k. For seeds equal to `low`.
        high_shared: Upper end of that interval.
        p: Two-sided; nan for one difference.
        detectable: Smallest true difference that as many runs would show in four of five repetitions; nan for one
            difference.
        missing: What a verdict needs beyond these runs, in words; "" if they are enough.
        holm_p: `p` adjusted for the comparisons of its board.
        family: Number of these comparisons.
    """

    unit: Literal["fold", "seed"]
    differences: tuple[float, ...]
    mean: float
    low: float
    high: float
    low_shared: float
    high_shared: float
    p: float
    detectable: float
    missing: str
    holm_p: float
    family: int = 1

    @property
    def in_words(self) -> str:
        """`a difference`, `not shown ...`, or `no verdict: ...`."""
        level = 1 - statistics.LEVEL
        if self.missing:
            return f"no verdict: {self.missing}"
        if self.holm_p < level:
            return "a difference"
        if self.p < level:
            return f"not shown, once corrected for {self.family} comparisons"
        return f"not shown; 80 % power at {100 * self.detectable:.1f}"

    @property
    def counted(self) -> str:
        """`10 folds`."""
        return counted(len(self.differences), self.unit)


def folds_of(groups: Iterable[RunGroup]) -> int:
    """Folds of the corpus of some groups; of a corpus that the package does not know, the highest fold of any run."""
    listed = list(groups)
    known = CORPORA.get(listed[0].corpus)
    return known.folds if known is not None else max(run.fold for group in listed for run in group.entries)


def sign_flip(differences: Sequence[float]) -> float:
    """Exact two-sided p of a mean of 0: the share of all sign patterns whose sum is at least as far from 0.

    Args:
        differences: At most `MOST_FLIPS`.

    Raises:
        ValueError: none, or more.

    >>> sign_flip([0.1, 0.2, 0.3])
    0.25
    """
    if not 1 <= len(differences) <= MOST_FLIPS:
        raise ValueError(f"Expected 1 to {MOST_FLIPS} differences, but got {len(differences)}.")
    sums = np.zeros(1)
    for value in differences:
        sums = np.concatenate([sums + value, sums - value])
    seen = abs(math.fsum(differences))
    return float(np.mean(np.abs(sums) >= seen - 1e-12 * max(1.0, seen)))


def judge(first: RunGroup, second: RunGroup, folds_of_corpus: int, document_error: float) -> Verdict:
    """The verdict on two groups with a common fold.

    Args:
        first: One group.
        second: Another on the same task, corpus and protocol.
        folds_of_corpus: Folds that the corpus has; 1 for one official split.
        document_error: Standard error of the difference over test documents, nan if they cannot be counted; used with
            one split.
    """
    if folds_of_corpus > 1:
        return _over_folds(first, second, folds_of_corpus)
    return _over_seeds(first, second, document_error)


def _unknown(
    unit: Literal["fold", "seed"], differences: tuple[float, ...], mean: float, missing: str
) -> Verdict:
    """A verdict on fewer than two differences, whose spread is unknown."""
    none = math.nan
    return Verdict(unit, differences, mean, none, none, none, none, none, none, missing, none)


def _over_folds(first: RunGroup, second: RunGroup, folds_of_corpus: int) -> Verdict:
    one, two = (statistics.fold_means(group.values()) for group in (first, second))
    folds = [fold for fold in one if fold in two]
    differences = tuple(one[fold] - two[fold] for fold in folds)
    missing = _missing_folds((first, second), folds, folds_of_corpus)
    plain, share = statistics.spread(differences), share_tested(first.finished)
    if plain.n == 1:
        return _unknown("fold", differences, plain.mean, missing)
    corrected = statistics.corrected_t_test(differences, share)
    p = sign_flip(differences) if plain.n <= MOST_FLIPS else corrected.p
    error = plain.sd / math.sqrt(plain.n)
    detectable = statistics.detectable_mean(error, plain.n - 1)
    return Verdict(
        "fold",
        differences,
        plain.mean,
        plain.low,
        plain.high,
        corrected.low,
        corrected.high,
        p,
        detectable,
        missing,
        p,
    )


def _missing_folds(groups: Sequence[RunGroup], folds: Sequence[int], folds_of_corpus: int) -> str:
    needed = min(FOLDS, folds_of_corpus)
    if not decides(needed):
        return f"the exact test over {needed} folds cannot reach p < .05"
    said = [counted(needed - len(folds), "more fold")] if len(folds) < needed else []
    drawn = [group for group in groups if not group.seedless]
    lacking = [
        (group.method, SEEDS - min(len({run.record.seed for run in group.by_fold()[fold]}) for fold in folds))
        for group in drawn
    ]
    if lacking and len({seeds for _, seeds in lacking}) == 1 and lacking[0][1] > 0:
        said.append(f"{counted(lacking[0][1], 'more seed')} a fold")
    else:
        alike = len({group.method for group in drawn}) < len(drawn)
        said += [
            f"{counted(seeds, 'more seed')} a fold for {'one of them' if alike else method}"
            for method, seeds in lacking
            if seeds > 0
        ]
    return ", ".join(said)


def missing_runs(group: RunGroup, folds_of_corpus: int) -> str:
    """What a group lacks for a verdict on it, in words; "" if it has enough runs.

    Args:
        group: Runs of one method.
        folds_of_corpus: Folds that the corpus has; 1 for one official split.
    """
    if not group.finished:
        return "a finished run"
    if folds_of_corpus > 1:
        return _missing_folds((group,), group.folds, folds_of_corpus)
    more = 0 if group.seedless else SPLIT_SEEDS - len(group.seeds)
    return counted(more, "more seed") if more > 0 else ""


def _over_seeds(first: RunGroup, second: RunGroup, document_error: float) -> Verdict:
    """Mean over common seeds; variance s^2/S over seeds plus that over documents, Satterthwaite's freedom."""
    one, two = _paired_by_seed(first, second)
    seeds = sorted(set(one) & set(two))
    more = SPLIT_SEEDS - len(seeds)
    missing = counted(more, "more seed") if more > 0 else ""
    if math.isnan(document_error):
        missing = ", ".join(filter(None, [missing, "the test documents, to count errors in"]))
        document_error = 0.0
    differences = tuple(one[seed] - two[seed] for seed in seeds)
    if len(seeds) < 2:
        mean = differences[0] if seeds else float(np.mean(list(one.values())) - np.mean(list(two.values())))
        return _unknown("seed", differences, mean, missing)
    mean = float(np.mean(differences))
    error, freedom = _both_errors(float(np.std(differences, ddof=1)), len(seeds), document_error)
    half = statistics.t_quantile(freedom) * error
    p = statistics.t_test_p(mean / error, freedom) if error > 0 else float(mean == 0)
    detectable = statistics.detectable_mean(error, freedom)
    low, high = mean - half, mean + half
    return Verdict("seed", differences, mean, low, high, low, high, p, detectable, missing, p)


def _paired_by_seed(first: RunGroup, second: RunGroup) -> tuple[dict[int, float], dict[int, float]]:
    """Scores by seed; the one run of a method without seeds counts for every seed of the other."""
    one, two = _by_seed(first), _by_seed(second)
    if first.seedless or second.seedless:
        fixed, other = (one, two) if first.seedless else (two, one)
        value = float(np.mean(list(fixed.values())))
        fixed.clear()
        fixed.update(dict.fromkeys(other, value))
    return one, two


def _both_errors(sd: float, seeds: int, document_error: float) -> tuple[float, float]:
    """Standard error of a mean over seeds that counts in the test documents, and its degrees of freedom."""
    variance = sd**2 / seeds
    total = variance + document_error**2
    return math.sqrt(total), (seeds - 1) * (total / variance) ** 2 if variance > 0 else 1e6


def _by_seed(group: RunGroup) -> dict[int, float]:
    """The score of each seed of the only fold, the mean of repeated runs."""
    values = group.values()
    found: dict[int, list[float]] = {}
    for run in group.finished:
        found.setdefault(run.record.seed, []).append(values[run.fold, run.id])
    return {seed: float(np.mean(scores)) for seed, scores in found.items()}


# --- planning


class Components(NamedTuple):
    """Variance components of a difference of two methods, as standard deviations of scores (fractions).

    Args:
        fold: Standard deviation of the true difference from fold to fold; 0 if the seeds explain all of it.
        seeds: Standard deviation of the runs of a fold, for the first and the second method.
        assumed: Methods whose seeds were not repeated; their deviation is taken from the other one, or is 0.
    """

    fold: float
    seeds: tuple[float, float]
    assumed: tuple[str, ...]

    def error(self, folds: int, seeds: int) -> float:
        """Standard error of the mean difference over `folds` folds with `seeds` seeds each."""
        return math.sqrt((self.fold**2 + sum(sd**2 for sd in self.seeds) / seeds) / folds)

    def detectable(self, folds: int, seeds: int) -> float:
        """Smallest true difference that so many runs show in four of five repetitions; see `detectable_mean`."""
        return statistics.detectable_mean(self.error(folds, seeds), folds - 1)


def components(first: RunGroup, second: RunGroup) -> Components:
    """Variance components of the difference, from the runs of both: s^2(d_k) = fold^2 + sum of sd^2 / seeds.

    Raises:
        ValueError: fewer than two common folds.
    """
    groups = (first, second)
    means = [statistics.fold_means(group.values()) for group in groups]
    folds = [fold for fold in means[0] if fold in means[1]]
    if len(folds) < 2:
        raise ValueError(f"Expected two common folds, but got {len(folds)}.")
    found = [0.0 if group.seedless else statistics.over_runs(group.values()).seed_sd for group in groups]
    assumed = tuple(group.method for group, sd in zip(groups, found, strict=True) if math.isnan(sd))
    known = [sd for group, sd in zip(groups, found, strict=True) if not math.isnan(sd) and not group.seedless]
    seeds = tuple((known[0] if known else 0.0) if math.isnan(sd) else sd for sd in found)
    total = float(np.var([means[0][fold] - means[1][fold] for fold in folds], ddof=1))
    repeated = [  # a fold mean over s seeds carries sd^2 / s
        sd**2 * float(np.mean([1 / len(group.by_fold()[fold]) for fold in folds]))
        for group, sd in zip(groups, seeds, strict=True)
    ]
    return Components(math.sqrt(max(0.0, total - sum(repeated))), (seeds[0], seeds[1]), assumed)


class SplitComponents(NamedTuple):
    """What the difference of two methods varies by on one official split, as standard deviations (fractions).

    Args:
        seeds: Standard deviation of the difference from seed to seed.
        documents: Its standard error over the test documents, which no number of seeds reduces.
    """

    seeds: float
    documents: float

    def detectable(self, seeds: int) -> float:
        """Smallest true difference that so many seeds show in four of five repetitions; see `detectable_mean`."""
        return statistics.detectable_mean(*_both_errors(self.seeds, seeds, self.documents))


def split_components(first: RunGroup, second: RunGroup, document_error: float) -> SplitComponents:
    """What the difference varies by, from the runs of both.

    Raises:
        ValueError: fewer than two common seeds.
    """
    one, two = _paired_by_seed(first, second)
    differences = [one[seed] - two[seed] for seed in one if seed in two]
    if len(differences) < 2:
        raise ValueError(f"Expected two common seeds, but got {len(differences)}.")
    return SplitComponents(float(np.std(differences, ddof=1)), document_error)


def fewest(detectable: Callable[[int], float], effect: float, least: int, most: int = 1000) -> int | None:
    """Fewest seeds that show a true difference of this size in four of five repetitions; None if none do.

    Args:
        detectable: Smallest such difference by number of seeds, as a fraction.
        effect: The difference, as a fraction.
        least: Seeds that a verdict needs.
        most: Seeds to try at most.
    """
    return next((seeds for seeds in range(least, most + 1) if detectable(seeds) <= effect), None)


def decides(folds: int) -> bool:
    """Whether the exact test over so many folds can reach significance."""
    return 2 * 0.5**folds < 1 - statistics.LEVEL


def adjusted(verdicts: Mapping[Key, Verdict]) -> dict[Key, Verdict]:
    """Holm's correction over the verdicts of a board; those with something missing are no tests and do not count."""
    tested = {name: verdict for name, verdict in verdicts.items() if not verdict.missing}
    corrected = statistics.holm([verdict.p for verdict in tested.values()])
    family = len(tested)
    found = {
        name: v._replace(holm_p=p, family=family)
        for (name, v), p in zip(tested.items(), corrected, strict=True)
    }
    return {**verdicts, **found}
