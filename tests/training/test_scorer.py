"""No gold is lost between the documents and the scores, and what is not used is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch import Tensor, nn

from ecpe_zoo.cli.main import main
from ecpe_zoo.cli.report import show_results
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.results.record import RunRecord, read_record
from ecpe_zoo.tasks import ECPE, EMOTIONS, ERC, TASKS, Task
from ecpe_zoo.training.checkpoints import epoch_metric
from ecpe_zoo.training.recorder import Recorder
from ecpe_zoo.training.scorer import Scorer
from tests.cli.test_training import config, run_folder
from tests.results.making import history, raw, write

GOLD = {
    "ecpe": Document("d", (Segment("a"), Segment("b")), frozenset({(0, 1), (1, 1)})),
    "erc": Document("d", (Segment("a", emotions=("joy",)), Segment("b"), Segment("c", emotions=("fear",)))),
    "emotions": Document(
        "d", (Segment("a", emotions=("joy", "fear")), Segment("b"), Segment("c", intensities={}))
    ),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
def test_scores_on_less_than_all_gold_are_refused(task: Task) -> None:
    document = GOLD[task.id]
    scored = task.score([], {"d": document}, 0.5 if task.thresholded else None)
    assert scored[task.counted] == 2 == task.gold(document)
    task.check(scored, [document])
    with pytest.raises(
        ZooError, match="Expected scores on the 4 gold items of the documents, but 2 were scored"
    ):
        task.check(scored, [document, document])


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
    assert epoch_metric("emocontext", ERC) == "micro_f1_without_others"
    assert epoch_metric("emocontext", EMOTIONS) == "micro_f1_without_others"
    assert epoch_metric("meld", ERC) == "weighted_f1"
    assert epoch_metric("bundled-ecpe", ECPE) == "pair_f1"


class Batch(NamedTuple):
    """Documents by number."""

    ids: list[str]
    sizes: list[int]
    ones: Tensor


class Heads(Method):
    """Stands for the first stage of a two-stage method: every clause has an emotion, none is a cause, no pair."""

    id = "heads"

    def build(self, from_checkpoint: bool) -> None:
        self.weight = nn.Parameter(torch.zeros(()))

    def tokens(self, document: Document) -> int:
        return len(document)

    def collator(self, training: bool) -> Callable[[Sequence[Document]], Batch]:
        return lambda documents: Batch([d.id for d in documents], list(map(len, documents)), torch.ones(1))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return {"some": (self.weight - batch.ones).square().mean()}

    def decode(self, batch: Batch) -> list[Prediction]:
        return [
            Prediction(id, {"emotion": np.ones(size, np.float32), "cause": np.zeros(size, np.float32)})
            for id, size in zip(batch.ids, batch.sizes, strict=True)
        ]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_stage_without_pairs_is_scored_by_its_heads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method, scorer = Heads(), Scorer(watch_test=True)
    data = EmotionDataModule(batch_size=32)
    trainer = Trainer(
        max_epochs=1,
        callbacks=[scorer],
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(method, data)
    (row,) = scorer.history
    found = row["validation"]
    assert found["emotion_recall"] == 1.0
    assert found["clause_f1"] == found["emotion_f1"] / 2 == scorer.best_validation["fit"] > 0
    assert "pair_f1" not in found
    assert "tuned_threshold" not in row
    assert method.tuned is None
    assert float(trainer.callback_metrics["val/clause_f1"]) == pytest.approx(found["clause_f1"])
    assert "clause_f1" in row["watched_test"]
    trainer.test(method, data, verbose=False)
    assert set(scorer.results) == {"default"}
    capsys.readouterr()
    show_results(scorer, method, data, None)
    shown = capsys.readouterr().out
    assert "mean F1 of emotions and causes" in shown
    assert "test clause_f1 at the default threshold" in shown
    assert "pairs  " not in shown
    recorder = Recorder({}, 1, scorer)
    rising = raw(history=history([(0.1, 0.1), (0.4, 0.1)]))
    recorder.path = write(tmp_path / "record.json", rising)
    recorder.written = RunRecord.model_validate(rising)
    show_results(scorer, method, data, recorder)
    shown = capsys.readouterr().out
    assert (
        "NOTE: validation still rose by 30.0 points in the last epoch: more epochs may score higher" in shown
    )
    assert "collapsed" not in shown
    recorder.written = RunRecord.model_validate(
        raw(0.0, status="collapsed", trainer={"limit_train_batches": 5})
    )
    show_results(scorer, method, data, recorder)
    shown = " ".join(capsys.readouterr().out.split())
    assert "NOTE: the run collapsed: it finds nothing, or one class alone" in shown
    assert "NOTE: trained on a part of the documents (limit_train_batches 5): boards do not rank" in shown
