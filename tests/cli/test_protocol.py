"""What chose the tested weights is recorded as it happened, and test documents choose nothing under `strict`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.tables import markdown
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.results.identity import config_hash
from ecpe_zoo.results.record import RunRecord, read_record
from ecpe_zoo.results.store import find_records
from tests.cli.test_training import config, run_folder

SMALL = ["--trainer.max_epochs", "3", "--data.batch_size", "64", "--model.threshold", "0.1"]
WORST = {"monitor": "val/pair_f1", "mode": "min", "filename": "worst-{epoch}"}


def callback(name: str, **options: str | int) -> list[str]:
    """A callback of the user's."""
    return [
        "--trainer.callbacks",
        json.dumps([{"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": options}]),
    ]


VALIDATION, LAST, TRAINING = "validation part", "none: the last epoch", "training documents"
CASES: dict[str, tuple[list[str], str, str | None]] = {
    "plain": ([], VALIDATION, "val/pair_f1"),
    "shown": (callback("LearningRateMonitor"), VALIDATION, "val/pair_f1"),
    "training-loss": (
        ["--checkpoint.monitor", "train/loss", "--checkpoint.mode", "min"],
        TRAINING,
        "train/loss",
    ),
    "no-monitor": (["--checkpoint.monitor", "null"], LAST, None),
    "none-kept": (["--checkpoint.save_top_k", "0"], LAST, None),
    "no-checkpoint": (["--trainer.enable_checkpointing", "false"], LAST, None),
    "no-validation": (["--trainer.limit_val_batches", "0"], LAST, None),
    "second-checkpoint": (callback("ModelCheckpoint", **WORST), VALIDATION, "val/pair_f1"),
    "stopping-on-loss": (
        ["--early_stopping.monitor", "train/loss", "--early_stopping.mode", "min"],
        VALIDATION,
        "val/pair_f1",
    ),
    "other-name": (["--checkpoint.monitor", "epoch"], "unknown", "epoch"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of a short fit for each case."""
    root = tmp_path_factory.mktemp("protocol")
    found = {}
    for name, (options, _, _) in CASES.items():
        assert main(["fit", *config("e2eecpe", root / name, *SMALL, *options)]) == 0, name
        found[name] = run_folder(root / name)
    return found


@pytest.fixture(scope="module")
def records(runs: dict[str, Path]) -> dict[str, RunRecord]:
    return {name: read_record(run / "record.json") for name, run in runs.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_record_says_what_chose_the_tested_weights(name: str, records: dict[str, RunRecord]) -> None:
    record, (_, documents, metric) = records[name], CASES[name]
    assert record.schema_version == 4
    assert (record.protocol.selection, record.protocol.selection_metric) == (documents, metric)
    (stage,) = record.stages
    assert stage.chosen_by is not None
    assert (stage.chosen_by.documents, stage.chosen_by.metric) == (documents, metric)
    read = [(choice.metric, choice.documents) for choice in stage.stopped_by]
    stops = {"stopping-on-loss": [("train/loss", TRAINING)], "no-validation": []}
    assert read == stops.get(name, [("val/pair_f1", VALIDATION)])


def test_the_tested_file_is_that_of_the_checkpoint_option(
    runs: dict[str, Path], records: dict[str, RunRecord]
) -> None:
    record = records["second-checkpoint"]
    (entry,) = find_records([runs["second-checkpoint"]])
    by_epoch = [row["validation"]["pair_f1"] for row in entry.history]
    assert len(set(by_epoch)) > 1
    assert record.epoch == by_epoch.index(max(by_epoch)) == records["plain"].epoch
    assert record.metrics == records["plain"].metrics
    (worst,) = (runs["second-checkpoint"] / "checkpoints").glob("worst-*.ckpt")
    assert read_checkpoint(worst)["epoch"] != record.epoch


def test_the_last_epoch_is_the_last(runs: dict[str, Path], records: dict[str, RunRecord]) -> None:
    assert records["no-monitor"].epoch == 2
    for name in ("none-kept", "no-checkpoint", "no-validation"):
        assert records[name].epoch is None
        assert records[name].epochs == 3
    # the same weights, by three ways
    assert records["no-monitor"].metrics == records["none-kept"].metrics == records["no-checkpoint"].metrics
    assert not list(runs["no-checkpoint"].rglob("*.ckpt"))


def test_what_changes_numbers_is_in_the_hash(records: dict[str, RunRecord]) -> None:
    hashes = {name: record.config_hash for name, record in records.items()}
    assert hashes.pop("shown") == hashes["plain"]
    assert len(set(hashes.values())) == len(hashes)
    for record in records.values():
        assert config_hash(record.config) == record.config_hash


def test_only_what_a_validation_part_chose_may_be_ranked_as_strict(runs: dict[str, Path]) -> None:
    (board,) = [board for board in build_boards(find_records(runs.values()), resamples=200) if board.rows]
    ranked = {row.label for row in board.rows if row.cells["strict"].wanting or row.of}
    named = markdown([board])
    chosen = [name for name, (_, on, _) in CASES.items() if on == VALIDATION and name != "shown"]
    assert len(board.rows) == len(CASES) - 1  # "shown" is the plain row's second run
    assert len(ranked) == len(chosen)
    assert any("trainer.callbacks=ModelCheckpoint" in label for label in ranked)
    note = "no metric chose the epoch: the last one was scored (fold 1 seed 0): not ranked"
    assert (sum(note in row.remarks for row in board.rows), named.count(note)) == (4, 1)
    assert "the training documents chose the epoch (train/loss) (fold 1 seed 0): not ranked" in named
    assert "nothing says which documents chose the epoch (epoch) (fold 1 seed 0): not ranked" in named


def test_the_screen_says_it_too(
    tmp_path: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *config("e2eecpe", tmp_path, *SMALL)]) == 0
    assert "chosen on a validation part of the training documents (val/pair_f1)" in capsys.readouterr().out
    assert main(["fit", *config("e2eecpe", tmp_path, *SMALL, *CASES["training-loss"][0])]) == 0
    printed = capsys.readouterr().out
    assert "the epoch was chosen on training documents (train/loss)" in printed
    assert "not ranked among strict results: the training documents chose the epoch" in printed
    for case, said in (
        ("training-loss", "its run chose the checkpoint by train/loss"),
        ("no-monitor", "the checkpoint does not say what chose it"),
    ):
        (best,) = (runs[case] / "checkpoints").glob("best-*.ckpt")
        assert main(["test", *config("e2eecpe", tmp_path, "--ckpt_path", str(best))]) == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (["--checkpoint.monitor", "watched_test/pair_f1"], "--checkpoint.monitor"),
        (["--checkpoint.monitor", "test/pair_f1"], "--checkpoint.monitor"),
        (["--early_stopping.monitor", "watched_test/pair_f1"], "--early_stopping.monitor"),
        (
            callback("EarlyStopping", monitor="watched_test/pair_f1", mode="max"),
            "EarlyStopping in --trainer.callbacks",
        ),
    ],
)
def test_test_documents_choose_nothing_under_strict(
    options: list[str], option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = ["--scorer.watch_test", "true", *options]
    assert main(["fit", *config("e2eecpe", tmp_path, *SMALL, *watched)]) == 1
    error = capsys.readouterr().err
    assert option in error
    assert "under --data.protocol strict" in error
    assert "--data.protocol paper" in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not list(tmp_path.rglob("record.json"))


def test_a_suite_refuses_it_before_any_cell_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: chosen\ncells:\n  - config: configs/e2eecpe.yaml\n"
        "    overrides: {scorer.watch_test: true, checkpoint.monitor: watched_test/pair_f1}\n",
        encoding="utf-8",
    )
    assert main(["run", str(suite), "--dry-run", "--results", str(tmp_path / "store")]) == 1
    assert "computed on the test documents" in capsys.readouterr().err


def test_a_second_checkpoint_without_checkpoints_says_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*callback("ModelCheckpoint", **WORST), "--trainer.enable_checkpointing", "false"]
    assert main(["fit", *config("e2eecpe", tmp_path, *SMALL, *options)]) == 1
    assert "Leave one of the two out" in capsys.readouterr().err


def test_one_callback_need_not_be_a_list(tmp_path: Path) -> None:
    options = ["--trainer.callbacks", "lightning.pytorch.callbacks.LearningRateMonitor", "--test", "false"]
    assert main(["fit", *config("e2eecpe", tmp_path, *SMALL, *options)]) == 0
