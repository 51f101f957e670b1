"""Bounds the memory that libraries keep during a long run on a CPU."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer

from ecpe_zoo.memory import give_back, keep_few_kernels

EVERY = 50
"""Batches between two trims."""


class BoundMemory(Callback):
    """Gives freed memory back to the system and limits oneDNN's cache of kernels; no number changes.

    Freed memory goes back after every `EVERY` batches and at the end of each epoch. On a GPU nothing is done: torch
    has its own allocator there.
    """

    def __init__(self) -> None:
        keep_few_kernels()  # here: oneDNN reads the limit at its first product
        self.batches = 0

    def _count(self, trainer: Trainer) -> None:
        self.batches += 1
        if self.batches >= EVERY:
            self._trim(trainer)

    def _trim(self, trainer: Trainer) -> None:
        self.batches = 0
        if trainer.strategy.root_device.type == "cpu":
            give_back()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Trim after every `EVERY` batches."""
        self._count(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """See training."""
        self._count(trainer)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """See training."""
        self._count(trainer)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """See training."""
        self._count(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Trim at the end of an epoch."""
        self._trim(trainer)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See training."""
        self._trim(trainer)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See training."""
        self._trim(trainer)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See training."""
        self._trim(trainer)
