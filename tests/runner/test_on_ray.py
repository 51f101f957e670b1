"""Real Ray, started on this machine."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ecpe_zoo.cli.main import main
from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.record import read_record
from ecpe_zoo.runner import locks
from ecpe_zoo.runner.executors import Job
from ecpe_zoo.runner.on_ray import RayExecutor, RayRun
from ecpe_zoo.runner.scheduler import Progress, Scheduler
from ecpe_zoo.runner.screen import PlainScreen
from ecpe_zoo.runner.store import Store
from tests.cli.test_run import suite
from tests.conftest import ROOT
from tests.runner.conftest import Bench

STUB = (sys.executable, str(ROOT / "tests" / "runner" / "stub.py"))


def test_what_to_install_is_told_where_ray_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ZooError, match=r"pip install 'ecpe-zoo\[ray\]'"):
        RayExecutor(1)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster of two CPUs and one GPU that does not exist."""
    module = pytest.importorskip("ray", reason="needs Ray: pip install 'ecpe-zoo[ray]'")
    module.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield module
    module.shutdown()


class StubExecutor(RayExecutor):
    """Ray, with stubs in the fits' place."""

    def start(self, job: Job, slot: int) -> RayRun:
        arguments = ("--config", str(ROOT / "configs" / "mgcl.yaml"), *job.arguments)
        environment = dict(job.environment) | {"STUB": os.environ["STUB"]}
        return super().start(replace(job, command=STUB, arguments=arguments, environment=environment), slot)


def run(bench: Bench, store: Path, executor: RayExecutor, **does: str) -> list[Progress]:
    cells = [bench.cell(seed, does.get(f"seed{seed}", "")) for seed in range(3)]
    screen = PlainScreen(Console(file=io.StringIO()), Store(store))
    return Scheduler(Store(store), executor, screen, 1).run(cells)


@pytest.mark.parametrize("returned", [False, True])
def test_cells_run_on_a_cluster(returned: bool, ray: Any, bench: Bench, tmp_path: Path) -> None:
    everything = run(bench, tmp_path / "store", StubExecutor(1, returned=returned), seed1="fail")
    assert [progress.kind for progress in everything] == ["done", "failed", "done"]
    store = Store(tmp_path / "store")
    for progress in (everything[0], everything[2]):
        assert read_record(store.record(progress.cell)) == bench.record(progress.cell.seed)
        assert store.predictions(progress.cell).read_bytes() == b"scores"
    assert everything[1].detail == "exit status 3: ValueError: the loss is nan"  # from a log that came back


def test_fits_share_a_gpu_and_the_cluster_has_to_have_room(ray: Any) -> None:
    assert RayExecutor(1, gpus_per_cell=0.5).slots == 2
    assert RayExecutor(1, gpus_per_cell=1).slots == 1
    assert RayExecutor(2).slots == 1
    with pytest.raises(ZooError, match="Expected a cluster with 1 CPUs and 2 GPUs for a fit"):
        RayExecutor(1, gpus_per_cell=2)


def test_a_fit_whose_worker_was_lost_is_repeated_from_its_last_epoch(
    ray: Any, bench: Bench, tmp_path: Path
) -> None:
    cell = bench.cell(0, "hang-once")
    store = Store(tmp_path / "store")

    class Killer(PlainScreen):
        killed = False

        def tick(self, everything: Any) -> None:
            if not self.killed and bench.calls():
                time.sleep(0.2)
                fit = int(bench.calls()[0][3])
                worker = int(Path(f"/proc/{fit}/stat").read_text().rpartition(")")[2].split()[1])
                os.kill(worker, signal.SIGKILL)
                self.killed = True

    screen = Killer(Console(file=io.StringIO()), store)
    (progress,) = Scheduler(store, StubExecutor(1), screen, 1).run([cell])
    assert progress.kind == "done"
    assert [call[:2] for call in bench.calls()] == [["0", "anew"], ["0", "resumed"]]
    assert not locks._alive(int(bench.calls()[0][3]), time.time())  # it went with its worker


def test_a_suite_gives_the_same_records_on_ray_as_here(
    ray: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = suite(tmp_path)
    for executor in ("ray", "inline"):
        command = [
            "run",
            path,
            "--results",
            str(tmp_path / executor),
            "--executor",
            executor,
            "--gpus-per-cell",
            "0",
        ]
        assert main(command) == 0, capsys.readouterr().out
    name = "e2eecpe/bundled-ecpe-fold1-strict-seed0.json"
    there, here = read_record(tmp_path / "ray" / name), read_record(tmp_path / "inline" / name)
    assert there.metrics == here.metrics
    assert there.predictions == here.predictions
    assert there.config_hash == here.config_hash
