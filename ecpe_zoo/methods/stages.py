"""Training in stages: what a method says of them, and what it is given between two of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction

FIT = "fit"
"""Name of the only stage of a method that has one."""


class Stage(NamedTuple):
    """One call of the trainer.

    Args:
        name: in the log, the checkpoints' folder and the record.
        max_epochs: the trainer's where None.
        monitor: the logged metric that chooses the epoch; what the config says (the task's headline) where None.
        mode: whether the best is the highest or the lowest, for such a `monitor`.
    """

    name: str
    max_epochs: int | None = None
    monitor: str | None = None
    mode: Literal["max", "min"] = "max"


@dataclass(frozen=True)
class Between:
    """What a method may use before a stage begins. All processes of a distributed run are here together.

    Args:
        stage: the one that begins.
        data: its training documents may be replaced (`replace_training`).
        folder: of the run; a stage may leave files there (from the second one on: before the first, processes do not
            know each other and may not agree on it).
        predict: scores of documents by the method as it stands, gathered over processes, in evaluation mode.
        resumed: the stage was begun before and its weights are back already: what only serves to start it (new
            weights, first anchors) must be left alone, what lives in memory must be made again.
    """

    stage: str
    data: EmotionDataModule
    folder: Path
    predict: Callable[[Sequence[Document]], list[Prediction]]
    resumed: bool
