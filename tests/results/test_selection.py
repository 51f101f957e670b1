"""The price of choosing on test, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.selection import paper_arm, price_of, prices
from ecpe_zoo.results.store import find_records
from tests.conftest import ROOT
from tests.results.making import history, raw, write


def test_one_run_by_hand(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw(history=history([(0.1, 0.3), (0.5, 0.4), (0.5, 0.6), (0.2, 0.5)])))
    price = price_of(find_records([tmp_path])[0])
    assert price is not None
    assert (price.chosen_epoch, price.chosen, price.best_epoch, price.best, price.looks) == (
        1,
        0.4,
        2,
        0.6,
        4,
    )
    assert price.gap == pytest.approx(0.2)
    assert [price.chosen_tuned, price.best_tuned] == pytest.approx([0.41, 0.61])


def test_over_folds_and_seeds(tmp_path: Path) -> None:
    gaps = {(1, 1): 0.1, (1, 2): 0.3, (2, 1): 0.0}
    for (fold, seed), gap in gaps.items():
        rows = history([(0.5, 0.4), (0.1, 0.4 + gap)])
        write(tmp_path / f"{fold}{seed}.json", raw(fold=fold, seed=seed, history=rows))
    found = prices(find_records([tmp_path]))
    assert found.gap.unit == "folds"
    assert found.gap.over.mean == pytest.approx((0.2 + 0.0) / 2)
    assert found.chosen.over.mean == pytest.approx(0.4)
    assert found.gap_tuned is not None


def test_only_the_last_stage_counts(tmp_path: Path) -> None:
    rows = history([(0.9, 0.9)], "first") + history([(0.5, 0.4), (0.4, 0.5)], "second")
    write(tmp_path / "a.json", raw(history=rows))
    price = price_of(find_records([tmp_path])[0])
    assert price is not None
    assert (price.best, price.looks) == (0.5, 2)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"epoch": 1, "validation": "x"}, "metrics by name as validation in the history, but got 'x'"),
        ({"epoch": 0, "step": [1]}, r"a finite number as step in the history, but got \[1\]"),
        ({"epoch": 0, "step": 1e999}, "a finite number as step"),
        ({"epoch": 0, "step": 10**400}, "a finite number as step"),
        ({"epoch": 0, "step": True}, "a finite number as step"),
        ({"epoch": 0, "watched_test": {"pair_f1": "0.5"}}, "a finite number as pair_f1"),
        ({"step": 1, "validation": {"pair_f1": 0.5}}, "an epoch in each row"),
    ],
)
def test_a_history_of_another_form_is_named_and_not_drawn(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    write(tmp_path / "a.json", raw(history=[row]))
    (entry,) = find_records([tmp_path])
    with pytest.raises(ZooError, match=rf"a\.json: expected {message}"):
        price_of(entry)
    assert entry.shown_history == []


def test_a_row_without_validation_is_no_evidence(tmp_path: Path) -> None:
    rows = [{"epoch": 0, "watched_test": {"pair_f1": 0.9}, "validation": None}, *history([(0.5, 0.4)])]
    write(tmp_path / "a.json", raw(history=rows))
    price = price_of(find_records([tmp_path])[0])
    assert price is not None
    assert (price.best, price.looks) == (0.4, 1)


def test_runs_that_did_not_watch_are_no_evidence(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw(protocol="paper", history=history([(0.5, 0.5)])))
    write(tmp_path / "b.json", raw(history=[{"epoch": 0, "validation": {"pair_f1": 0.1}}]))
    with pytest.raises(ZooError, match=r"--scorer\.watch_test true"):
        prices(find_records([tmp_path]))


def test_the_epoch_that_history_names_is_the_one_that_was_tested() -> None:
    for entry in find_records([ROOT / "experiments" / "records" / "0.1.0" / "e2eecpe" / "e2eecpe"]):
        price = price_of(entry)
        assert price is not None
        assert price.chosen_epoch == entry.record.epoch
        assert price.chosen == pytest.approx(entry.record.metrics_default["ecpe.pair_f1.v1"])


def test_the_paper_protocol_beside_it(tmp_path: Path) -> None:
    """On the folds that both have, at the default threshold, each fold the mean of its seeds."""
    for fold, chosen in ((1, 0.4), (2, 0.5), (3, 0.1)):
        rows = history([(0.5, chosen), (0.1, chosen + 0.05)])
        write(tmp_path / f"s{fold}.json", raw(fold=fold, history=rows))
    for fold, seed, f1 in ((1, 1, 0.5), (1, 2, 0.7), (2, 1, 0.6), (4, 1, 0.9)):
        record = raw(f1, fold=fold, seed=seed, protocol="paper")
        record["protocol"]["test_reads"] = 10 * seed
        write(tmp_path / f"p{fold}{seed}.json", record)
    entries = find_records([tmp_path])
    strict, paper = ([e for e in entries if e.record.protocol.name == name] for name in ("strict", "paper"))
    arm = paper_arm(prices(strict), paper)
    assert arm is not None
    assert arm.paper.over.mean == pytest.approx((0.6 + 0.6) / 2)
    assert arm.chosen.over.mean == pytest.approx((0.4 + 0.5) / 2)
    assert arm.gap.over.mean == pytest.approx((0.2 + 0.1) / 2)
    assert arm.beyond.over.mean == pytest.approx((0.15 + 0.05) / 2)
    assert (arm.gap.unit, arm.gap.over.n, arm.looks) == ("folds", 2, (10, 20))
    assert paper_arm(prices(strict), paper[-1:]) is None
    corrected = prices(strict).corrected
    assert corrected is not None
    assert corrected.mean == pytest.approx(0.05)
    assert arm.corrected_gap is not None
    assert arm.corrected_gap.low < arm.gap.over.low  # folds share training documents: less is known


def test_paper_runs_without_a_score_at_the_default_threshold_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "s.json", raw(history=history([(0.5, 0.4)])))
    record = raw(0.5, protocol="paper")
    record["metrics_default"] = {}
    write(tmp_path / "p.json", record)
    entries = find_records([tmp_path])
    strict, paper = ([e for e in entries if e.record.protocol.name == name] for name in ("strict", "paper"))
    assert paper_arm(prices(strict), paper) is None
