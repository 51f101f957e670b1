"""Patience counts from the first validation headline above 0."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.trainer.states import TrainerFn

from ecpe_zoo.cli.main import main
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.rule import Rule
from ecpe_zoo.training.stopping import PatientStopping


class Strategy:
    """One process."""

    def reduce_boolean_decision(self, decision: bool, all: bool = True) -> bool:
        return decision


def stopped_at(stopping: PatientStopping, scores: list[float], **logged: list[float]) -> int | None:
    """The check (0-based) at which a fit with these headlines would stop; None where it would not."""
    trainer = SimpleNamespace(
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        sanity_checking=False,
        fast_dev_run=False,
        should_stop=False,
        strategy=Strategy(),
        enable_validation=bool(scores),
        val_check_interval=1.0,
        check_val_every_n_epoch=1,
        current_epoch=0,
        callback_metrics={},
        datamodule=EmotionDataModule("bundled-ecpe"),
    )
    given, method = cast(Trainer, trainer), Rule()
    stopping.setup(given, method, "fit")
    values = ({"val/pair_f1": scores} if scores else {}) | {
        f"train/{name}": row for name, row in logged.items()
    }
    for check in range(max(map(len, values.values()))):
        trainer.callback_metrics = {name: torch.tensor(row[check]) for name, row in values.items()}
        stopping.on_validation_end(given, method)  # not the hook of this setting: must not count twice
        stopping.on_train_epoch_end(given, method)
        if trainer.should_stop:
            return check
    return None


def stopping(patience: int = 2, **options: Any) -> PatientStopping:
    given: dict[str, Any] = {"monitor": "val/pair_f1", "mode": "max", "patience": patience}
    return PatientStopping(**(given | options))


LATE = [0.0, 0.0, 0.0, 0.0, 0.1, 0.1, 0.0, 0.0]


@pytest.mark.parametrize(
    ("patience", "scores", "expected"),
    [
        (2, LATE, 6),  # two checks after the first score above 0
        (0, LATE, 5),  # Lightning's patience of 0 stops at the first check without improvement
        (1, LATE, 5),
        (2, [0.0] * 8, None),
        (2, [0.3, 0.2, 0.2, 0.5], 2),  # a score from the start: as Lightning
        (3, [0.0, 0.1, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0], 7),  # once begun, zeros count
    ],
)
def test_patience_counts_from_the_first_score(
    patience: int, scores: list[float], expected: int | None
) -> None:
    assert stopped_at(stopping(patience), scores) == expected


def test_counts_from_the_first_epoch_where_asked_for() -> None:
    assert stopped_at(stopping(counts_from="first-epoch"), LATE) == 2
    with pytest.raises(ZooError, match="first-score, first-epoch, but got 'never'"):
        stopping(counts_from="never")


def test_patience_is_not_negative() -> None:
    with pytest.raises(ZooError, match=r"--early_stopping\.patience to be at least 0, but got -1"):
        stopping(-1)


def test_the_headline_is_that_of_the_zoos_data() -> None:
    trainer = cast(Trainer, SimpleNamespace(datamodule=None, callback_metrics={}))
    with pytest.raises(ZooError, match="Expected a trainer that runs an EmotionDataModule"):
        stopping().on_train_epoch_end(trainer, Rule())


def test_another_monitor_waits_for_the_headline_too() -> None:
    loss: dict[str, Any] = {"monitor": "train/loss", "mode": "min"}
    assert stopped_at(stopping(**loss), LATE, loss=[1.0] * 8) == 5
    assert stopped_at(stopping(**loss), [], loss=[1.0] * 8) == 2  # no validation, no headline


def test_what_else_stops_is_checked_from_the_first_epoch() -> None:
    assert stopped_at(stopping(), [0.0, float("nan"), 0.0]) == 1
    assert (
        stopped_at(
            stopping(monitor="train/loss", mode="min", divergence_threshold=9.0), LATE, loss=[10.0] * 8
        )
        == 0
    )


@pytest.mark.parametrize("break_after", range(1, 7))
def test_a_resumed_fit_stops_where_an_unbroken_one_does(break_after: int) -> None:
    first = stopping()
    assert stopped_at(first, LATE[:break_after]) is None
    resumed = stopping()
    resumed.load_state_dict(first.state_dict())
    found = stopped_at(resumed, LATE[break_after:])
    assert found == 6 - break_after


def test_the_rule_is_in_the_config(capsys: pytest.CaptureFixture[str]) -> None:
    """A new record's hash differs from that of a record before the rule."""
    with pytest.raises(SystemExit):
        main(["fit", "--model", "ecpe_zoo.methods.rule.Rule", "--print_config"])
    printed = capsys.readouterr().out
    section = printed[printed.index("early_stopping:") :]
    assert "counts_from: first-score" in section
    assert "patience: 1000" in section
    assert "min_delta: 0.0" in section
