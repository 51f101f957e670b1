"""Bounds the memory that libraries keep during a long run on a CPU."""

from __future__ import annotations

from time import monotonic
from typing import Any

from lightning import Callback, LightningModule, Trainer

from ecpe_zoo.memory import give_back, keep_few_kernels

SPACING = 1000.0
"""Seconds between two trims for each second that one takes, so that trims cost under 1 % of the time: taking the memory
back from the system takes six times as long as the trim (measured: 0.8 GB, .04 s and .25 s)."""


class BoundMemory(Callback):
    """Gives freed memory back to the system and limits oneDNN's cache of kernels; no number changes.

    After a batch, freed memory goes back unless the last time was too recent (see `SPACING`). On a GPU it does not:
    the batches' tensors are in the GPU's memory, which torch manages.
    """

    def __init__(self) -> None:
        keep_few_kernels()  # here, since oneDNN reads the limit at its first product
        self.due = 0.0

    def _trim(self, trainer: Trainer) -> None:
        start = monotonic()
        if start < self.due or trainer.strategy.root_device.type != "cpu":
            return
        give_back()
        end = monotonic()
        self.due = end + SPACING * (end - start)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Trim if it is time."""
        self._trim(trainer)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Trim if it is time."""
        self._trim(trainer)

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Trim if it is time."""
        self._trim(trainer)

    def on_predict_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Trim if it is time."""
        self._trim(trainer)
