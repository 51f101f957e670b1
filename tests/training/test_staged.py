"""Stages by the command and from Python: one engine, the same weights and records."""

from __future__ import annotations

from pathlib import Path

from ecpe_zoo.cli.main import main
from ecpe_zoo.methods.rule import Rule
from ecpe_zoo.methods.stages import Stage
from ecpe_zoo.results.record import read_record
from tests.cli.test_training import QUIET, run_folder

WORST = Stage("count", max_epochs=2, monitor="val/pair_f1", mode="min")


class Counted(Rule):
    """A rule in stages of its own."""

    order = (WORST, Stage("again", max_epochs=1))

    def stages(self) -> tuple[Stage, ...]:
        return self.order


def test_every_stage_has_its_own_epochs_and_monitor(tmp_path: Path) -> None:
    options = ["--model", f"{__name__}.Counted", "--data.batch_size", "64", "--trainer.max_epochs", "5"]
    assert main(["fit", *options, *QUIET, "--trainer.default_root_dir", str(tmp_path)]) == 0
    run = run_folder(tmp_path)
    first, second = read_record(run / "record.json").stages
    assert (first.name, first.epochs, second.name, second.epochs) == ("count", 2, "again", 1)
    for stage, mode in ((first, "min"), (second, "max")):
        assert stage.chosen_by is not None
        assert (stage.chosen_by.metric, stage.chosen_by.mode) == ("val/pair_f1", mode)
        assert [choice.mode for choice in stage.stopped_by] == [mode]
