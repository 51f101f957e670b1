"""EQN's targets, losses and relabelling against the card, and its stages by the real entry point."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.corpora.relabelled import read_intensities, with_intensities, write_intensities
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.eqn import EQN, FINAL, relabel, smoothed
from ecpe_zoo.methods.loading import load_method, read_checkpoint
from ecpe_zoo.methods.out_of_fold import folds_of, stage_seed
from ecpe_zoo.options import flat, nested
from ecpe_zoo.results.record import read_record
from tests.conftest import ROOT
from tests.methods.ranks import saved_by_two_ranks

SMALL: dict[str, Any] = {
    "encoder": "embedded",
    "encoder_size": 32,
    "encoder_heads": 2,
    "encoder_dropout": 0.0,
}


def documents() -> list[Document]:
    return list(load_corpus("bundled-emotions").train[:6])


def small(**options: Any) -> EQN:
    torch.manual_seed(0)
    method = EQN(**nested(SMALL | {"dropout": 0.0} | options))
    method.build_from(documents())
    return method


def run_eqn(folder: Path, *options: str) -> Path:
    small = [f"--model.{name}={value}" for name, value in flat(nested(SMALL)).items()]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    limits = [
        "--trainer.max_epochs",
        "1",
        "--trainer.default_root_dir",
        str(folder),
        "--data.batch_size",
        "64",
    ]
    assert (
        main(["fit", "--config", str(ROOT / "configs" / "eqn.yaml"), *small, *quiet, *limits, *options]) == 0
    )
    return max(folder.glob("*/*/version_*"), key=lambda path: path.stat().st_mtime_ns)


# --- formulas


@pytest.mark.parametrize("objective", ["coeqn", "cross-entropy"])
def test_the_loss_is_the_formula(objective: str) -> None:
    """Targets of 10 and 0 over 10; mean over texts and labels of the squared error, or of the cross-entropy."""
    method = small(objective=objective).double().eval()
    batch = method.collator(True)(documents())
    logits = method(batch).double()
    total, cells = 0.0, 0
    for row, document in enumerate(documents()):
        for column, label in enumerate(method.labels):
            y = (10 if label in document.segments[0].emotions else 0) / 10
            x = logits[row, column].item()
            p = 1 / (1 + math.exp(-x))
            total += (x - y) ** 2 if objective == "coeqn" else -y * math.log(p) - (1 - y) * math.log(1 - p)
            cells += 1
    ((_, loss),) = method.losses(batch).items()
    assert loss.item() == pytest.approx(total / cells, rel=1e-7)


@pytest.mark.parametrize("objective", ["coeqn", "cross-entropy"])
def test_a_new_head_starts_at_the_best_constant(objective: Any) -> None:
    """With one answer for all texts no loss is lower: the gradient of the bias is 0, written out in fp64."""
    method = small(objective=objective)
    some = documents()[:3]
    method.start(some)
    last = method.head[-1]
    assert isinstance(last, torch.nn.Linear)
    bias = last.bias.detach().double()
    shares = [sum(label in d.segments[0].emotions for d in some) / len(some) for label in method.labels]
    assert 0.0 in shares
    assert max(shares) > 0.0
    for value, share in zip(bias.tolist(), shares, strict=True):
        p = max(share, 0.5 / len(some))  # half a text, so that a label without one has finite log odds
        expected = p if objective == "coeqn" else math.log(p / (1 - p))
        assert value == pytest.approx(expected, rel=1e-6)
    method.double()
    torch.nn.init.zeros_(method.head[-1].weight)  # type: ignore[arg-type]
    ((_, loss),) = method.losses(method.collator(True)(some)).items()
    loss.backward()
    seen = [share > 0 for share in shares]
    assert method.head[-1].bias.grad[seen].abs().max() < 1e-7  # type: ignore[index,union-attr]
    zero = small(objective=objective, head_bias="zero")
    zero.start(some)
    assert not zero.head[-1].bias.any()  # type: ignore[operator]


def test_the_squared_error_is_not_clipped_and_the_scores_are() -> None:
    method = small(objective="coeqn")
    logits = torch.tensor([[-0.5, 0.25, 1.5]])
    assert method.scores(logits).tolist() == [[0.0, 0.25, 1.0]]
    assert small(objective="cross-entropy").scores(torch.zeros(1, 1)).item() == 0.5
    torch.nn.init.constant_(method.head[1].bias, 3.0)  # type: ignore[index,arg-type]
    batch = method.eval().collator(True)(documents())
    assert method.losses(batch)["squared_error"] > 3


def test_relabelling_keeps_tens_and_caps_zeros() -> None:
    some = [
        Document("a", (Segment("x", judged=False), Segment("y", emotions=("joy",)))),
        Document("b", (Segment("z", emotions=("fear", "joy")),)),
    ]
    labels = ("anger", "fear", "joy")
    predictions = [
        Prediction("b", {"emotions": np.array([[-0.1, 0.2, 0.3]], dtype=np.float32)}, labels=labels),
        Prediction(
            "a", {"emotions": np.array([[np.nan] * 3, [0.97, 0.123456, 0.4]], np.float32)}, labels=labels
        ),
    ]
    assert relabel(some, predictions, cap=9.0) == {
        ("a", 1): {"anger": 9.0, "fear": 1.2346, "joy": 10.0},
        ("b", 0): {"fear": 10.0, "joy": 10.0},
    }


def test_the_last_stage_learns_the_intensities() -> None:
    method = small()
    method.enter(FINAL)
    label, other = method.labels[:2]
    segment = Segment("x", emotions=(label,), intensities={label: 10.0, other: 4.73})
    assert method.target(segment) == [1.0, pytest.approx(0.473), *[0.0] * (len(method.labels) - 2)]
    method.enter("fold-1")
    assert method.target(segment) == [1.0, *[0.0] * (len(method.labels) - 1)]


@pytest.mark.parametrize("by", ["all", "class"])
def test_smoothing_has_the_mean_of_what_it_replaces(by: Any) -> None:
    some = [
        Document("a", (Segment("x", emotions=("joy",)),)),
        Document("b", (Segment("y", emotions=("fear",)),)),
    ]
    relabelled = {("a", 0): {"joy": 10.0, "fear": 2.0}, ("b", 0): {"fear": 10.0, "anger": 4.0, "joy": 1.0}}
    found = smoothed(some, relabelled, ("anger", "fear", "joy"), by)
    cells = (
        {"anger": 2.0, "fear": 2.0, "joy": 1.0}
        if by == "class"
        else dict.fromkeys(("anger", "fear", "joy"), 1.75)
    )
    assert found == {
        ("a", 0): cells | {"joy": 10.0},
        ("b", 0): cells | {"fear": 10.0},
    }
    assert sum(map(sum, (row.values() for row in found.values()))) == sum(
        map(sum, (row.values() for row in relabelled.values()))
    )


def test_folds_are_of_the_ids_alone_and_keep_equal_texts_together() -> None:
    some = [Document(f"d{n}", (Segment(f"text {n // 2}"),)) for n in range(40)]
    fold = folds_of(some, 3)
    assert fold == folds_of(some[::-1], 3)
    assert all(fold[f"d{n}"] == fold[f"d{n + 1}"] for n in range(0, 40, 2))
    sizes = [list(fold.values()).count(number) for number in (1, 2, 3)]
    assert max(sizes) - min(sizes) <= 2
    with pytest.raises(ZooError, match="at least 21 different training texts"):
        folds_of(some, 21)


def test_fresh_weights_are_of_the_seed_alone() -> None:
    method = small()
    learned = {name: value.clone() for name, value in method.state_dict().items()}
    torch.manual_seed(5)
    method.renew(stage_seed("fold-2"))
    first = {name: value.clone() for name, value in method.state_dict().items()}
    torch.manual_seed(6)
    torch.randn(7)
    before = torch.random.get_rng_state()
    method.renew(stage_seed("fold-2"))
    assert torch.equal(before, torch.random.get_rng_state())
    for name, value in method.state_dict().items():
        assert torch.equal(value.nan_to_num(), first[name].nan_to_num()), name
    assert not torch.equal(first["head.1.weight"], learned["head.1.weight"])
    assert stage_seed("fold-2") != stage_seed(FINAL)


def test_stages_follow_the_options() -> None:
    def names(**options: Any) -> list[str]:
        return [stage.name for stage in EQN(**options).stages()]

    assert names() == ["fold-1", "fold-2", "final"]
    assert names(folds=3) == ["fold-1", "fold-2", "fold-3", "final"]
    assert names(relabel="in-sample") == ["coeqn", "final"]
    assert names(labels_from="x.jsonl") == ["final"]
    assert names(objective="coeqn") == names(objective="cross-entropy") == ["fit"]


@pytest.mark.parametrize("options", [{"folds": 1}, {"cap": 11.0}])
def test_wrong_options_are_told(options: dict[str, Any]) -> None:
    with pytest.raises(ZooError, match=r"Expected --model\."):
        EQN(**options)


@pytest.mark.parametrize("network", ["ann", "cnn", "textcnn", "lstm"])
@pytest.mark.parametrize("objective", ["eqn", "cross-entropy"])
def test_the_smaller_networks_learn_by_heart(network: Any, objective: Any) -> None:
    method = small(network=network, objective=objective, vector_size=12, hidden=12)
    batch = method.collator(True)(documents())
    rule = torch.optim.Adam(method.parameters(), lr=2e-2)
    for _ in range(150):
        rule.zero_grad()
        ((_, loss),) = method.losses(batch).items()
        loss.backward()
        assert all(p.grad is not None for p in method.parameters())
        rule.step()
    gold = batch.targets > 0.5
    assert torch.equal(method.eval().scores(method(batch)) > 0.5, gold)


def test_the_pretrained_pooler_is_what_the_dense_layer_starts_from(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = tmp_path / "bert"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]
    model = BertModel(
        BertConfig(
            vocab_size=6, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        )
    )
    torch.nn.init.normal_(model.pooler.dense.bias)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    method = small(encoder=str(folder))
    dense: Any = method.network.dense
    assert torch.equal(dense.bias, model.pooler.dense.bias)
    assert torch.equal(dense.weight, model.pooler.dense.weight)
    reference = method.eval().network.encoder.model(torch.tensor([[2, 5, 3]])).last_hidden_state  # type: ignore[operator,union-attr]
    ids = torch.tensor([[2, 5, 3]])
    torch.testing.assert_close(method.network(ids, ids > 0, ids * 0), model.eval().pooler(reference))


# --- the stages, by the real entry point


@pytest.mark.parametrize("how", ["out-of-fold", "in-sample"])
def test_who_relabels_what(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spy on every text that a model learns from, and on every prediction between stages."""
    learned: dict[str, set[str]] = defaultdict(set)
    read: dict[str, dict[str, Prediction]] = defaultdict(dict)
    starts: dict[str, dict[str, torch.Tensor]] = {}
    means: dict[str, torch.Tensor] = {}
    losses, decode, start = EQN.losses, EQN.decode, EQN.start

    def spy_on_starts(self: EQN, documents: Any) -> None:
        assert self.stage not in means
        means[self.stage] = torch.tensor([self.target(d.segments[0]) for d in documents]).double().mean(0)
        start(self, documents)

    def spy_on_losses(self: EQN, batch: Any) -> Any:
        if self.stage not in starts:
            starts[self.stage] = {name: value.clone() for name, value in self.named_parameters()}
        learned[self.stage].update(batch.ids)
        return losses(self, batch)

    def spy_on_predictions(self: EQN, batch: Any) -> Any:
        found = decode(self, batch)
        if self.trainer.state.fn == "predict":
            read[self.stage].update({prediction.id: prediction for prediction in found})
        return found

    monkeypatch.setattr(EQN, "losses", spy_on_losses)
    monkeypatch.setattr(EQN, "start", spy_on_starts)
    monkeypatch.setattr(EQN, "decode", spy_on_predictions)
    run = run_eqn(tmp_path, "--model.relabel", how)
    train = {document.id: document for document in load_corpus("bundled-emotions").train}
    record = read_record(run / "record.json")
    assert record.corpus.train == len(train)
    stages = [stage.name for stage in record.stages]
    for model, after in itertools.pairwise(stages):
        if how == "out-of-fold":
            assert learned[model].isdisjoint(read[after])
            assert learned[model] | set(read[after]) == set(train)
            assert abs(len(learned[model]) - len(train) / 2) <= 1
        else:
            assert learned[model] == set(read[after]) == set(train)
    assert learned["final"] == set(train)
    predictions = {id: prediction for found in read.values() for id, prediction in found.items()}
    assert set(predictions) == set(train)  # and nothing of validation and test
    written = read_intensities(run / "relabelled.jsonl")
    assert set(written) == {(id, 0) for id in train}
    for (id, _), row in written.items():
        for label, score in zip(
            predictions[id].labels, predictions[id].scores["emotions"][0].tolist(), strict=True
        ):
            wanted = 10.0 if label in train[id].segments[0].emotions else min(max(10 * score, 0.0), 9.0)
            assert row.get(label, 0.0) == pytest.approx(wanted, abs=1e-4)
    text = next(iter(train.values())).segments[0].text
    assert text not in (run / "relabelled.jsonl").read_text(encoding="utf-8")
    assert (run / "pictures" / "relabelled.png").is_file()
    # fresh weights, the same as a new training of that stage draws, and not what the stage before learned
    method = load_method(max((run / "checkpoints").glob("best-final*.ckpt")))
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    method.renew(stage_seed("final"))
    for name, value in method.named_parameters():
        if name == "head.1.bias":  # of the texts of its own stage, with the targets of that stage
            for stage, start_of in starts.items():
                least = 0.5 / len(learned[stage])
                torch.testing.assert_close(start_of[name], means[stage].clamp(least, 1 - least).float())
            assert means["final"].sum() > means[stages[0]].sum()  # soft labels added
            continue
        assert torch.equal(value, starts["final"][name]), name
        if name.endswith(("query.weight", "head.1.weight")):
            assert not torch.equal(value, starts[stages[0]][name]), name


def test_a_relabelled_file_is_learned_by_another_run(tmp_path: Path) -> None:
    train = load_corpus("bundled-emotions").train
    rows = {(d.id, 0): dict.fromkeys(d.segments[0].emotions, 10.0) | {"neutral": 5.0} for d in train}
    path = tmp_path / "relabelled.jsonl"
    write_intensities(path, rows)
    run = run_eqn(tmp_path / "runs", "--model.labels_from", str(path), "--model.smoothing", "class")
    record = read_record(run / "record.json")
    assert [stage.name for stage in record.stages] == ["final"]
    assert "relabelled.jsonl" in record.inputs
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["ecpe_zoo"]["stage"] == "final"
    learned = with_intensities(train, read_intensities(path))
    assert [segment.intensities for d in learned for segment in d.segments] == list(rows.values())
    write_intensities(path, dict(list(rows.items())[1:]))
    with pytest.raises(AssertionError):  # the exit status is 1
        run_eqn(tmp_path / "runs", "--model.labels_from", str(path))


def test_coeqn_alone_writes_what_its_best_epoch_says(tmp_path: Path) -> None:
    run = run_eqn(tmp_path, "--model.objective", "coeqn", "--trainer.max_epochs", "2", "--test", "false")
    train = load_corpus("bundled-emotions").train
    written = read_intensities(run / "relabelled.jsonl")
    assert set(written) == {(document.id, 0) for document in train}
    method = load_method(max((run / "checkpoints").glob("best-*.ckpt"))).eval()
    batch = method.collator(False)(train[:5])
    for prediction in method.decode(batch):
        gold = next(d for d in train if d.id == prediction.id).segments[0].emotions
        for label, score in zip(prediction.labels, prediction.scores["emotions"][0].tolist(), strict=True):
            wanted = 10.0 if label in gold else min(10 * score, 9.0)
            assert written[prediction.id, 0].get(label, 0.0) == pytest.approx(wanted, abs=1e-3)


TWO_RANKS = """
    import sys, torch, torch.distributed as dist
    from tests.methods.test_eqn import documents, small
    rank = int(sys.argv[1])
    dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
    method = small(objective="coeqn").double().eval()
    share = documents()[:4] if rank == 0 else documents()[4:]     # of unlike size
    method.losses(method.collator(True)(share))["squared_error"].backward()
    for parameter in method.parameters():                         # what DistributedDataParallel does
        dist.all_reduce(parameter.grad)
        parameter.grad /= 2
    if rank == 0:
        torch.save({name: p.grad for name, p in method.named_parameters()}, sys.argv[3])
"""


@pytest.mark.distributed
def test_two_ranks_have_the_gradient_of_the_joint_batch(tmp_path: Path) -> None:
    found = saved_by_two_ranks(TWO_RANKS, tmp_path)
    method = small(objective="coeqn").double().eval()
    method.losses(method.collator(True)(documents()))["squared_error"].backward()
    for name, parameter in method.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, msg=name)
