"""Small untrained methods as checkpoints."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import lightning
import torch

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.methods.base import Method
from tests.methods.contract import BUNDLED, CONTRACT


@cache
def some_documents(task: str) -> list[Document]:
    """A few documents of each language of a task's bundled corpus."""
    train = load_corpus(BUNDLED[task]).train
    languages = sorted({document.language for document in train}, reverse=True)
    return [d for language in languages for d in [d for d in train if d.language == language][:8]]


def built(id: str) -> Method:
    """A method with random weights."""
    torch.manual_seed(0)
    method = CONTRACT[id][0]()
    method.build_from(some_documents(method.task.id))
    method.eval()
    return method


def save(method: Method, path: Path, tuned: float | None = None) -> Path:
    """What Lightning stores of a method."""
    if tuned is not None:
        method.tuned_threshold.fill_(tuned)
    checkpoint: dict[str, Any] = {
        "state_dict": method.state_dict(),
        "hyper_parameters": dict(method.hparams),
        "pytorch-lightning_version": lightning.__version__,
    }
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path
