"""A script in two processes, as ranks of one group."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import torch

from tests.conftest import ROOT


def saved_by_two_ranks(script: str, folder: Path) -> Any:
    """What a script saved; its arguments are its rank, a file for the processes to meet at, and the file to save to."""
    meeting, result = folder / "meeting", folder / "result.pt"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(rank), str(meeting), str(result)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    return torch.load(result, weights_only=True)
