"""Stages by the command and from Python: one engine, the same weights and records."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer

import ecpe_zoo
from ecpe_zoo.cli.main import main
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.eacl import EACL
from ecpe_zoo.methods.eqn import EQN
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.methods.rule import Rule
from ecpe_zoo.methods.stages import Stage
from ecpe_zoo.results.record import RunRecord, read_record
from ecpe_zoo.training.checkpoints import BestCheckpoint
from ecpe_zoo.training.fitting import Fitted
from tests.cli.test_training import QUIET, assert_same_weights, config, run_folder
from tests.conftest import ROOT

WORST = Stage("count", max_epochs=2, monitor="val/pair_f1", mode="min")


class Counted(Rule):
    """A rule in stages of its own."""

    order = (WORST, Stage("again", max_epochs=1))

    def stages(self) -> tuple[Stage, ...]:
        return self.order


def test_every_stage_has_its_own_epochs_and_monitor(tmp_path: Path) -> None:
    options = ["--model", f"{__name__}.Counted", "--data.batch_size", "64", "--trainer.max_epochs", "5"]
    assert main(["fit", *options, *QUIET, "--trainer.default_root_dir", str(tmp_path)]) == 0
    run = run_folder(tmp_path)
    first, second = read_record(run / "record.json").stages
    assert (first.name, first.epochs, second.name, second.epochs) == ("count", 2, "again", 1)
    for stage, mode in ((first, "min"), (second, "max")):
        assert stage.chosen_by is not None
        assert (stage.chosen_by.metric, stage.chosen_by.mode) == ("val/pair_f1", mode)
        assert [choice.mode for choice in stage.stopped_by] == [mode]


MODEL: dict[str, Any] = {"encoder": {"size": 16, "heads": 2}, "adapt_epochs": 2}
DATA: dict[str, Any] = {"corpus": "bundled-conversations", "batch_size": 64, "eval_batch_size": 16}
TRAINER: dict[str, Any] = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "max_epochs": 1,
    "limit_train_batches": 4,
}


def without_clock(record: RunRecord) -> dict[str, Any]:
    """A record but for what no two runs have alike."""
    found = record.model_dump()
    for part in (found["machine"], *found["stages"]):
        part.pop("seconds")
    found["machine"].pop("peak_memory_bytes")
    return found


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder of the command."""
    folder = tmp_path_factory.mktemp("command") / "runs"
    options = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "4", "--data.batch_size", "64"]
    options += ["--model.encoder.size", "16", "--seed_everything", "3"]
    assert main(["fit", *config("eacl", folder, *options)]) == 0
    return run_folder(folder)


@pytest.mark.parametrize("by", ["config", "objects"])
def test_python_gives_the_weights_and_the_record_of_the_command(
    by: str, command: Path, tmp_path: Path
) -> None:
    path = ROOT / "configs" / "eacl.yaml"
    trainer = TRAINER | {"default_root_dir": str(tmp_path / "runs"), "logger": None}
    if by == "config":
        fitted = ecpe_zoo.fit(path, DATA, model=MODEL, seed=3, trainer=trainer)
    else:
        written = read_record(command / "record.json").config
        method = EACL(**written["model"]["init_args"])
        fitted = ecpe_zoo.fit(
            method,
            EmotionDataModule(**DATA),
            seed=3,
            trainer=trainer | {"gradient_clip_val": 5.0},
            early_stopping={"patience": 10},
        )
        assert fitted.method is method
    assert fitted.record is not None
    assert fitted.record == read_record(fitted.folder / "record.json")
    assert without_clock(fitted.record) == without_clock(read_record(command / "record.json"))
    names = {file.name for file in (command / "checkpoints").iterdir()}
    assert {file.name for file in (fitted.folder / "checkpoints").iterdir()} == names
    for name in names:
        assert_same_weights(command / "checkpoints" / name, fitted.folder / "checkpoints" / name)
    assert fitted.checkpoint is not None
    best = read_checkpoint(fitted.checkpoint)["state_dict"]
    assert all(
        torch.equal(value, best[name]) for name, value in fitted.method.state_dict().items() if value.ndim
    )
    assert not fitted.method.training
    assert (fitted.folder / "config.yaml").is_file()
    assert not (tmp_path / "runs" / "config.yaml").exists()  # predictions between stages leave none


class Counter(Callback):
    """Counts epochs."""

    epochs = 0

    def on_train_epoch_end(self, *_: Any) -> None:
        self.epochs += 1


def quick(folder: Path, method: Any, data: Any = "bundled-ecpe", **options: Any) -> Fitted:
    trainer = TRAINER | {"default_root_dir": str(folder)} | options.pop("trainer", {})
    return ecpe_zoo.fit(method, data, trainer=trainer, **options)


DATA_ECPE = {"corpus": "bundled-ecpe", "batch_size": 64}


def test_callbacks_may_be_objects_and_the_record_names_them(tmp_path: Path) -> None:
    counter = Counter()
    listed = [counter, {"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"}]
    fitted = quick(tmp_path, Rule(), DATA_ECPE, trainer={"callbacks": listed})
    assert counter.epochs == 1
    assert fitted.record is not None
    monitor, named = fitted.record.config["trainer"]["callbacks"]
    assert monitor["class_path"] == "lightning.pytorch.callbacks.LearningRateMonitor"
    assert named == {"class_path": f"{__name__}.Counter"}


def test_a_data_module_serves_several_runs(tmp_path: Path) -> None:
    """What a staged method put in place of the training documents is not left to the next."""
    data = EmotionDataModule(corpus="bundled-emotions", batch_size=64)
    small: dict[str, Any] = {"encoder": {"name": "embedded", "size": 16, "heads": 2}}
    quick(tmp_path / "a", EQN(**small, relabel="in-sample"), data, test=False)
    assert data.learned_documents is not data.train_documents
    again = quick(tmp_path / "b", EQN(**small, objective="coeqn"), data, test=False)
    assert data.learned_documents is data.train_documents
    assert again.record is None
    fresh = quick(
        tmp_path / "c", EQN(**small, objective="coeqn"), DATA | {"corpus": "bundled-emotions"}, test=False
    )
    assert again.checkpoint is not None
    assert fresh.checkpoint is not None
    assert_same_weights(again.checkpoint, fresh.checkpoint)


def test_mistakes_in_python(tmp_path: Path) -> None:
    fitted = quick(tmp_path, Rule(), DATA_ECPE, test=False)
    with pytest.raises(ZooError, match="Expected a new method, but this rule has weights already"):
        quick(tmp_path, fitted.method, DATA_ECPE)
    with pytest.raises(ZooError, match="max_epoch'"):
        quick(tmp_path, Rule(), DATA_ECPE, trainer={"max_epoch": 1})
    with pytest.raises(ZooError, match="test documents"):
        quick(tmp_path, Rule(), DATA_ECPE, checkpoint={"monitor": "test/pair_f1"})
    with pytest.raises(ZooError, match="Expected a corpus for the method's task 'ecpe'"):  # not: fetch meld
        quick(tmp_path, Rule(), {"corpus": "meld", "root": tmp_path})
    with pytest.raises(ZooError, match=r"got 'none\.yaml'"):
        quick(tmp_path, "none.yaml")
    with pytest.raises(ZooError, match="has its arguments already"):
        quick(tmp_path, Rule(), DATA_ECPE, model={"threshold": 0.1})


class Breaks(Callback):
    """Ends a run in the second epoch of a stage."""

    def __init__(self, stage: str = "anchors") -> None:
        self.stage = stage

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1 and pl_module.stage == self.stage:
            raise KeyError("broken")


def test_a_broken_run_resumes_from_python(command: Path, tmp_path: Path) -> None:
    path = ROOT / "configs" / "eacl.yaml"
    trainer = TRAINER | {"default_root_dir": str(tmp_path)}
    with pytest.raises(KeyError, match="broken"):
        ecpe_zoo.fit(path, DATA, model=MODEL, seed=3, trainer=trainer | {"callbacks": [Breaks()]})
    (last,) = tmp_path.rglob("last.ckpt")
    assert read_checkpoint(last)["ecpe_zoo"]["stage"] == "anchors"
    fitted = ecpe_zoo.fit(
        path, DATA, seed=3, trainer=trainer, ckpt_path=last
    )  # arguments from the checkpoint
    assert fitted.folder == last.parents[1]
    assert_same_weights(last, command / "checkpoints" / "last.ckpt")
    assert fitted.record is not None
    assert fitted.record.metrics == read_record(command / "record.json").metrics


@pytest.mark.parametrize("folder", ["runs", "moved"])
def test_a_resumed_run_remembers_its_best_epoch(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was given relative to the present one, or has another name since. The best epoch is the first."""
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {
        "model": {"hidden": 16, "filters": 8},
        "seed": 0,
        "checkpoint": {"monitor": "train/loss", "mode": "max"},
        "test": False,
    }
    trainer = TRAINER | {"default_root_dir": "runs", "max_epochs": 3}
    path = ROOT / "configs" / "e2eecpe.yaml"
    with pytest.raises(KeyError, match="broken"):
        ecpe_zoo.fit(path, DATA_ECPE, trainer=trainer | {"callbacks": [Breaks("fit")]}, **options)
    Path("runs").rename(folder)
    (last,) = Path(folder).rglob("last.ckpt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = ecpe_zoo.fit(path, DATA_ECPE, trainer=trainer, ckpt_path=last, **options)
    assert fitted.folder.resolve() == last.parents[1].resolve()
    assert sorted(file.name[:13] for file in last.parent.iterdir()) == ["best-epoch000", "last.ckpt"]
    assert fitted.checkpoint is not None
    assert fitted.checkpoint.name.startswith("best-epoch000")


def test_files_of_another_run_are_not_taken_for_moved_ones(tmp_path: Path) -> None:
    """Several runs may share `--checkpoint.dirpath`; then both files are there."""
    state = {"best_model_score": torch.tensor(0.5), "best_k_models": {}}
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "best.ckpt").touch()
    stored = state | {"dirpath": str(tmp_path / "a"), "best_model_path": str(tmp_path / "a" / "best.ckpt")}
    callback = BestCheckpoint(dirpath=tmp_path / "b")
    with pytest.warns(UserWarning, match="dirpath has changed"):
        callback.load_state_dict(stored)
    assert callback.best_model_path == stored["best_model_path"]
    (tmp_path / "a" / "best.ckpt").unlink()  # moved
    callback.load_state_dict(stored)
    assert callback.best_model_path == str(tmp_path / "b" / "best.ckpt")
