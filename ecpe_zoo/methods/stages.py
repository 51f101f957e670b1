"""Training in stages: how a method declares them, and what it gets between two of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction, read_predictions, write_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.distributed import gather_objects, is_first_process

FIT = "fit"
"""Name of the stage of a method that has only one."""


class Stage(NamedTuple):
    """One call of the trainer.

    Args:
        name: Name in the log, the checkpoints' folder and the record.
        max_epochs: Maximum number of epochs; the trainer's if None.
        monitor: Logged metric that chooses the epoch; the config's (the task's headline) if None.
        mode: Whether the highest or lowest value of `monitor` is best.
        watched: Whether `--scorer.watch_test` scores the test documents in this stage; a model that only predicts
            training documents gives no test score.
    """

    name: str
    max_epochs: int | None = None
    monitor: str | None = None
    mode: Literal["max", "min"] = "max"
    watched: bool = True


@dataclass(frozen=True)
class Between:
    """What a method may use before a stage begins. All processes of a distributed run are synchronised here.

    Args:
        stage: Stage that begins.
        earlier: Earlier stages, in order.
        data: Data module; its training documents may be replaced (`replace_training`).
        folder: Folder of the run. Nothing may be written before the first stage: processes are not connected yet and
            may not agree on the folder.
        predict: Function that predicts documents with the current weights in evaluation mode, gathered over
            processes.
        resumed: Whether the stage began earlier and its weights are restored: initialisation (new weights, first
            anchors) must be skipped, while in-memory state must be rebuilt.
    """

    stage: str
    earlier: tuple[str, ...]
    data: EmotionDataModule
    folder: Path
    predict: Callable[[Sequence[Document]], list[Prediction]]
    resumed: bool

    def scores(self, stage: str, documents: Sequence[Document]) -> list[Prediction]:
        """Scores of documents by the best weights of an earlier stage.

        They are computed when the next stage begins, and saved: later stages and resumed runs read the file.

        Args:
            stage: Name of one of the `earlier` stages.
            documents: Documents to score; must be the same whenever this stage's scores are read.

        Raises:
            ZooError: See `predict_all`.
        """
        path = self.folder / "predictions" / f"after-{stage}.npz"
        if self.resumed or stage != self.earlier[-1]:
            return read_predictions(path)
        predictions = self.predict_all(documents)
        self.leave(path, lambda path: write_predictions(path, predictions))
        return predictions

    def predict_all(self, documents: Sequence[Document]) -> list[Prediction]:
        """Predictions of all documents, for stages that cannot do without one.

        Raises:
            ZooError: An option of the trainer leaves some out.
        """
        predictions = self.predict(documents)
        if len(predictions) < len(documents):
            raise ZooError(
                f"Expected predictions of {len(documents):,} training documents, each of which is learned from "
                f"next, but got {len(predictions):,}. Leave out --trainer.limit_predict_batches and "
                "--trainer.fast_dev_run."
            )
        return predictions

    def leave(self, path: Path, write: Callable[[Path], None]) -> None:
        """Have the first process write a file; the others wait until it exists."""
        if is_first_process():
            write(path)
        gather_objects(None)  # a barrier
