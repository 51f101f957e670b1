from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo import memory
from ecpe_zoo.memory import give_back, keep_few_kernels


def resident() -> int:
    """Megabytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4 // 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps it")
def test_what_was_freed_between_what_stays_goes_back() -> None:
    pieces = [np.ones(4000) for _ in range(6400)]  # 200 MB of pieces too small to be mapped one by one
    kept = pieces[::64]  # which hold the heap's top
    full = resident()
    del pieces
    give_back()
    assert resident() < full - 100
    assert all(piece[-1] == 1 for piece in kept)


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(memory, "_library", lambda: None)
    give_back()


def test_the_users_number_of_kernels_stays(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    keep_few_kernels()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "128"
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    keep_few_kernels()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
