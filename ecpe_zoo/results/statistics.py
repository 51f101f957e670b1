"""Statistics over runs (folds and seeds): how a score varies when training is repeated.

Mean, standard deviation, t-interval, the corrected resampled t-test, Holm's correction. The other source of chance,
the test documents, is in `resampling`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEVEL = 0.95
"""Coverage of all intervals."""

POWER = 0.8
"""Power of the smallest detectable difference."""

COLLAPSED_SHARE = 0.5
"""A run with less than this share of the median of its method's runs has collapsed."""

COLLAPSED_RUNS = 3
"""Runs that such a median needs."""


class Spread(NamedTuple):
    """Mean of some values and its uncertainty.

    Args:
        mean: Mean of the values.
        sd: Sample standard deviation (n - 1); nan for a single value.
        low: Lower end of the 95 % t-interval of the mean; nan for a single value.
        high: Upper end of the interval.
        n: Number of values.
    """

    mean: float
    sd: float
    low: float
    high: float
    n: int

    def with_shared(self, test_share: float, level: float = LEVEL) -> Spread:
        """The same with the interval of `corrected_t_test`, over folds that share training documents.

        Args:
            test_share: n_test / n_train; 0 for values that are independent.
            level: Coverage of the interval, in (0, 1).

        >>> [round(x, 3) for x in spread([0.5, 0.6, 0.7]).with_shared(1 / 9)[:4]]
        [0.6, 0.1, 0.313, 0.887]
        """
        half = t_quantile(self.n - 1, level) * self.sd * math.sqrt(1 / self.n + test_share)
        return self._replace(low=self.mean - half, high=self.mean + half)


def spread(values: Sequence[float], level: float = LEVEL) -> Spread:
    """Mean, sample standard deviation and t-interval: mean +- t(n - 1) sd / sqrt(n).

    Raises:
        ValueError: no value.

    >>> result = spread([0.5, 0.6, 0.7])
    >>> [round(x, 3) for x in result[:4]]
    [0.6, 0.1, 0.352, 0.848]
    """
    if not len(values):
        raise ValueError("Expected at least one value, but got none.")
    data = np.asarray(values, dtype=float)
    mean = float(data.mean())
    if len(data) == 1:
        return Spread(mean, math.nan, math.nan, math.nan, 1)
    return Spread(mean, float(data.std(ddof=1)), math.nan, math.nan, len(data)).with_shared(0.0, level)


def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """Half the width of a two-sided t-interval, in standard errors."""
    from scipy import special  # late: commands that only read records need none of it

    return float(special.stdtrit(freedom, 0.5 + level / 2))


def t_test_p(t: float, freedom: float) -> float:
    """Two-sided p of Student's t."""
    from scipy import special

    return 2 * float(special.stdtr(freedom, -abs(t)))


Unit = Literal["folds", "seeds", "one run"]


class RunSpread(NamedTuple):
    """The spread of a method's runs over folds and seeds.

    Args:
        unit: What `over` counts. Folds share training documents and seeds share all of them, so runs are not
            independent; with several folds the unit is the fold, whose value is the mean over its seeds.
        over: The spread of those units.
        seed_sd: Standard deviation of seeds within a fold, pooled over folds; nan if no fold has two.
        runs: Number of runs.
    """

    unit: Unit
    over: Spread
    seed_sd: float
    runs: int


def over_runs(values: Mapping[tuple[int, Any], float], test_share: float = 0.0) -> RunSpread:
    """Spread of runs keyed by (fold, anything that tells runs of a fold apart).

    Args:
        values: The runs.
        test_share: n_test / n_train, which widens an interval over folds; see `Spread.with_shared`.

    >>> result = over_runs({(1, 776): 0.5, (1, 1): 0.6, (2, 776): 0.7})
    >>> result.unit, round(result.over.mean, 4), round(result.seed_sd, 4), result.runs
    ('folds', 0.625, 0.0707, 3)
    """
    folds = _by_fold(values)
    squares = [(float(np.var(runs, ddof=1)), len(runs) - 1) for runs in folds.values() if len(runs) > 1]
    freedom = sum(df for _, df in squares)
    seed_sd = math.sqrt(sum(v * df for v, df in squares) / freedom) if freedom else math.nan
    if len(folds) > 1:
        over = spread(list(fold_means(values).values())).with_shared(test_share)
        return RunSpread("folds", over, seed_sd, len(values))
    runs = next(iter(folds.values()), [])
    return RunSpread("seeds" if len(runs) > 1 else "one run", spread(runs), seed_sd, len(values))


def fold_means(values: Mapping[tuple[int, Any], float]) -> dict[int, float]:
    """The mean over the runs of each fold, by fold.

    >>> fold_means({(2, 1): 0.75, (1, 1): 0.5, (1, 2): 1.0})
    {1: 0.75, 2: 0.75}
    """
    return {fold: float(np.mean(runs)) for fold, runs in sorted(_by_fold(values).items())}


def _by_fold(values: Mapping[tuple[int, Any], float]) -> dict[int, list[float]]:
    folds: defaultdict[int, list[float]] = defaultdict(list)
    for (fold, _), value in values.items():
        folds[fold].append(value)
    return folds


def collapsed(values: Sequence[float]) -> list[bool]:
    """Which runs of a method have collapsed: score 0, or below half of the median of all of them.

    The median needs three runs. A mean that includes a collapsed run is marked, and shown with the mean of the others.

    >>> collapsed([0.5, 0.52, 0.54, 0.2, 0.0])
    [False, False, False, True, True]
    >>> collapsed([0.5, 0.1])
    [False, False]
    """
    middle = float(np.median(values)) if len(values) >= COLLAPSED_RUNS else 0.0
    return [value <= 0 or value < COLLAPSED_SHARE * middle for value in values]


class FoldTest(NamedTuple):
    """A corrected resampled t-test over folds.

    Args:
        mean: Mean of the fold differences.
        low: Lower end of the corrected 95 % interval; nan if there is one fold.
        high: Upper end of the interval.
        t: The statistic.
        p: Two-sided p-value.
        effect: Mean over standard deviation of the fold differences, with Hedges' correction for few folds; nan for two
            folds, where it would be 0.
        folds: Number of folds.
        detectable: The smallest true difference that such folds would show in four of five repetitions:
            the power of the t-test, from the spread over folds and over the seeds in their means.
            nan if there is one fold.
    """

    mean: float
    low: float
    high: float
    t: float
    p: float
    effect: float
    folds: int
    detectable: float


def corrected_t_test(differences: Sequence[float], test_share: float, level: float = LEVEL) -> FoldTest:
    """Compare two methods over folds (Nadeau and Bengio 2003, Machine Learning 52).

    Folds share training documents, so the variance of their mean is larger than variance / k: it is taken as
    (1 / k + n_test / n_train) variance, with k - 1 degrees of freedom.

    Args:
        differences: First method minus second for each fold, means over seeds.
        test_share: n_test / n_train; 1/9 for ten folds that train on all the rest.
        level: Coverage of the interval, in (0, 1).

    Raises:
        ValueError: no difference, or a share that is not positive.

    >>> result = corrected_t_test([0.01, 0.03, 0.02], 1 / 9)
    >>> round(result.t, 3), round(result.p, 3), round(result.effect, 3)
    (3.0, 0.095, 1.143)
    """
    if test_share <= 0:
        raise ValueError(f"Expected the share of test documents to be positive, but got {test_share}.")
    plain = spread(differences)
    if plain.n == 1:
        return FoldTest(plain.mean, math.nan, math.nan, math.nan, math.nan, math.nan, 1, math.nan)
    freedom = plain.n - 1
    error = math.sqrt(1 / plain.n + test_share) * plain.sd
    if error == 0:
        same = plain.mean == 0
        t, p, effect = (0.0, 1.0, 0.0) if same else (math.copysign(math.inf, plain.mean), 0.0, math.nan)
        return FoldTest(plain.mean, plain.mean, plain.mean, t, p, effect, plain.n, 0.0)
    t = plain.mean / error
    half = t_quantile(freedom, level) * error
    p = t_test_p(t, freedom)
    small = 1 - 3 / (4 * freedom - 1) if freedom > 1 else math.nan  # Hedges' correction, 0 for one degree
    detectable = detectable_mean(error, freedom, level)
    return FoldTest(
        plain.mean,
        plain.mean - half,
        plain.mean + half,
        t,
        p,
        small * plain.mean / plain.sd,
        plain.n,
        detectable,
    )


def detectable_mean(error: float, freedom: float, level: float = LEVEL) -> float:
    """Smallest true mean that a t-test with this standard error finds in four of five repetitions.

    >>> round(detectable_mean(0.01, 9), 4)
    0.0315
    """
    return _noncentrality(freedom, level) * error


@lru_cache
def _noncentrality(freedom: float, level: float, power: float = POWER) -> float:
    """How many standard errors a mean must be from 0 for a t-test to find it with the given power."""
    from scipy import optimize, special

    # scipy's non-central t is nan far out: here over quantiles of the spread that the test may find
    limit = t_quantile(freedom, level)
    found = np.sqrt(2 * special.gammaincinv(freedom / 2, (np.arange(4000) + 0.5) / 4000) / freedom)

    def missing(shift: float) -> float:
        return power - float(
            np.mean(special.ndtr(shift - limit * found) + special.ndtr(-shift - limit * found))
        )

    return float(optimize.brentq(missing, 0.0, 10 * limit))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple comparisons (Holm 1979); nan stays nan and does not count.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted = list(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = largest
    return adjusted


def smallest_detectable(error: float, level: float = LEVEL, power: float = POWER) -> float:
    """The smallest true difference that such data find significant with the given power.

    Where the error is that of a bootstrap over documents it holds the trained weights fixed: the spread over seeds
    is not in it.

    (z(1 - (1 - level) / 2) + z(power)) x standard error = (1.960 + 0.842) x standard error by default. A true
    difference below it is more likely than one in five to be missed: "not significant" then says little.

    >>> round(smallest_detectable(0.01), 4)
    0.028
    """
    from scipy import special

    return float(special.ndtri(0.5 + level / 2) + special.ndtri(power)) * error
