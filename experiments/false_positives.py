"""How often each test finds a difference between two draws of the same method: its false-positive rate.

Fresh runs are drawn from committed ones. A run of a fold takes the counts of each test document (correct, predicted,
gold) from one of the fold's sound runs, which are weighted anew for each draw, so that runs differ by document and in
level. With `--collapse` a share of the runs predicts nothing, as one of thirty runs of release 0.1.0 did. Two methods
of ten folds and three seeds each are drawn from the same runs, so that every difference that a test shows is false.

    python -m experiments.false_positives experiments/records/0.1.0/e2eecpe/e2eecpe --draws 500

prints the share of draws with p < .05; at 500 draws a true 5 % lies between 3.1 and 6.9 in 19 of 20 simulations. The
folds of these draws are independent, though real folds share training documents. How much that correlates their
differences is not known. `--correlation` draws normal differences with one (0.1 is what the corrected test assumes of
ten folds: n_test / (n_test + n_train)), and needs no records.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecpe_zoo.results import resampling, statistics
from ecpe_zoo.results.evidence import document_counts
from ecpe_zoo.results.store import RunGroup, find_records, group_records
from ecpe_zoo.results.verdict import FOLDS, sign_flip

Array = npt.NDArray[np.float64]


class Draws:
    """Fresh runs of a method.

    Args:
        group: Its runs, on several folds.
        collapse: Share of runs that predict nothing.
        random: Generator of all draws.
    """

    def __init__(self, group: RunGroup, collapse: float, random: np.random.Generator) -> None:
        self.folds = [
            np.stack([document_counts(run).counts for run in runs]) for runs in group.sound.by_fold().values()
        ]  # (S, D, C, 3) each
        self.collapse, self.random = collapse, random

    def run(self, fold: int) -> Array:
        """The counts (D, C, 3) of a fresh run."""
        runs = self.folds[fold]
        random = self.random
        if random.random() < self.collapse:
            empty: Array = runs[0].copy()
            empty[..., :2] = 0
            return empty
        weights = random.dirichlet(np.full(len(runs), 0.5))
        picked = random.choice(len(runs), size=runs.shape[1], p=weights)
        found: Array = runs[picked, np.arange(runs.shape[1])]
        return found

    def method(self, seeds: int) -> list[Array]:
        """(seeds, D, C, 3) for each fold."""
        return [np.stack([self.run(fold) for _ in range(seeds)]) for fold in range(len(self.folds))]


def p_values(
    one: Sequence[Array], two: Sequence[Array], share: float, resamples: int, seed: int
) -> dict[str, float]:
    """All tests of two methods, by name."""
    mine, theirs = ([float(resampling.f1_of(r.sum(axis=1), "micro").mean()) for r in m] for m in (one, two))
    differences = [a - b for a, b in zip(mine, theirs, strict=True)]
    found = _over_folds(differences, share)
    if resamples:
        first, second = (np.concatenate(method, axis=1) for method in (one, two))
        found["permutation of documents"] = resampling.permutation_test(
            first, second, "micro", resamples, seed
        )
        drawn = resampling.paired_bootstrap(first, second, "micro", resamples, seed)
        found["bootstrap of documents"] = 0.0 if drawn.low > 0 or drawn.high < 0 else 1.0
    return found


def correlated(correlation: float, draws: int, seed: int) -> dict[str, float]:
    """Share of true nulls that each test rejects at 5 %, of normal differences over the folds of a verdict.

    Args:
        correlation: Between the differences of any two folds, 0 to 1.
        draws: Number of nulls.
        seed: Of the draws.

    Returns:
        Name of the test -> share, 0 to 1.
    """
    random = np.random.default_rng(seed)
    shared, own = random.standard_normal((draws, 1)), random.standard_normal((draws, FOLDS))
    differences = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    share = 1 / (FOLDS - 1)  # test over training documents
    found = [_over_folds(row.tolist(), share) for row in differences]
    return {name: float(np.mean([p[name] < 0.05 for p in found])) for name in found[0]}


def _over_folds(differences: Sequence[float], share: float) -> dict[str, float]:
    """Name -> p of the tests over fold differences; `share` is n_test / n_train of a fold."""
    plain = statistics.spread(differences)
    t = plain.mean / (plain.sd / math.sqrt(plain.n)) if plain.sd else 0.0
    return {
        "sign-flip over folds": sign_flip(differences),
        "t-test over folds": statistics.t_test_p(t, plain.n - 1),
        "corrected resampled t-test": statistics.corrected_t_test(differences, share).p,
    }


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "records",
        type=Path,
        nargs="?",
        help="records of one method, with two sound runs or more on each fold",
    )
    parser.add_argument("--correlation", type=float, nargs="+", help="between folds, instead of records")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument(
        "--resamples", type=int, default=400, help="draws of the tests over documents; 0 leaves them out"
    )
    parser.add_argument("--collapse", type=float, nargs="+", default=[0.0, 1 / 30])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    options = parser.parse_args()
    for correlation in options.correlation or ():
        print(f"{FOLDS} folds whose normal differences correlate by {correlation}:")
        for name, rate in correlated(correlation, options.draws, options.seed).items():
            error = math.sqrt(rate * (1 - rate) / options.draws)
            print(f"  {name:<28}{100 * rate:6.1f} % ± {100 * error:.1f}")
    if options.correlation:
        return
    if options.records is None:
        parser.error("expected records, or --correlation")
    (group,) = group_records(find_records([options.records]))
    for collapse in options.collapse:
        for seeds in options.seeds:
            draws = Draws(group, collapse, np.random.default_rng(options.seed))
            found = [
                p_values(draws.method(seeds), draws.method(seeds), 1 / 9, options.resamples, number)
                for number in range(options.draws)
            ]
            print(
                f"{len(draws.folds)} folds, {seeds} seeds a fold, {100 * collapse:.1f} % of the runs collapse:"
            )
            for name in found[0]:
                rate = float(np.mean([p[name] < 0.05 for p in found]))
                error = math.sqrt(rate * (1 - rate) / len(found))
                print(f"  {name:<28}{100 * rate:6.1f} % ± {100 * error:.1f}")


if __name__ == "__main__":
    main()
