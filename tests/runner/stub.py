"""Stands in for `ecpe-zoo fit` where a test is about the runner: takes milliseconds and obeys.

`$STUB/<seed>.json` is the record that the fit of this seed writes; `$STUB/<seed>.does` says what it does otherwise:
`fail`, `hang` (after its first epoch), `hang-once`, `together` (leaves when all four such fits were asked to), `sleep`,
`nothing` (ends well after its first epoch), `silent` (ends well, and leaves nothing), `preempted` (ends with the status
of SIGTERM), `other` (writes the record of another seed). Each start is a line of `$STUB/calls`.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Be a fit."""
    stub = Path(os.environ["STUB"])
    options = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    seed = options["seed_everything"]
    does = (stub / f"{seed}.does").read_text().strip() if (stub / f"{seed}.does").exists() else ""
    run = Path(options["trainer.default_root_dir"]) / "method" / "cell" / "version_0"
    resumed = "ckpt_path" in options
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run / "checkpoints" / "last.ckpt").write_text("one epoch")
    (run / "checkpoints" / "best-epoch000.ckpt").write_text(f"best of {seed}")
    (run / "metrics.csv").write_text("epoch,val/pair_f1\n0,\n0,0.25\n")
    with (stub / "calls").open("a") as file:
        file.write(
            f"{seed} {'resumed' if resumed else 'anew'} {os.environ['OMP_NUM_THREADS']} {os.getpid()}\n"
        )
    print("epoch 0 is over", flush=True)
    if does == "fail":
        print("Traceback ...\nValueError: the loss is nan", flush=True)
        sys.exit(3)
    if does == "together":
        signal.signal(signal.SIGTERM, lambda number, frame: leave(stub, seed))
        (stub / f"{seed}.ready").touch()
        time.sleep(600)
    if does == "hang" or (does == "hang-once" and not resumed):
        time.sleep(600)
    if does == "sleep":
        time.sleep(0.4)
    if does == "silent":
        shutil.rmtree(run)
    if does in ("nothing", "silent", "preempted"):
        sys.exit(143 if does == "preempted" else 0)
    (run / "predictions").mkdir(exist_ok=True)
    shutil.copy(stub / "scores.npz", run / "predictions" / "test.npz")
    shutil.copy(stub / f"{int(seed) + 1 if does == 'other' else seed}.json", run / "record.json")


def leave(stub: Path, seed: str) -> None:
    """Wait until all four were asked, then leave in order."""
    (stub / f"{seed}.asked").touch()
    while len(list(stub.glob("*.asked"))) < 4:
        time.sleep(0.01)
    (stub / f"{seed}.left").touch()
    sys.exit(143)


if __name__ == "__main__":
    main()
