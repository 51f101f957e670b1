"""Fits on a Ray cluster (`pip install 'ecpe-zoo[ray]'`).

Ray assigns fits to machines, several to one GPU if wanted, and retries those whose worker was lost. If all machines
share the store, a retried fit resumes from its last epoch. Otherwise (`returned`) records are sent back to the runner,
and a retried fit starts anew.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecpe_zoo.errors import ZooError
from ecpe_zoo.runner.executors import Ended, Executor, Job, ProcessRun

RETRIES = 3  # of a fit whose worker was lost
PASSED_ON = ("ECPE_ZOO_", "WANDB_", "HF_", "TRANSFORMERS_", "PL_")


class RayRun:
    """A fit submitted to Ray.

    Args:
        ray: The module.
        reference: Ray's reference to the result of the task.
        job: The fit, with the folder for its record.
    """

    pid: int | None = None

    def __init__(self, ray: Any, reference: Any, job: Job) -> None:
        self.ray, self.reference, self.job = ray, reference, job

    def poll(self) -> Ended | None:
        """How it ended; None while it runs or is queued."""
        ready, _ = self.ray.wait([self.reference], timeout=0)
        if not ready:
            return None
        try:
            status, files = self.ray.get(self.reference)
        except self.ray.exceptions.RayError as error:
            return Ended(None, f"lost by Ray, {RETRIES} retries included: {str(error).splitlines()[0]}")
        for name, content in files.items():
            path = self.job.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return Ended(status)

    def stop(self) -> None:
        """End it and its process."""
        self.ray.cancel(self.reference, force=True)


class RayExecutor(Executor):
    """Submits fits to Ray.

    Args:
        threads: Cores per fit.
        gpus_per_cell: GPUs per fit, which may be a fraction; 0 on machines without GPUs.
        address: Address of the cluster, such as `auto` or `ray://...`; if None, that of RAY_ADDRESS, else Ray is
            started on this machine.
        returned: Whether to send records back, for machines that do not share the store's folder. Corpora and files
            that options name must then be on every machine, at the same paths or where its environment says.
        keep_checkpoints: Whether to send the weights back too.
        slots: Maximum number of fits submitted at once; if None, as many as the cluster has room for.
    """

    def __init__(
        self,
        threads: int,
        gpus_per_cell: float = 0.0,
        address: str | None = None,
        returned: bool = False,
        keep_checkpoints: bool = False,
        slots: int | None = None,
    ) -> None:
        try:
            ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise ZooError(
                "Expected Ray for --executor ray, but it is not installed. Install it: pip install 'ecpe-zoo[ray]'."
            ) from error
        self.ray = ray
        self.returned, self.keep_checkpoints = returned, keep_checkpoints
        self.started = not ray.is_initialized()
        if self.started:
            quiet = {"log_to_driver": False, "logging_level": "ERROR"}
            if address is None and not os.environ.get("RAY_ADDRESS"):
                quiet["include_dashboard"] = False  # a cluster that is joined has its own
            ray.init(address=address, **quiet)
        room = ray.cluster_resources()
        fits = int(room.get("CPU", 1) // threads)
        if gpus_per_cell:
            fits = min(fits, int(room.get("GPU", 0) / gpus_per_cell + 1e-9))
        if fits < 1:
            self.close()
            raise ZooError(
                f"Expected a cluster with {threads} CPUs and {gpus_per_cell:g} GPUs for a fit, but got one with "
                f"{room.get('CPU', 0):g} CPUs and {room.get('GPU', 0):g} GPUs. See --threads and --gpus_per_cell."
            )
        self.slots = min(fits, slots) if slots else fits
        place = {"num_cpus": threads, "num_gpus": gpus_per_cell, "max_retries": RETRIES}
        self.task = ray.remote(**place)(run_on_worker)

    def start(self, job: Job, slot: int) -> RayRun:
        """Submit a fit."""
        mine = os.environ.items() if not self.returned else ()  # paths of this machine do not exist on others
        passed = {name: value for name, value in mine if name.startswith(PASSED_ON)}
        text = None
        if self.returned:
            text = Path(job.arguments[job.arguments.index("--config") + 1]).read_text(encoding="utf-8")
        job = replace(job, environment=passed | dict(job.environment))
        where = None if self.returned else str(Path.cwd())
        return RayRun(self.ray, self.task.remote(job, where, text, self.keep_checkpoints), job)

    def close(self) -> None:
        """End the cluster that was started here."""
        if self.started:
            self.ray.shutdown()


def run_on_worker(
    job: Job, folder: str | None, config: str | None, keep_checkpoints: bool
) -> tuple[int, Mapping[str, bytes]]:
    """Run a fit on a worker.

    Args:
        job: The fit.
        folder: The runner's working directory; None if this machine does not share it.
        config: Text of the config if `folder` is None.
        keep_checkpoints: Whether to return the weights too.

    Returns:
        The exit status, and if `folder` is None the bytes of record, scores and log, by their paths below the job's
        folder.
    """
    if config is None:
        if folder is not None and Path(folder).is_dir():
            os.chdir(folder)
        if any((job.work / "runs").rglob("record.json")):  # the worker was lost after the fit had ended
            return 0, {}
        return _wait(ProcessRun(resumed(job), _die_with_parent)), {}
    with tempfile.TemporaryDirectory(prefix="ecpe-zoo-") as name:
        work = Path(name)
        (work / "config.yaml").write_text(config, encoding="utf-8")
        at = job.arguments.index("--config") + 1
        arguments = [
            a.replace(str(job.work), str(work)) for a in job.arguments if not a.startswith("--ckpt_path=")
        ]
        arguments[at] = str(work / "config.yaml")
        mine = replace(job, arguments=tuple(arguments), work=work, log=work / job.log.name)
        status = _wait(ProcessRun(mine, _die_with_parent))
        wanted = [mine.log]
        for record in (work / "runs").rglob("record.json"):
            wanted += [record, record.parent / "predictions" / "test.npz"]
            wanted += sorted(record.parent.rglob("best-*.ckpt")) if keep_checkpoints else []
        files = {str(path.relative_to(work)): path.read_bytes() for path in wanted if path.is_file()}
        shutil.rmtree(work / "runs", ignore_errors=True)
        return status, files


def resumed(job: Job) -> Job:
    """The job, from the last checkpoint of a worker that was lost, if there is one."""
    found = list((job.work / "runs").rglob("last.ckpt"))
    if not found:
        return job
    newest = max(found, key=lambda path: path.stat().st_mtime_ns)
    arguments = [argument for argument in job.arguments if not argument.startswith("--ckpt_path=")]
    return replace(job, arguments=(*arguments, f"--ckpt_path={newest}"))


def _wait(run: ProcessRun) -> int:
    try:
        while (ended := run.poll()) is None:
            time.sleep(0.1)
    except BaseException:
        run.stop()
        raise
    assert ended.status is not None
    return ended.status


def _die_with_parent() -> None:
    """Kill the fit if its worker dies; otherwise the retried fit would write into the same folder."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
