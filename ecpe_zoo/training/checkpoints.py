"""Which checkpoint a run tests, and how it was chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info

from ecpe_zoo.corpora.registry import find_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import shell_quoted
from ecpe_zoo.results.record import TEST_FOLD, Choice, documents_of
from ecpe_zoo.tasks import Task


def epoch_metric(corpus: str, task: Task) -> str:
    """The validation metric that chooses the epoch: the corpus's official one, else the task's headline.

    Args:
        corpus: A name, or the path of a description.
        task: Task of the method.

    Raises:
        ZooError: there is no such corpus, or its description cannot be read.

    >>> from ecpe_zoo.tasks import ERC
    >>> epoch_metric("emocontext", ERC), epoch_metric("meld", ERC)
    ('micro_f1_without_others', 'weighted_f1')
    """
    return find_corpus(corpus).official or task.headline


class _Checkpoint(ModelCheckpoint):
    """A callback that recognises its files in a moved or renamed folder.

    Lightning compares names of folders, and forgets the best epoch of a resumed run whose folder was moved, or was
    given relative to the present one.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state. If the files that it names are in this run's folder, so are its paths."""
        here = Path(self.dirpath or "")
        files = [state_dict["best_model_path"], *state_dict.get("best_k_models", ())]
        if self.dirpath is not None and all(_moved(Path(file), here) for file in files if file):
            state_dict = _paths_below(state_dict, str(state_dict.get("dirpath")), str(here))
        super().load_state_dict(state_dict)


def _moved(file: Path, here: Path) -> bool:
    """Whether a file is in a folder under its name, and not also where it was: that would be another run's file."""
    now = here / file.name
    return now.is_file() and (not file.exists() or file.samefile(now))


def _paths_below(value: Any, before: str, now: str) -> Any:
    """A state with the folder `now` in place of `before`."""
    if isinstance(value, dict):
        return {_paths_below(key, before, now): _paths_below(one, before, now) for key, one in value.items()}
    return now + value.removeprefix(before) if isinstance(value, str) and value.startswith(before) else value


class BestCheckpoint(_Checkpoint):
    """The callback of the `checkpoint` option. Its file is the one that a run tests, whatever others are saved."""


class LastCheckpoint(_Checkpoint):
    """The state at the end of every epoch, from which a killed run resumes."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(
            dirpath=folder,
            filename="last",
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say how to resume after an interrupt or an error."""
        super().on_exception(trainer, pl_module, exception)
        if self.best_model_path:
            config = Path(self.best_model_path).parents[1] / "config.yaml"
            words = map(shell_quoted, ("--config", str(config), "--ckpt_path", self.best_model_path))
            rank_zero_info(f"To resume: ecpe-zoo fit {' '.join(words)}")


def best_checkpoint(trainer: Trainer) -> BestCheckpoint | None:
    """The callback whose file is tested; None if checkpoints are switched off."""
    return next((one for one in trainer.checkpoint_callbacks if isinstance(one, BestCheckpoint)), None)


def chosen_by(trainer: Trainer, protocol: str) -> Choice:
    """What the tested weights of a finished fit were chosen by."""
    best = best_checkpoint(trainer)
    if best is None or not best.best_model_path or best.monitor is None:
        return Choice(metric=None, mode=None, documents=documents_of(None, protocol))
    return _choice(best.monitor, best.mode, protocol)


def stopped_by(trainer: Trainer, protocol: str) -> list[Choice]:
    """The metrics that early stopping read during a fit, the user's own callbacks included."""
    return [
        _choice(one.monitor, one.mode, protocol)
        for one in trainer.early_stopping_callbacks
        if math.isfinite(float(one.best_score)) or one.stopping_reason_message is not None
    ]


def _choice(metric: str, mode: str, protocol: str) -> Choice:
    return Choice(
        metric=metric, mode="min" if mode == "min" else "max", documents=documents_of(metric, protocol)
    )


def metric_of(checkpoint: Mapping[str, Any], path: Path) -> str | None:
    """The metric by which a checkpoint file was the best of its run, as the file itself says; None if it does not.

    Args:
        checkpoint: Content of the checkpoint.
        path: Path of the file; a renamed file is not recognised.
    """
    callbacks = checkpoint.get("callbacks")
    for name, state in callbacks.items() if isinstance(callbacks, Mapping) else ():
        # the second name: of checkpoints before the class above
        ours = str(name).startswith((BestCheckpoint.__name__, ModelCheckpoint.__name__))
        known = ours and isinstance(state, Mapping) and state.get("monitor") is not None
        if known and Path(str(state.get("best_model_path"))).name == path.name:
            return str(state["monitor"])
    return None


def refuse_test_fold(protocol: str, monitors: Mapping[str, str | None]) -> None:
    """Allow no choice on test documents under `strict`.

    Args:
        protocol: Protocol of the run.
        monitors: Option -> the metric that it chooses or stops by.

    Raises:
        ZooError: a metric is computed on the test documents.
    """
    for option, metric in monitors.items():
        if protocol == "strict" and documents_of(metric, protocol) == TEST_FOLD:
            raise ZooError(
                f"Expected {option} to name a metric of the validation part (val/...) under --data.protocol strict, "
                f"but got {metric!r}, which is computed on the test documents. Leave the option out, or give "
                "--data.protocol paper, under which the test fold chooses and the record says so."
            )
