"""No gold is lost between the documents and the scores, and what is not used is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.scoring import SCORINGS, scoring_of
from ecpe_zoo.results.record import read_record
from ecpe_zoo.training.checkpoints import epoch_metric
from tests.cli.test_training import config, run_folder

GOLD = {
    "ecpe": Document("d", (Segment("a"), Segment("b")), frozenset({(0, 1), (1, 1)})),
    "erc": Document("d", (Segment("a", emotions=("joy",)), Segment("b"), Segment("c", emotions=("fear",)))),
    "emotions": Document(
        "d", (Segment("a", emotions=("joy", "fear")), Segment("b"), Segment("c", intensities={}))
    ),
}


@pytest.mark.parametrize("task", SCORINGS)
def test_scores_on_less_than_all_gold_are_refused(task: str) -> None:
    scoring, document = scoring_of(task), GOLD[task]
    scored = scoring.score([], {"d": document}, None if scoring.tune is None else 0.5)
    assert scored[scoring.counted] == 2 == scoring.gold(document)
    scoring.check(scored, [document])
    with pytest.raises(
        ZooError, match="Expected scores on the 4 gold items of the documents, but 2 were scored"
    ):
        scoring.check(scored, [document, document])


ROWS = {"train": 24, "test": 6}


def corpus_of(folder: Path, labels: str, tasks: str) -> Path:
    """Conversations of two turns; every second turn has the given labels, and some turns have none."""
    for part, count in ROWS.items():
        rows = [
            f"{talk},{text} {talk} {part},{label}"
            for talk in range(count)
            for text, label in (
                ("so glad", "joy"),
                ("how dare you", labels),
                ("hm", "" if talk % 3 else "joy"),
            )
        ]
        (folder / f"{part}.csv").write_text("\n".join(["talk,text,label", *rows]), encoding="utf-8")
    path = folder / "mine.yaml"
    path.write_text(
        f"labels: [joy, anger]\ntasks: [{tasks}]\n"
        "format: {label: label, separator: ';', conversation: talk}\nfiles: {train: train.csv, test: test.csv}\n"
    )
    return path


def test_a_method_of_one_label_refuses_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A corpus for both tasks is read, and refused by the method that would score the first label alone."""
    path = corpus_of(tmp_path, "anger;joy", "erc, emotions")
    arguments = config("eacl", tmp_path, "--data.corpus", str(path))
    assert main(["fit", *arguments]) == 1
    shown = capsys.readouterr().err
    assert "Expected one label for each text" in shown
    assert "texts of its train part have several" in shown


def test_counts_of_reader_and_record_are_one(tmp_path: Path) -> None:
    path = corpus_of(tmp_path, "anger", "erc")
    arguments = config("eacl", tmp_path, "--data.corpus", str(path), "--trainer.max_epochs", "1")
    assert main(["fit", *arguments]) == 0
    record = read_record(run_folder(tmp_path) / "record.json")
    assert record.metrics["erc.utterances.v1"] == 6 * 2 + 2  # of 18 turns, four have no label


def test_the_official_metric_of_a_shared_task_chooses_the_epoch() -> None:
    assert epoch_metric("emocontext", "erc") == "micro_f1_without_others"
    assert epoch_metric("emocontext", "emotions") == "micro_f1_without_others"
    assert epoch_metric("meld", "erc") == "weighted_f1"
    assert epoch_metric("bundled-ecpe", "ecpe") == "pair_f1"
