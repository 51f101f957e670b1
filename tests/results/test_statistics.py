"""Statistics against scipy, direct transcriptions of the formulas, and brute force."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecpe_zoo.metrics.counts import Average, Counts
from ecpe_zoo.results import resampling, statistics

Array = npt.NDArray[np.float64]


def counts(random: np.random.Generator, runs: int, documents: int, classes: int = 1) -> Array:
    """Plausible counts with the same gold in every run."""
    gold = random.integers(0, 3, (1, documents, classes, 1)).repeat(runs, axis=0)
    predicted = random.integers(0, 3, (runs, documents, classes, 1))
    correct = np.minimum(np.minimum(gold, predicted), random.integers(0, 3, predicted.shape))
    return np.concatenate([correct, predicted, gold], axis=-1).astype(float)


def naive_f1(sums: Array, average: Average) -> float:
    """From (C, 3), loops only."""
    if average == "micro":
        c, p, g = (sum(float(row[i]) for row in sums) for i in range(3))
        return 2 * c / (p + g) if p + g else 0.0
    values = [2 * c / (p + g) if p + g else 0.0 for c, p, g in sums]
    gold = [float(g) for _, _, g in sums]
    weights = gold if average == "weighted" else [float(g > 0) for g in gold]
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights) if sum(weights) else 0.0


AVERAGES: list[Average] = ["micro", "weighted", "macro"]


@pytest.mark.parametrize("average", AVERAGES)
def test_f1_agrees_with_loops_and_with_the_scorers_counts(average: Average) -> None:
    random = np.random.default_rng(1)
    table = counts(random, 7, 5, 4).sum(axis=1)  # (7, 4, 3)
    found = resampling.f1_of(table, average)
    assert found == pytest.approx([naive_f1(row, average) for row in table])
    for row, value in zip(table, found, strict=True):
        scorer = Counts(*(row[:, i].astype(np.int64) for i in range(3))).averages()
        assert scorer[f"{average}_f1"] == pytest.approx(value)
    assert resampling.f1_of(np.zeros((2, 3)), average) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_spread_is_scipys_t_interval(values: list[float]) -> None:
    found = statistics.spread(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    if found.sd > 1e-6:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
        assert (found.low, found.high) == pytest.approx((low, high))
    with pytest.raises(ValueError, match="at least one"):
        statistics.spread([])


def test_one_value_has_no_spread() -> None:
    found = statistics.spread([0.5])
    assert found.mean == 0.5
    assert all(math.isnan(value) for value in (found.sd, found.low, found.high))
    runs = statistics.over_runs({(1, "a"): 0.5})
    assert (runs.unit, runs.runs) == ("one run", 1)
    assert math.isnan(runs.seed_sd)


def test_the_unit_is_the_fold_where_there_are_several() -> None:
    values = {(1, "a"): 0.5, (1, "b"): 0.7, (2, "a"): 0.4, (2, "b"): 0.4, (3, "a"): 0.2}
    found = statistics.over_runs(values)
    assert found.unit == "folds"
    assert found.over == statistics.spread([0.6, 0.4, 0.2])
    assert found.seed_sd == pytest.approx(math.sqrt((0.02 + 0.0) / 2))  # pooled: one degree of freedom each
    one = statistics.over_runs({(1, "a"): 0.5, (1, "b"): 0.7})
    assert (one.unit, one.over) == ("seeds", statistics.spread([0.5, 0.7]))


def test_an_interval_over_folds_counts_in_what_they_share() -> None:
    values = {(fold, "a"): value for fold, value in enumerate([0.5, 0.58, 0.43, 0.61])}
    shared, alone = (statistics.over_runs(values, share).over for share in (1 / 9, 0.0))
    tested = statistics.corrected_t_test(list(values.values()), 1 / 9)
    assert (shared.low, shared.high) == pytest.approx((tested.low, tested.high))
    assert (shared.mean, shared.sd) == (alone.mean, alone.sd)
    assert (shared.high - shared.low) / (alone.high - alone.low) == pytest.approx(math.sqrt(1 + 4 / 9))
    seeds = {(1, name): value for (_, name), value in values.items()}
    assert statistics.over_runs(seeds, 1 / 9) == statistics.over_runs(seeds)  # seeds share all of them


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=10), st.floats(0.05, 0.5))
def test_corrected_t_test_by_its_formula(differences: list[float], share: float) -> None:
    found = statistics.corrected_t_test(differences, share)
    k = len(differences)
    sd = float(np.std(differences, ddof=1))
    if sd < 1e-9:
        return
    t = float(np.mean(differences)) / math.sqrt((1 / k + share) * sd**2)
    assert found.t == pytest.approx(t)
    assert found.p == pytest.approx(2 * (1 - stats.t.cdf(abs(t), k - 1)), abs=1e-12)
    assert (found.low > 0 or found.high < 0) == (found.p < 0.05)  # interval and test agree
    plain = stats.ttest_1samp(differences, 0)
    assert found.p >= plain.pvalue - 1e-12  # the correction never makes a difference surer


def test_corrected_t_test_at_its_edges() -> None:
    assert math.isnan(statistics.corrected_t_test([0.1], 0.1).p)
    two = statistics.corrected_t_test([0.1, 0.2], 0.1)  # Hedges' correction would make any effect 0
    assert math.isnan(two.effect)
    assert 0 < two.p < 1
    assert statistics.corrected_t_test([0.0, 0.0], 0.1).p == 1
    assert statistics.corrected_t_test([0.1, 0.1], 0.1).p == 0
    with pytest.raises(ValueError, match="positive"):
        statistics.corrected_t_test([0.1, 0.2], 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    found = statistics.holm(p_values)
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for rank, place in enumerate(order):
        expected = max(
            min(1.0, (len(order) - earlier) * p_values[order[earlier]]) for earlier in range(rank + 1)
        )
        assert found[place] == pytest.approx(expected)


def test_holm_leaves_out_what_was_not_tested() -> None:
    found = statistics.holm([0.01, math.nan, 0.02])
    assert (found[0], found[2]) == (0.02, 0.02)
    assert math.isnan(found[1])


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("runs", [(1, 1), (3, 2)])
def test_bootstrap_agrees_with_a_plain_loop(average: Average, runs: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    classes = 1 if average == "micro" else 3
    first = counts(random, runs[0], 40, classes)
    second = counts(random, runs[1], 40, classes)
    second[..., 2] = first[:1, ..., 2]
    second[..., 0] = np.minimum(second[..., 0], second[..., 2])
    found = resampling.paired_bootstrap(first, second, average, resamples=4000)

    def score(table: Array, picks: npt.NDArray[np.int64]) -> float:
        return float(np.mean([naive_f1(run[picks].sum(axis=0), average) for run in table]))

    everything = np.arange(40)
    assert found.first == pytest.approx(score(first, everything))
    assert found.difference == pytest.approx(score(first, everything) - score(second, everything))
    loop = np.random.default_rng(3)
    drawn = []
    for _ in range(3000):
        picks = loop.integers(0, 40, 40)
        drawn.append(score(first, picks) - score(second, picks))
    assert found.error == pytest.approx(np.std(drawn, ddof=1), rel=0.08)
    assert found.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.25 * found.error)
    assert found.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.25 * found.error)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(4)
    hits = 0
    for _ in range(150):  # two methods of equal skill: the true difference is 0
        gold = np.ones((1, 120, 1, 1))
        sides = []
        for _ in range(2):
            right = (random.random((1, 120, 1, 1)) < 0.6) * 1.0
            sides.append(np.concatenate([right, gold, gold], axis=-1))
        found = resampling.paired_bootstrap(sides[0], sides[1], resamples=400)
        hits += found.low <= 0 <= found.high
    assert 0.88 <= hits / 150 <= 0.99


def test_permutation_test_agrees_with_all_swaps() -> None:
    random = np.random.default_rng(5)
    first, second = counts(random, 2, 9), counts(random, 2, 9)
    second[..., 2] = first[..., 2]
    second[..., 0] = np.minimum(second[..., 0], second[..., 2])

    def gap(swaps: tuple[int, ...]) -> float:
        one, two = first.copy(), second.copy()
        for document, swap in enumerate(swaps):
            if swap:
                one[:, document], two[:, document] = second[:, document], first[:, document]
        return float(
            np.mean([naive_f1(run.sum(axis=0), "micro") for run in one])
            - np.mean([naive_f1(run.sum(axis=0), "micro") for run in two])
        )

    seen = abs(gap((0,) * 9))
    exact = np.mean([abs(gap(swaps)) >= seen - 1e-12 for swaps in itertools.product((0, 1), repeat=9)])
    found = resampling.permutation_test(first, second, resamples=20_000)
    assert found == pytest.approx(exact, abs=0.012)


def test_permutation_p_is_uniform_where_nothing_differs_and_small_where_it_does() -> None:
    random = np.random.default_rng(6)
    gold = np.ones((1, 100, 1, 1))

    def side(skill: float) -> Array:
        right = (random.random((1, 100, 1, 1)) < skill) * 1.0
        return np.concatenate([right, gold, gold], axis=-1)

    found = [resampling.permutation_test(side(0.5), side(0.5), resamples=300) for _ in range(150)]
    assert np.mean(np.array(found) < 0.05) < 0.11
    assert resampling.permutation_test(side(0.9), side(0.4), resamples=2000) < 0.001
    same = side(0.5)
    assert resampling.permutation_test(same, same) == 1.0


def test_runs_are_repeated_to_a_common_multiple_without_a_change() -> None:
    random = np.random.default_rng(7)
    first, second = counts(random, 2, 30), counts(random, 3, 30)
    one = resampling.permutation_test(first, second, resamples=500)
    two = resampling.permutation_test(
        np.tile(first, (3, 1, 1, 1)), np.tile(second, (2, 1, 1, 1)), resamples=500
    )
    assert one == two


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    error = 0.01
    size = statistics.smallest_detectable(error)
    assert size == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error)
    drawn = np.random.default_rng(8).normal(size, error, 100_000)
    assert np.mean(np.abs(drawn) > stats.norm.ppf(0.975) * error) == pytest.approx(0.8, abs=0.01)


def test_the_detectable_difference_of_folds_is_found_four_times_in_five() -> None:
    """With the variance that the correction supposes: independent folds of a variance larger by its factor."""
    folds, share, sd = 10, 1 / 9, 0.02
    true = math.sqrt(1 / folds + share) * sd * statistics._noncentrality(folds - 1, 0.95)
    random = np.random.default_rng(9)
    spreads = sd * np.sqrt(random.chisquare(folds - 1, 20_000) / (folds - 1))
    error = math.sqrt(1 / folds + share)
    means = random.normal(true, error * sd, 20_000)
    found = np.abs(means / (error * spreads)) > stats.t.ppf(0.975, folds - 1)
    assert found.mean() == pytest.approx(0.8, abs=0.01)
    test = statistics.corrected_t_test([0.01, 0.03, 0.02], 1 / 9)
    assert test.detectable == pytest.approx(
        math.sqrt(1 / 3 + 1 / 9) * 0.01 * statistics._noncentrality(2, 0.95)
    )
    assert math.isnan(statistics.corrected_t_test([0.01], 1 / 9).detectable)


def test_documents_won_by_hand() -> None:
    first = np.array([[[[1, 1, 1]], [[0, 1, 1]], [[0, 0, 0]]]], dtype=float)
    second = np.array([[[[0, 1, 1]], [[0, 1, 1]], [[0, 0, 0]]]], dtype=float)
    won = resampling.documents_won(first, second)
    assert won == (1, 0, 2)
    assert won.effect == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "shapes", [((1, 3, 1, 3), (1, 4, 1, 3)), ((1, 3, 1, 2), (1, 3, 1, 2)), ((3, 3), (3, 3))]
)
def test_shapes_that_do_not_fit_are_told(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        resampling.paired_bootstrap(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_ten_thousand_draws_of_a_whole_corpus_take_about_a_second() -> None:
    random = np.random.default_rng(9)
    first, second = counts(random, 3, 1945), counts(random, 3, 1945)
    best = math.inf
    for _ in range(3):  # another process may hold the core
        start = time.process_time()
        resampling.paired_bootstrap(first, second)
        resampling.permutation_test(first, second)
        best = min(best, time.process_time() - start)
    assert best < 3, f"{best:.2f} s for 10,000 draws and 10,000 swaps of 1,945 documents"
