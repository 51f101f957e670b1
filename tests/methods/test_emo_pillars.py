"""Emo Pillars' targets and losses against the card, its second training, and whether context is used."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.emo_pillars import EmoPillars
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.options import flat, nested
from ecpe_zoo.results.record import read_record
from ecpe_zoo.results.store import find_records
from ecpe_zoo.tasks import EMOTIONS, ERC
from experiments import context_check
from tests.conftest import ROOT

SMALL: dict[str, Any] = {
    "encoder": "embedded",
    "encoder_size": 32,
    "encoder_heads": 2,
    "encoder_dropout": 0.0,
}


def soft_documents() -> list[Document]:
    return [
        Document(
            f"d{number}",
            (
                Segment("She waits for her brother", judged=False),
                Segment(
                    f"well well {word}",
                    emotions=(label,),
                    intensities={label: 8.0, other: 3.0, "neutral": 1.0},
                ),
            ),
            language="en",
        )
        for number, (word, label, other) in enumerate(
            [("good", "joy", "fear"), ("bad", "fear", "joy"), ("good", "joy", "neutral")]
        )
    ]


def small(some: list[Document] | None = None, **options: Any) -> EmoPillars:
    torch.manual_seed(0)
    method = EmoPillars(**nested(SMALL | {"dropout": 0.0} | options))
    method.build_from(soft_documents() if some is None else some)
    return method


def test_the_loss_of_soft_targets_is_the_formula() -> None:
    method = small().double().eval()
    assert method.labels == ("fear", "joy", "neutral")  # also what is never strong enough for a label
    batch = method.collator(True)(soft_documents())
    logits = method(batch).double()
    total = 0.0
    for row, document in enumerate(soft_documents()):
        for column, label in enumerate(method.labels):
            intensities = document.segments[1].intensities
            assert intensities is not None
            y = intensities.get(label, 0.0) / 10
            p = 1 / (1 + math.exp(-logits[row, column].item()))
            total -= y * math.log(p) + (1 - y) * math.log(1 - p)
    assert method.losses(batch)["cross_entropy"].item() == pytest.approx(total / 9, rel=1e-7)


def test_hard_targets_are_those_from_the_threshold_on() -> None:
    soft, hard, strict = small(), small(targets="hard"), small(targets="hard", least=0.5)
    both, plain = soft_documents()[0].segments[1], Segment("x", emotions=("fear",))
    assert soft.target(both) == pytest.approx([0.3, 0.8, 0.1])
    assert hard.target(both) == [1.0, 1.0, 0.0]
    assert strict.target(both) == [0.0, 1.0, 0.0]
    for method in (soft, hard):
        assert method.target(plain) == [1.0, 0.0, 0.0]
        assert method.target(Segment("x")) is None


def test_a_weak_emotion_applies_as_much_as_a_strong_one() -> None:
    """ISEAR: the target of a joy that was felt a little was .25, with hard targets none at all."""
    weak = Segment("x", emotions=("joy",), reported={"joy": 2.5})
    for targets in ("soft", "hard"):
        assert small(targets=targets).target(weak) == [0.0, 1.0, 0.0]


def test_one_label_a_text_is_a_softmax() -> None:
    method = small(single_label=True).double().eval()
    assert method.task is ERC
    assert small().task is EmoPillars.task is EMOTIONS
    batch = method.collator(True)(soft_documents())
    logits = method(batch).double().tolist()
    gold = [method.labels.index(document.segments[1].emotions[0]) for document in soft_documents()]
    expected = sum(
        math.log(sum(map(math.exp, row))) - row[label] for row, label in zip(logits, gold, strict=True)
    ) / len(gold)
    assert method.losses(batch)["cross_entropy"].item() == pytest.approx(expected, rel=1e-12)
    for prediction in method.decode(batch):
        assert prediction.scores["emotions"][1].sum() == pytest.approx(1.0, abs=1e-6)
        assert np.isnan(prediction.scores["emotions"][0]).all()


@pytest.mark.parametrize("single_label", [False, True])
def test_a_new_head_starts_at_the_label_frequencies(single_label: bool) -> None:
    """Log odds of the mean soft targets; log frequencies with one label a text."""
    method = small(single_label=single_label)
    method.start(soft_documents())
    means = [1 / 3, 2 / 3] if single_label else [(0.3 + 0.8 + 0.0) / 3, (0.8 + 0.3 + 0.8) / 3, 0.5 / 3]
    expected = [math.log(p) if single_label else math.log(p / (1 - p)) for p in means]
    assert method.head[-1].bias.tolist() == pytest.approx(expected, rel=1e-6)  # type: ignore[operator,union-attr]
    zero = small(single_label=single_label, head_bias="zero")
    zero.start(soft_documents())
    assert not zero.head[-1].bias.any()  # type: ignore[operator]


def test_what_each_regime_reads() -> None:
    document = soft_documents()[0]
    alone, aware = small(), small(regime="context-aware")
    assert (alone.reader.max_tokens, aware.reader.max_tokens) == (128, 512)
    assert len(alone.reader.row(document, 1).ids) == 2 + 3
    assert len(aware.reader.row(document, 1).ids) == 2 + 5 + 1 + 3


def test_wrong_options_are_told() -> None:
    with pytest.raises(ZooError, match="init_from CHECKPOINT"):
        EmoPillars(head="same")
    with pytest.raises(ZooError, match="least"):
        EmoPillars(least=0.0)


# --- the second training


def saved(method: Any, path: Path) -> str:
    checkpoint = {"state_dict": method.state_dict(), "hyper_parameters": dict(method.hparams)}
    method.on_save_checkpoint(checkpoint)
    checkpoint["pytorch-lightning_version"] = "2.6.0"
    torch.save(checkpoint, path)
    return str(path)


def test_a_second_training_starts_from_the_first(tmp_path: Path) -> None:
    first = small()
    path = saved(first, tmp_path / "first.ckpt")
    torch.manual_seed(7)
    same = small(init_from=path, head="same")
    same.start(soft_documents())  # the head that was taken over keeps its bias
    for name, value in first.state_dict().items():
        assert torch.equal(value.nan_to_num(), same.state_dict()[name].nan_to_num()), name
    other = list(load_corpus("bundled-emotions").train[:20])
    new = small(other, init_from=path)
    assert len(new.labels) > 2
    assert new.vocabulary == first.vocabulary
    for name, value in first.state_dict().items():
        if name.startswith("network.encoder."):
            assert torch.equal(value, new.state_dict()[name]), name
    second = saved(new, tmp_path / "second.ckpt")
    Path(path).unlink()  # the first is not needed any more
    again = load_method(second)
    before, after = (m.eval().decode(m.collator(False)(other)) for m in (new, again))
    for mine, stored in zip(before, after, strict=True):
        np.testing.assert_array_equal(mine.scores["emotions"], stored.scores["emotions"])


def test_a_first_training_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = saved(small(), tmp_path / "first.ckpt")
    others = [Document("x", (Segment("good bad", emotions=("joy", "pride")),))]
    with pytest.raises(ZooError, match="only there: fear, neutral; only here: pride"):
        small(others, init_from=path, head="same")
    with pytest.raises(ZooError, match="size 32 there, 16 here"):
        small(init_from=path, encoder_size=16)
    with pytest.raises(ZooError, match="name 'embedded' there, 'recurrent' here"):
        small(init_from=path, encoder="recurrent")
    from tests.methods.test_eqn import small as eqn

    with pytest.raises(ZooError, match="got one of 'eqn'"):
        small(init_from=saved(eqn(), tmp_path / "eqn.ckpt"))
    with pytest.raises(ZooError, match="no such file"):
        small(init_from=str(tmp_path / "none.ckpt"))


# --- whether context is used

NAMES = (
    "Ann",
    "Ben",
    "Cleo",
    "Dan",
    "Eve",
    "Finn",
    "Gus",
    "Hal",
    "Ida",
    "Jon",
    "Kim",
    "Leo",
    "Mia",
    "Ned",
    "Ola",
)
CORPUS = {
    "tasks": ["emotions"],
    "labels": ["joy", "sadness"],
    "format": {"text": "text", "id": "id", "label": "label", "context": ["context", "character"]},
    "files": {"train": "train.jsonl", "validation": "validation.jsonl", "test": "test.jsonl"},
}


def write_corpus(folder: Path) -> Path:
    """Texts whose emotion is in the context alone."""
    folder.mkdir(parents=True)
    for split, things in (("train", "race cup bet game"), ("validation", "prize"), ("test", "match")):
        rows = [
            {
                "id": f"{split}-{name}-{thing}-{verb}",
                "context": f"{name} {verb} the {thing}",
                "character": f"{name} is a friend",
                "text": f"So this is it, says {name}",
                "label": label,
            }
            for thing in things.split()
            for name in NAMES
            for verb, label in (("won", "joy"), ("lost", "sadness"))
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    path = folder / "corpus.json"
    path.write_text(json.dumps(CORPUS), encoding="utf-8")
    return path


def fit(folder: Path, corpus: Path, *options: str) -> Path:
    small = [f"--model.{name}={value}" for name, value in flat(nested(SMALL)).items()]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    place = ["--data.corpus", str(corpus), "--trainer.default_root_dir", str(folder)]
    config = str(ROOT / "configs" / "emo_pillars.yaml")
    assert main(["fit", "--config", config, *small, *quiet, *place, *options]) == 0
    return max(folder.glob("**/version_*"), key=lambda path: path.stat().st_mtime_ns)


def test_the_context_is_used_and_the_check_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    aware = ["--model.regime", "context-aware", "--model.single_label", "true"]
    run = fit(tmp_path / "runs", corpus, *aware, "--trainer.max_epochs", "12")
    record = read_record(run / "record.json")
    assert record.metrics["erc.macro_f1.v1"] > 0.9
    assert record.protocol.default_threshold is record.protocol.tuned_threshold is None
    assert record.config["checkpoint"]["monitor"] == "val/weighted_f1"  # the headline of what is scored
    best = str(max((run / "checkpoints").glob("best-*.ckpt"), key=lambda path: path.stat().st_mtime_ns))
    written = tmp_path / "check.json"
    capsys.readouterr()
    options = ["--ckpt_path", best, "--corpus", str(corpus), "--json", str(written)]
    assert context_check.main(options) == 0
    assert "true - shuffled" in capsys.readouterr().out
    found = json.loads(written.read_text(encoding="utf-8"))
    assert found["true"]["macro_f1"] > 0.9
    assert found["empty"]["macro_f1"] < 0.7
    assert found["shuffled"]["macro_f1"] < 0.8
    # and on, by a second training, with the same head
    second = ["--model.init_from", best, "--model.head", "same", "--trainer.max_epochs", "1"]
    (again,) = find_records([fit(tmp_path / "runs", corpus, *aware, *second)])
    assert again.history[0]["validation"]["macro_f1"] > 0.9
    assert Path(best).name in again.record.inputs


def test_contexts_change_places_and_nothing_else() -> None:
    texts = context_check.judged_texts(
        [
            Document(f"d{n}", (Segment(f"c{n}", judged=False), Segment(f"t{n}", emotions=("joy",))))
            for n in range(9)
        ]
        + [Document("alone", (Segment("t", emotions=("joy",)),))]
    )
    for context in context_check.CONTEXTS:
        some = context_check.with_context(texts, context)
        assert [text.id for text in some] == [text.id for text in texts]
        assert [text.segments[-1] for text in some] == [text.segments[-1] for text in texts]
    shuffled = context_check.with_context(texts, "shuffled")[:9]
    assert all(mine.segments[0] != own.segments[0] for mine, own in zip(shuffled, texts, strict=False))
    assert {text.segments[0].text for text in shuffled} == {f"c{n}" for n in range(9)}
    assert all(len(text) == 1 for text in context_check.with_context(texts, "empty"))


def test_a_classifier_without_context_cannot_be_checked() -> None:
    with pytest.raises(ZooError, match="reads no context"):
        context_check.check(small(), soft_documents())
    with pytest.raises(ZooError, match="two texts with a context"):
        context_check.check(small(regime="context-aware"), soft_documents()[:1])
