"""The origin of a run: code, versions and machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from ecpe_zoo.files import file_sha256
from ecpe_zoo.results.record import Code


@lru_cache
def source_hash() -> str:
    """Hash of the package's Python files as they are now; an interrupted run resumes only with the same code."""
    folder = Path(__file__).resolve().parents[1]
    files = sorted(folder.rglob("*.py"))
    parts = "".join(f"{file.relative_to(folder)} {file_sha256(file)}\n" for file in files)
    return hashlib.sha256(parts.encode()).hexdigest()


def code_state() -> Code:
    """Version, commit and whether the working tree differs; None outside of a checkout."""
    folder = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        try:
            run = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return run.stdout.strip()

    commit = status = None
    if (folder / ".git").exists():  # an installed package may be inside another repository
        commit, status = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    dirty = None if status is None else bool(status)
    return Code(version=version("ecpe-zoo"), commit=commit, dirty=dirty)


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that compute."""
    names = ("torch", "lightning", "transformers", "torch-geometric", "torchmetrics", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def hardware() -> str:
    """The accelerator, or the processor and its cores."""
    import torch  # takes seconds: readers of records do without

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = (line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    name = next(named, platform.processor() or platform.machine())
    return f"{os.cpu_count()} x {name}"


def peak_memory() -> int:
    """Peak memory of this process in bytes; of the accelerator, if there is one."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    import resource  # not on Windows

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
