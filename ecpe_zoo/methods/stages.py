"""Training in stages: what a method says of them, and what it is given between two of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction, read_predictions, write_predictions
from ecpe_zoo.layers.distributed import gather_objects, is_first_process

FIT = "fit"
"""Name of the only stage of a method that has one."""


class Stage(NamedTuple):
    """One call of the trainer.

    Args:
        name: In the log, the checkpoints' folder and the record.
        max_epochs: The trainer's where None.
        monitor: The logged metric that chooses the epoch; what the config says (the task's headline) where None.
        mode: Whether the best is the highest or the lowest, for such a `monitor`.
    """

    name: str
    max_epochs: int | None = None
    monitor: str | None = None
    mode: Literal["max", "min"] = "max"


@dataclass(frozen=True)
class Between:
    """What a method may use before a stage begins. All processes of a distributed run are here together.

    Args:
        stage: The one that begins.
        earlier: Those before it, in order.
        data: Its training documents may be replaced (`replace_training`).
        folder: Of the run. Before the first stage nothing may be left there: processes do not know each other yet and
            may not agree on it.
        predict: Scores of documents by the method with its present weights, gathered over processes, in evaluation
            mode.
        resumed: The stage was begun before and its weights are back already: what only serves to start it (new
            weights, first anchors) must be left alone, what lives in memory must be made again.
    """

    stage: str
    earlier: tuple[str, ...]
    data: EmotionDataModule
    folder: Path
    predict: Callable[[Sequence[Document]], list[Prediction]]
    resumed: bool

    def scores(self, stage: str, documents: Sequence[Document]) -> list[Prediction]:
        """Scores of documents by the best weights of an earlier stage.

        They are computed when the next stage begins, and saved: later stages, and a run that resumes, read the file.

        Args:
            stage: One of `earlier`.
            documents: The same whenever this stage's scores are read.
        """
        path = self.folder / "predictions" / f"after-{stage}.npz"
        if self.resumed or stage != self.earlier[-1]:
            return read_predictions(path)
        predictions = self.predict(documents)
        self.leave(path, lambda path: write_predictions(path, predictions))
        return predictions

    def leave(self, path: Path, write: Callable[[Path], None]) -> None:
        """Have the first process write a file; the others go on when it is there."""
        if is_first_process():
            write(path)
        gather_objects(None)  # a barrier
