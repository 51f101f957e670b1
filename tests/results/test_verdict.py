"""The verdict over runs: against brute force and formulas, and what it refuses to say."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ecpe_zoo.results import statistics
from ecpe_zoo.results.store import RunGroup, find_records, group_records
from ecpe_zoo.results.verdict import (
    Verdict,
    adjusted,
    components,
    fewest,
    folds_of,
    judge,
    sign_flip,
    split_components,
)
from tests.results.making import raw, write

RULE = {"class_path": "ecpe_zoo.methods.rule.Rule", "init_args": {}}


def group(folder: Path, scores: Sequence[Sequence[float]], method: str = "mgcl", **options: Any) -> RunGroup:
    """Scores by fold and seed."""
    for fold, seeds in enumerate(scores, start=1):
        for seed, score in enumerate(seeds):
            record = raw(score, fold=fold, seed=seed, method=method, **options)
            if method == "rule":
                record["config"]["model"] = RULE
            write(folder / method / f"{fold}-{seed}.json", record)
    (found,) = group_records(find_records([folder / method]))
    return found


def test_sign_flip_is_the_share_of_all_signs() -> None:
    random = np.random.default_rng(0)
    for size in (1, 2, 5, 10):
        values = random.normal(0.3, 1.0, size)
        sums = [
            abs(sum(s * v for s, v in zip(signs, values, strict=True)))
            for signs in itertools.product((1, -1), repeat=size)
        ]
        expected = np.mean([total >= abs(values.sum()) - 1e-12 for total in sums])
        assert sign_flip(list(values)) == pytest.approx(expected)
    assert sign_flip([0.01] * 10) == pytest.approx(2 / 1024)
    assert sign_flip([0.0] * 4) == 1
    with pytest.raises(ValueError, match="1 to 20"):
        sign_flip([])


def test_ten_folds_and_three_seeds_give_a_verdict(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    base = random.normal(0.5, 0.05, 10)
    one = group(tmp_path, [[x + 0.03 + e for e in random.normal(0, 0.01, 3)] for x in base])
    two = group(tmp_path, [[x + e for e in random.normal(0, 0.01, 3)] for x in base], "e2eecpe")
    found = judge(one, two, folds_of([one, two]), math.nan)
    means = [np.mean([one.values()[k, r.id] for r in runs]) for k, runs in one.by_fold().items()]
    others = [np.mean([two.values()[k, r.id] for r in runs]) for k, runs in two.by_fold().items()]
    differences = np.subtract(means, others)
    assert found.differences == pytest.approx(tuple(differences))
    half = stats.t.ppf(0.975, 9) * differences.std(ddof=1) / math.sqrt(10)
    assert (found.low, found.high) == pytest.approx((differences.mean() - half, differences.mean() + half))
    shared = half * math.sqrt(1 / 10 + 10 / 90) / math.sqrt(1 / 10)  # n_test / n_train of `raw`
    assert found.high_shared - found.mean == pytest.approx(shared)
    assert (found.missing, found.in_words) == ("", "a difference")
    assert found.p == pytest.approx(2 / 1024)
    backwards = judge(two, one, 10, math.nan)
    assert backwards.mean == pytest.approx(-found.mean)
    assert backwards.p == found.p


def test_a_collapsed_run_stays_as_it_scored(tmp_path: Path) -> None:
    scores = [[0.60, 0.61, 0.62]] * 10
    one = group(tmp_path, [*scores[:-1], [0.60, 0.61, 0.0]])
    two = group(tmp_path, [[x - 0.02 for x in seeds] for seeds in scores], "e2eecpe")
    found = judge(one, two, 10, math.nan)
    assert found.differences[-1] == pytest.approx((0.60 + 0.61) / 3 - 0.59)
    assert found.in_words.startswith("not shown")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    one = group(tmp_path, [[0.5], [0.6], [0.55]])
    rule = group(tmp_path, [[0.4]] * 10, "rule")
    assert rule.seedless
    found = judge(one, rule, 10, math.nan)
    assert found.in_words == "no verdict: 7 more folds, 2 more seeds a fold"
    assert judge(one, rule, 5, math.nan).missing == "the exact test over 5 folds cannot reach p < .05"
    single = judge(group(tmp_path / "b", [[0.5]]), rule, 10, math.nan)
    assert math.isnan(single.p)
    assert math.isnan(single.low)
    assert single.mean == pytest.approx(0.1)


def test_an_ablation_lacks_seeds_that_its_method_has(tmp_path: Path) -> None:
    """Both are of one method."""
    whole = group(tmp_path / "whole", [[0.5, 0.6, 0.7]] * 10)
    part = group(tmp_path / "part", [[0.5]])
    found = judge(part, whole, 10, math.nan)
    assert found.missing == "9 more folds, 2 more seeds a fold for one of them"


def test_one_split_adds_the_variance_of_seeds_and_documents(tmp_path: Path) -> None:
    first, second = [0.50, 0.52, 0.49, 0.53, 0.51], [0.47, 0.48, 0.50, 0.46, 0.47]
    one = group(tmp_path, [first], corpus="meld", task="erc")
    two = group(tmp_path, [second], "e2eecpe", corpus="meld", task="erc")
    assert folds_of([one, two]) == 1
    found = judge(one, two, 1, 0.01)
    differences = np.subtract(first, second)
    seeds = differences.var(ddof=1) / 5
    error = math.sqrt(seeds + 0.01**2)
    freedom = (seeds + 0.01**2) ** 2 / (seeds**2 / 4)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(differences.mean()) / error, freedom))
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, freedom) * error)
    assert found.missing == ""
    alone = judge(one, two, 1, math.nan)
    assert alone.missing == "the test documents, to count errors in"
    assert alone.p == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_holm_counts_only_what_is_tested() -> None:
    def verdict(p: float, missing: str = "") -> Verdict:
        return Verdict("fold", (0.1,) * 10, 0.1, 0, 0, 0, 0, p, 0.2, missing, p)

    found = adjusted({"a": verdict(0.02), "b": verdict(0.03), "c": verdict(0.001, "2 more seeds")})
    assert (found["a"].holm_p, found["b"].holm_p, found["a"].family) == (0.04, 0.04, 2)
    assert found["c"].in_words == "no verdict: 2 more seeds"
    many = adjusted({str(i): verdict(0.02) for i in range(4)})["0"]
    assert many.in_words == "not shown, once corrected for 4 comparisons"
    assert verdict(0.4).in_words == "not shown; 80 % power at 20.0"


def test_a_plan_from_the_runs_own_variances(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    base, own = random.normal(0.5, 0.05, 10), random.normal(0, 0.02, 10)
    one = group(
        tmp_path, [[x + d + e for e in random.normal(0, 0.03, 3)] for x, d in zip(base, own, strict=True)]
    )
    two = group(tmp_path, [[x + e for e in random.normal(0, 0.03, 3)] for x in base], "e2eecpe")
    found = components(one, two)
    differences = judge(one, two, 10, math.nan).differences
    expected = np.var(differences, ddof=1) - sum(sd**2 / 3 for sd in found.seeds)
    assert found.fold**2 == pytest.approx(max(0.0, expected))
    assert (
        found.error(10, 3) == pytest.approx(np.std(differences, ddof=1) / math.sqrt(10), rel=1e-6)
        or not found.fold
    )
    assert fewest(lambda seeds: found.detectable(10, seeds), found.detectable(10, 4), 1) == 4
    assert fewest(lambda seeds: found._replace(fold=0.5).detectable(10, seeds), 0.01, 1) is None
    assert fewest(lambda seeds: found.detectable(10, seeds), 0.5, 3) == 3  # the fewest of a verdict
    with pytest.raises(ValueError, match="two common folds"):
        components(group(tmp_path / "x", [[0.5]]), two)


def test_a_plan_on_one_split_counts_in_the_test_documents(tmp_path: Path) -> None:
    one = group(tmp_path, [[0.5, 0.52, 0.55, 0.51]], "eqn", corpus="goemotions", task="emotions")
    two = group(tmp_path, [[0.49, 0.5, 0.5, 0.52]], "eacl", corpus="goemotions", task="emotions")
    found = split_components(one, two, 0.004)
    differences = np.array([0.01, 0.02, 0.05, -0.01])
    assert found.seeds == pytest.approx(differences.std(ddof=1))
    assert found.documents == 0.004
    assert judge(one, two, 1, 0.004).detectable == pytest.approx(found.detectable(4))
    many = found.detectable(100_000)  # what more seeds cannot reduce
    assert many == pytest.approx(statistics.detectable_mean(0.004, 1e6), rel=1e-3)
    with pytest.raises(ValueError, match="two common seeds"):
        split_components(one, group(tmp_path / "x", [[0.5]], corpus="goemotions", task="emotions"), 0.0)
