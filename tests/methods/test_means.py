"""Losses of an epoch are logged as means over its documents."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from lightning import Trainer
from torch import Tensor

from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.means import Means
from ecpe_zoo.text.clause_batch import ClauseBatch
from ecpe_zoo.text.document_rows import DocumentRows

BATCHES = [({"pairs": 3.0, "emotions": 1.0}, 8), ({"pairs": 1.0, "emotions": 5.0}, 2), ({"clues": 0.5}, 4)]


def test_batches_are_weighted_by_their_documents() -> None:
    means = Means()
    for values, documents in BATCHES:
        means.add(
            {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}, documents
        )
    found = {name: (float(mean), weight) for name, mean, weight in means.pop()}
    assert found == {
        "pairs": (pytest.approx((3 * 8 + 1 * 2) / 10), 10),
        "emotions": (pytest.approx((1 * 8 + 5 * 2) / 10), 10),
        "clues": (0.5, 4),
    }
    assert not list(means.pop())


def test_no_graph_is_kept() -> None:
    means = Means()
    means.add({"loss": torch.tensor(1.0, requires_grad=True) * 2}, 1)
    ((_, mean, _),) = means.pop()
    assert not mean.requires_grad


class Watched(E2EECPE):
    """Keeps the losses of each batch."""

    def losses(self, batch: ClauseBatch | DocumentRows) -> dict[str, Tensor]:
        losses = super().losses(batch)
        SEEN.append(({name: float(value.detach()) for name, value in losses.items()}, len(batch.ids)))
        return losses


SEEN: list[tuple[dict[str, float], int]] = []


def test_the_log_holds_the_means_of_each_epoch(tmp_path: Path) -> None:
    SEEN.clear()
    data = EmotionDataModule(corpus="bundled-ecpe", batch_size=7)
    trainer = Trainer(
        max_epochs=2,
        accelerator="cpu",
        default_root_dir=tmp_path,
        limit_val_batches=0,
        enable_progress_bar=False,
    )
    trainer.fit(Watched(word_width=8, filters=4, hidden=4, node=4), datamodule=data)
    (log,) = tmp_path.rglob("metrics.csv")
    with log.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    size = len(SEEN) // 2
    assert len(rows) == 2
    for row, epoch in zip(rows, (SEEN[:size], SEEN[size:]), strict=True):
        documents = sum(weight for _, weight in epoch)
        assert len({weight for _, weight in epoch}) > 1
        for name in epoch[0][0]:
            mean = sum(losses[name] * weight for losses, weight in epoch) / documents
            assert float(row[f"train/{name}"]) == pytest.approx(mean, rel=1e-5)
        total = sum(sum(losses.values()) * weight for losses, weight in epoch) / documents
        assert float(row["train/loss"]) == pytest.approx(total, rel=1e-5)
