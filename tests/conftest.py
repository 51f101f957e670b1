"""Settings and fixtures of all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]

os.environ.setdefault("WANDB_MODE", "disabled")  # for fixtures that live longer than a test
os.environ.pop("COLUMNS", None)  # what is printed does not depend on the tester's terminal


@pytest.fixture(autouse=True)
def _quiet_and_offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No network, no account, and one thread: the runner starts several processes."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The folder of a real corpus; the test is skipped where it is missing."""

    def folder(corpus: str) -> Path:
        root = os.environ.get("ECPE_ZOO_DATA")
        if root is None or not (Path(root) / corpus).is_dir():
            pytest.skip(f"needs the corpus {corpus!r}: set ECPE_ZOO_DATA to a folder that holds it")
        return Path(root)

    return folder
