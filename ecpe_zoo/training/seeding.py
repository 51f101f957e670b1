"""Randomness that a resumed run continues."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer


class SeedEachEpoch(Callback):
    """Seed all generators at the start of every epoch from (seed, stage, epoch, rank).

    Lightning saves no generator states: without this a resumed run draws other dropout masks than an unbroken
    one. Ranks differ, so that they do not drop the same units of their different documents.

    Args:
        seed: Seed of the run.
        stage: Stage of a method that trains in stages.
    """

    def __init__(self, seed: int, stage: str = "fit") -> None:
        self.seed, self.stage = seed, stage

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed what builds batches."""
        self._seed(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the first step once more.

        Lightning leaves out `on_train_epoch_start` for the epoch after a resume, and the iterator of a loader
        draws a number whenever it is made, before or after that hook: only from here on are both runs alike.
        """
        if batch_idx == 0:
            self._seed(trainer)

    def _seed(self, trainer: Trainer) -> None:
        # not by `seed_everything`: it would overwrite the run's seed in the environment
        words = f"{self.seed} {self.stage} {trainer.current_epoch} {trainer.global_rank}"
        seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
