"""The simulation of false positives: fresh runs are made of the records' documents, and the verdict's tests are run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.results.evidence import document_counts
from ecpe_zoo.results.store import RunGroup, find_records, group_records
from experiments.false_positives import Draws, correlated, main, p_values
from tests.results.making import write_scored


@pytest.fixture
def group(tmp_path: Path) -> RunGroup:
    for seed in (1, 2, 3):
        write_scored(tmp_path / f"{seed}.json", skill=0.6, seed=seed)
    (found,) = group_records(find_records([tmp_path]))
    return found


def test_a_fresh_run_has_each_documents_counts_from_one_of_the_runs(group: RunGroup) -> None:
    draws = Draws(group, 0.0, np.random.default_rng(0))
    runs = np.stack([document_counts(run).counts for run in group.finished])
    fresh = draws.run(0)
    assert all((fresh[place] == runs[:, place]).all(axis=(1, 2)).any() for place in range(len(fresh)))
    assert any((draws.run(0) != fresh).any() for _ in range(3))
    empty = Draws(group, 1.0, np.random.default_rng(0)).run(0)
    assert (empty[..., :2] == 0).all()
    assert (empty[..., 2] == runs[0, ..., 2]).all()


def test_equal_methods_differ_nowhere(group: RunGroup) -> None:
    draws = Draws(group, 0.0, np.random.default_rng(0))
    one = draws.method(2) * 3
    found = p_values(one, one, 1 / 9, 100, 0)
    assert all(p == 1 for p in found.values())


def test_the_table(
    group: RunGroup, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(group.entries[0].path.parent)
    options = ["--draws", "2", "--resamples", "0", "--seeds", "2", "--collapse", "0"]
    draws = Draws.method
    monkeypatch.setattr(Draws, "method", lambda self, seeds: draws(self, seeds) * 3)  # three folds of one
    monkeypatch.setattr("sys.argv", ["false_positives", folder, *options])
    main()
    shown = capsys.readouterr().out
    assert "2 seeds a fold, 0.0 % of the runs collapse" in shown
    assert "sign-flip over folds" in shown


def test_correlated_folds_break_the_tests_that_take_them_for_independent() -> None:
    """Standard errors of 1,000 draws are 0.7 points at 5 %."""
    independent, shared = correlated(0.0, 1000, 0), correlated(0.1, 1000, 0)
    assert 0.03 < independent["sign-flip over folds"] < 0.07
    assert shared["sign-flip over folds"] > 0.1
    assert 0.03 < shared["corrected resampled t-test"] < 0.07
