"""A script in two processes, as ranks of one group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.processes import ended, forked, script


def saved_by_two_ranks(text: str, folder: Path) -> Any:
    """What a script saved; its arguments are its rank, a file for the processes to meet at, and the file to save to."""
    meeting, result = folder / "meeting", folder / "result.pt"
    logs = [folder / f"rank{rank}.log" for rank in (0, 1)]
    processes = [
        forked(log, script, text, str(rank), str(meeting), str(result)) for rank, log in enumerate(logs)
    ]
    for process, log in zip(processes, logs, strict=True):
        ended(process, log, 120)
    return torch.load(result, weights_only=True)
