"""The runner with stubs in the fits' place: locks, failures, kills, two runners at once."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ecpe_zoo.results.record import read_record
from ecpe_zoo.results.store import find_records
from ecpe_zoo.runner import executors, locks
from ecpe_zoo.runner.cells import Cell
from ecpe_zoo.runner.executors import LocalExecutor
from ecpe_zoo.runner.scheduler import Progress
from ecpe_zoo.runner.screen import LiveScreen, last_epoch
from ecpe_zoo.runner.store import Store
from tests.runner.conftest import Bench

Run = Callable[..., list[Progress]]
FORK = multiprocessing.get_context(
    "fork"
)  # runners in processes of their own that need not import everything


def kinds(everything: Sequence[Progress]) -> list[str]:
    return [progress.kind for progress in everything]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def in_process(run: Run, cells: Sequence[Cell], jobs: int = 1) -> multiprocessing.process.BaseProcess:
    def quiet() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            run(cells, jobs=jobs)
        except KeyboardInterrupt:
            os._exit(130)

    process = FORK.Process(target=quiet)
    process.start()
    return process


def test_each_cell_leaves_a_record_and_its_scores_and_nothing_else(
    bench: Bench, run: Run, tmp_path: Path
) -> None:
    cells = [bench.cell(0), bench.cell(1)]
    assert kinds(run(cells, jobs=2)) == ["done", "done"]
    store = Store(tmp_path / "store")
    for cell in cells:
        assert read_record(store.record(cell)) == bench.record(cell.seed)
        assert store.predictions(cell).read_bytes() == b"scores"
        assert not store.checkpoint(cell).exists()
        assert sorted(path.name for path in store.work(cell).iterdir()) == ["cell.json", "log.txt"]
        assert "epoch 0 is over" in store.log(cell).read_text()
    assert len(find_records([store.root])) == 2
    assert [call[2] for call in bench.calls()] == ["1", "1"]


def test_cells_with_a_record_are_not_run_again(bench: Bench, run: Run) -> None:
    cells = [bench.cell(0), bench.cell(1)]
    run(cells[:1])
    everything = run(cells)
    assert kinds(everything) == ["there", "done"]
    assert everything[0].detail.startswith("pair F1")
    assert len(bench.calls()) == 2


def test_weights_are_kept_where_asked_for(bench: Bench, run: Run, tmp_path: Path) -> None:
    cell = bench.cell(5)
    run([cell], keep_checkpoints=True)
    assert Store(tmp_path / "store").checkpoint(cell).read_text() == "best of 5"


def test_a_failed_cell_harms_no_other_and_is_tried_again(bench: Bench, run: Run, tmp_path: Path) -> None:
    cells = [bench.cell(0, "fail"), bench.cell(2)]
    assert kinds(run(cells)) == ["failed", "done"]
    store = Store(tmp_path / "store")
    failure = store.read_failure(cells[0])
    assert failure is not None
    assert (failure.exit_status, failure.cell) == (3, "mgcl/reccon-fold1-strict-seed0")
    assert failure.reason == "exit status 3: ValueError: the loss is nan"
    assert failure.last_lines[-1] == "ValueError: the loss is nan"
    assert store.state(cells[0]).kind == "failed"
    assert len(find_records([store.root])) == 1  # a failure is no record
    bench.tell(0, "")
    assert kinds(run(cells)) == ["done", "there"]
    assert not store.failure(cells[0]).exists()
    assert [call[:2] for call in bench.calls()] == [["0", "anew"], ["2", "anew"], ["0", "anew"]]


@pytest.mark.parametrize(("does", "reason"), [("silent", "and wrote none"), ("other", "seed_everything: 1")])
def test_a_fit_that_ends_well_without_its_record_has_failed(
    does: str, reason: str, bench: Bench, run: Run, tmp_path: Path
) -> None:
    everything = run([bench.cell(0, does)])
    assert kinds(everything) == ["failed"]
    assert reason in everything[0].detail
    assert not list((tmp_path / "store").glob("mgcl/*seed0.json"))


def test_a_record_of_another_config_or_data_is_left_alone_or_set_aside(
    bench: Bench, run: Run, tmp_path: Path
) -> None:
    cell = bench.cell(0)
    run([cell])
    path = Store(tmp_path / "store").record(cell)
    old = bench.record(0, corpus=bench.record(0).corpus.model_copy(update={"files": {"train": "0"}}))
    path.write_text(old.model_dump_json(), encoding="utf-8")
    everything = run([cell])
    assert kinds(everything) == ["stale"]
    assert "corpus files" in everything[0].detail
    assert read_record(path) == old
    assert kinds(run([cell], set_aside=True)) == ["done"]
    assert read_record(path) == bench.record(0)
    assert len(list(path.parent.glob("*.json.*.aside"))) == 1
    assert len(find_records([tmp_path / "store"])) == 1


def test_a_record_that_cannot_be_read_is_told(bench: Bench, run: Run, tmp_path: Path) -> None:
    path = Store(tmp_path / "store").record(bench.cell(0))
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    everything = run([bench.cell(0), bench.cell(1)])
    assert kinds(everything) == ["stale", "done"]
    assert "damaged, remove it or --set_aside: " in everything[0].detail
    assert "expected a result record" in everything[0].detail
    assert kinds(run([bench.cell(0)], set_aside=True)) == ["done"]


def test_ctrl_c_ends_all_processes_and_the_next_run_resumes(bench: Bench, run: Run, tmp_path: Path) -> None:
    cells = [bench.cell(0), bench.cell(1, "hang-once")]
    runner = in_process(run, cells)
    until(lambda: len(bench.calls()) == 2)
    time.sleep(0.3)  # the lock names the child by now
    assert runner.pid is not None
    os.kill(runner.pid, signal.SIGINT)
    runner.join(20)
    assert runner.exitcode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(bench.calls()[1][3]), 0)
    assert not list((tmp_path / "store").rglob("lock"))
    assert not list((tmp_path / "store").rglob("*.failed.json"))
    assert Store(tmp_path / "store").state(cells[1]).detail == "resumes"
    assert kinds(run(cells)) == ["there", "done"]
    assert [call[:2] for call in bench.calls()] == [["0", "anew"], ["1", "anew"], ["1", "resumed"]]


def test_fits_are_ended_together(bench: Bench, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are asked before any is waited for: a cluster does not wait for the sum of their patience."""
    cells = [bench.cell(seed, "together") for seed in range(0, 8, 2)]
    monkeypatch.setattr(executors, "STOP_AFTER", 5.0)
    runner = in_process(run, cells, jobs=4)
    until(lambda: len(list(bench.folder.glob("*.ready"))) == 4)
    assert runner.pid is not None
    os.kill(runner.pid, signal.SIGINT)
    runner.join(60)
    assert runner.exitcode == 130
    assert len(list(bench.folder.glob("*.left"))) == 4  # each left only when all had been asked


def test_a_runner_that_was_killed_loses_nothing(bench: Bench, run: Run, tmp_path: Path) -> None:
    """Its fit lives on, so the cell is not free; when that ends, the next runner takes the record over."""
    cell = bench.cell(0, "hang-once")
    runner = in_process(run, [cell])
    until(bench.calls)
    lock = Store(tmp_path / "store").work(cell) / "lock"
    until(lambda: "child" in lock.read_text())
    runner.kill()
    runner.join()
    assert kinds(run([cell], wait=False)) == ["elsewhere"]
    os.kill(int(bench.calls()[0][3]), signal.SIGKILL)
    assert kinds(run([cell])) == ["done"]
    assert [call[:2] for call in bench.calls()] == [["0", "anew"], ["0", "resumed"]]


def test_a_run_that_ended_after_its_runner_was_killed_is_taken_over(
    bench: Bench, run: Run, tmp_path: Path
) -> None:
    cell = bench.cell(0, "sleep")
    runner = in_process(run, [cell])
    until(bench.calls)
    runner.kill()
    runner.join()
    assert kinds(run([cell])) == ["done"]
    assert len(bench.calls()) == 1


def test_a_killed_fit_is_a_failure_that_resumes(bench: Bench, run: Run, tmp_path: Path) -> None:
    cell = bench.cell(0, "hang-once")
    runner = in_process(run, [cell])
    until(bench.calls)
    time.sleep(0.2)
    os.kill(int(bench.calls()[0][3]), signal.SIGKILL)
    runner.join(20)
    failure = Store(tmp_path / "store").read_failure(cell)
    assert failure is not None
    assert failure.reason == "killed by signal 9 (memory?)"
    assert kinds(run([cell])) == ["done"]
    assert [call[1] for call in bench.calls()] == ["anew", "resumed"]


def test_what_other_code_left_is_not_resumed(bench: Bench, run: Run, tmp_path: Path) -> None:
    cell = bench.cell(0, "hang-once")
    store = Store(tmp_path / "store")
    run_folder = store.work(cell) / "runs" / "method" / "cell" / "version_0" / "checkpoints"
    run_folder.mkdir(parents=True)
    (run_folder / "last.ckpt").write_text("of another commit")
    (store.work(cell) / "cell.json").write_text(json.dumps({"config_hash": cell.config_hash, "commit": "0"}))
    assert store.prepare(cell) is None
    assert not run_folder.exists()


def test_two_runners_at_once_share_the_work_and_lose_nothing(bench: Bench, run: Run, tmp_path: Path) -> None:
    cells = [bench.cell(seed, "sleep" if seed % 2 else "") for seed in range(8)]
    cells[3] = bench.cell(3, "fail")
    other = in_process(run, list(reversed(cells)))
    everything = run(cells)
    other.join(30)
    assert other.exitcode == 0
    assert sorted(call[0] for call in bench.calls()) == [str(seed) for seed in range(8)]  # each once
    assert kinds(everything)[3] == "failed"
    assert set(kinds(everything)) <= {"done", "there", "failed"}
    assert len(find_records([tmp_path / "store"])) == 7
    assert not list((tmp_path / "store").rglob("lock"))


def test_a_lock_is_held_once_and_taken_from_the_dead(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = locks.acquire(path)
    assert lock is not None
    assert locks.acquire(path) is None
    assert locks.holder(path) == f"{os.uname().nodename}:{os.getpid()}"
    lock.release()
    assert not path.exists()

    def die() -> None:
        locks.acquire(path)
        os._exit(0)

    process = FORK.Process(target=die)
    process.start()
    process.join()
    assert path.exists()
    assert locks.holder(path) is None
    taken = locks.acquire(path)
    assert taken is not None
    # one of another machine is stale only when nobody touched it for long
    owner = json.loads(path.read_text()) | {"machine": "another", "token": "x"}
    path.write_text(json.dumps(owner))
    assert locks.acquire(path) is None
    taken.release()  # not ours any more
    assert path.exists()
    past = time.time() - locks.SILENCE - 1
    os.utime(path, (past, past))
    assert locks.acquire(path) is not None


def test_many_takers_of_a_stale_lock_get_it_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    got, start, end = FORK.Value("i", 0), FORK.Barrier(4), FORK.Barrier(4)

    def take() -> None:
        start.wait(20)
        if locks.acquire(path) is not None:
            with got.get_lock():
                got.value += 1
        end.wait(20)  # alive while the others try

    for _ in range(5):
        owner = {"token": "x", "host": "h", "pid": 2**22 + 1, "machine": locks._machine(), "written": 0}
        path.write_text(json.dumps(owner))
        takers = [FORK.Process(target=take) for _ in range(4)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        path.unlink()
    assert got.value == 5


def test_the_live_table_shows_what_runs_and_how_long_it_takes(bench: Bench, tmp_path: Path) -> None:
    store = Store(tmp_path)
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    everything = [Progress(bench.cell(0), "running", started=time.monotonic() - 30), Progress(bench.cell(1))]
    log = store.work(everything[0].cell) / "runs" / "metrics.csv"
    log.parent.mkdir(parents=True)
    log.write_text("epoch,val/pair_f1\n0,0.25\n1,\n")
    assert last_epoch(store.work(everything[0].cell)) == "epoch 1, val/pair_f1 0.250"
    screen = LiveScreen(console, store, lambda progress: 100.0, slots=1)
    with console.capture() as text:
        console.print(screen.table(everything))
    assert "epoch 1, val/pair_f1 0.250" in text.get()
    assert "1 waits, 1 runs; about 3 min left" in text.get()
    with screen:
        screen.changed(everything[0], everything)
        screen.tick(everything)


def test_slots_get_their_own_accelerators(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert LocalExecutor(2).devices == ["4", "6"]


def test_an_impossible_place_is_told(bench: Bench, run: Run, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    (progress,) = run([bench.cell(0)])
    assert progress.kind == "failed"
    assert str(tmp_path / "store") in progress.detail


@pytest.mark.parametrize(
    ("does", "reason"), [("preempted", "killed by signal 15"), ("nothing", "stopped early")]
)
def test_a_fit_that_was_asked_to_end_resumes(does: str, reason: str, bench: Bench, run: Run) -> None:
    """A cluster that preempts sends SIGTERM: the fit ends in order, with a status, or with none at all."""
    cell = bench.cell(0, does)
    (progress,) = run([cell])
    assert progress.kind == "failed"
    assert reason in progress.detail
    bench.tell(0, "")
    assert kinds(run([cell])) == ["done"]
    assert [call[1] for call in bench.calls()] == ["anew", "resumed"]


def test_a_full_disk_costs_no_finished_run(
    bench: Bench, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cell = bench.cell(0)
    with monkeypatch.context() as patch:
        patch.setattr("ecpe_zoo.runner.store._copy", full)
        (progress,) = run([cell])
        assert (progress.kind, "No space left" in progress.detail) == ("failed", True)
    assert kinds(run([cell])) == ["done"]
    assert len(bench.calls()) == 1  # taken over, not trained again


def test_a_lock_that_was_taken_away_leaves_the_cell_to_its_new_owner(
    bench: Bench, run: Run, tmp_path: Path
) -> None:
    """As after a silence of ten minutes on another machine: its record stands, and no failure is written beside it."""
    cell = bench.cell(0, "sleep")
    store = Store(tmp_path / "store")
    lock, runs = store.work(cell) / "lock", store.work(cell) / "runs"

    def take() -> None:
        until(lambda: lock.exists() and "child" in lock.read_text())
        lock.write_text(json.dumps(json.loads(lock.read_text()) | {"token": "another's"}))
        store.record(cell).parent.mkdir()
        store.predictions(cell).write_bytes(b"scores")
        store.record(cell).write_text(bench.record(0).model_dump_json())

    thief = threading.Thread(target=take)
    thief.start()
    assert kinds(run([cell])) == ["there"]
    thief.join()
    assert not store.failure(cell).exists()
    assert runs.exists()  # the new owner's
    assert "another's" in lock.read_text()


def test_a_finished_run_is_taken_over_by_other_code_and_an_unfinished_one_is_not(
    bench: Bench, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record names the code that made it; two halves of a run by different code would name one of them."""
    store = Store(tmp_path / "store")
    cells = [bench.cell(0, "hang"), bench.cell(2)]
    for cell in cells:
        store.work(cell).mkdir(parents=True)
        store.prepare(cell)  # leaves cell.json
        folder = store.work(cell) / "runs" / "m" / "c" / "version_0"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.ckpt").write_text("one epoch")
    (folder / "predictions").mkdir()
    (folder / "predictions" / "test.npz").write_bytes(b"scores")
    (folder / "record.json").write_text(bench.record(2).model_dump_json())
    bench.tell(0, "")
    assert [store.state(cell).detail for cell in cells] == ["resumes", "is taken over"]
    monkeypatch.setattr("ecpe_zoo.runner.store.source_hash", lambda: "other code")
    assert [store.state(cell).detail for cell in cells] == ["", "is taken over"]
    assert kinds(run(cells)) == ["done", "done"]
    assert [call[:2] for call in bench.calls()] == [["0", "anew"]]
    assert "the earlier run was of another state of the package's code" in store.log(cells[0]).read_text()


def test_a_record_without_the_test_scores_that_are_asked_for_differs(bench: Bench, run: Run) -> None:
    cell = bench.cell(0)
    run([cell])
    watched = replace(cell, config=cell.config | {"scorer": {"watch_test": True}})
    (progress,) = run([watched])
    assert (progress.kind, "no test score of every epoch" in progress.detail) == ("stale", True)


def test_which_checkpoint_is_tested_decides(bench: Bench) -> None:
    cell = bench.cell(0)
    chosen = cell.config["checkpoint"] | {"monitor": "val/emotion_f1"}
    other = replace(cell, config=cell.config | {"checkpoint": chosen})
    (said,) = other.differences(bench.record(0))
    assert said == "checkpoint.monitor: None in the record, val/emotion_f1 in the suite"
    shown = cell.config["trainer"] | {"enable_progress_bar": False, "accelerator": "cpu", "new_option": None}
    assert not replace(cell, config=cell.config | {"trainer": shown}).differences(bench.record(0))


def test_an_id_that_another_process_has_now_holds_no_lock(tmp_path: Path) -> None:
    """Told by when it began in the kernel's own count: no clock is asked, which a container may have another of."""
    path = tmp_path / "lock"
    lock = locks.acquire(path)
    assert lock is not None
    owner = json.loads(path.read_text())
    assert locks.acquire(path) is None
    path.write_text(json.dumps(owner | {"pid_began": owner["pid_began"] + 1}))
    assert locks.acquire(path) is not None


def test_a_lock_is_touched_while_work_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TOUCH", 0.02)
    lock = locks.acquire(tmp_path / "lock")
    assert lock is not None
    os.utime(lock.path, (0, 0))
    with lock.kept():
        until(lambda: lock.path.stat().st_mtime > 1)
    lock.path.write_text("{}")
    time.sleep(0.03)
    assert not lock.touch()


def test_a_half_written_log_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "runs" / "metrics.csv"
    log.parent.mkdir(parents=True)
    log.write_text("epoch,val/pair_f1\n0,0.25\n1,2.5e-")
    assert last_epoch(tmp_path) == "epoch 1, val/pair_f1 0.250"
