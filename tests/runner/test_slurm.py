"""The scripts for clusters, with stand-ins for SLURM's and the package's commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPTS = ROOT / "experiments" / "slurm"


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """Commands that print what they were given."""
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("ecpe-zoo", "torchrun", "scontrol"):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
    (folder / "srun").write_text('#!/bin/sh\nexec "$@"\n')
    (folder / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    for path in folder.iterdir():
        path.chmod(0o755)
    return folder


def run(script: str, bin: Path, *arguments: str, **environment: str) -> str:
    places = {"PATH": f"{bin}:{os.environ['PATH']}", "VENV": str(bin.parent)}
    done = subprocess.run(
        [str(SCRIPTS / script), *arguments],
        env=os.environ | places | environment,
        cwd=bin.parent.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_cell_on_slurm_goes_on_from_its_last_epoch(bin: Path) -> None:
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "4"}
    printed = run("one_cell.sh", bin, "--config", "c.yaml", **slurm)
    assert printed.startswith("ecpe-zoo fit --config c.yaml --trainer.default_root_dir runs/slurm-7")
    assert "--trainer.num_nodes 2 --trainer.devices 4 --trainer.strategy ddp" in printed
    checkpoint = (
        bin.parent.parent / "runs" / "slurm-7" / "m" / "c" / "version_0" / "checkpoints" / "last.ckpt"
    )
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert f"--ckpt_path {checkpoint.relative_to(bin.parent.parent)}" in run("one_cell.sh", bin, **slurm)
    (checkpoint.parents[1] / "record.json").touch()  # it is over
    assert "--ckpt_path" not in run("one_cell.sh", bin, **slurm)


def test_a_suite_on_slurm_shares_its_folder(bin: Path) -> None:
    printed = run("suite.sh", bin, "s.yaml", "--results", "r", SLURM_CPUS_PER_TASK="4")
    assert printed == "ecpe-zoo run s.yaml --results r --no-wait --jobs 1 --threads 4\n"


def test_torchrun_starts_a_process_for_each_gpu(bin: Path) -> None:
    printed = run("torchrun.sh", bin, "--config", "c.yaml", NODES="2", RANK_OF_NODE="1", HEAD="h", GPUS="3")
    assert printed.startswith("torchrun --nnodes 2 --nproc-per-node 3 --node-rank 1 --master-addr h")
    assert "-m ecpe_zoo fit --config c.yaml --trainer.num_nodes 2 --trainer.devices 3" in printed
    assert "--nproc-per-node 1 " in run("torchrun.sh", bin)  # without a GPU driver
