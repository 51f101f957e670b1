from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.anchors import angle_loss, contrastive_loss, similarity
from ecpe_zoo.methods.eacl import ANCHORS, EACL
from ecpe_zoo.options import nested
from tests.methods.ranks import saved_by_two_ranks


def transcribed_similarity(x: Tensor, y: Tensor) -> float:
    """(1 + cos(x, y)) / 2 + 1e-8."""
    cosine = sum(float(a * b) for a, b in zip(x, y, strict=True)) / (
        math.dist(x, [0] * len(x)) * math.dist(y, [0] * len(y))
    )
    return (1 + cosine) / 2 + 1e-8


def transcribed_contrastive(
    vectors: Tensor, labels: list[int], temperature: float, form: str, absent: bool
) -> float:
    """-log(sum of positives' shares / |P|), or the mean of -log of each share; rows without a positive left out."""
    rows = []
    for i in range(len(labels)):
        score = {
            j: math.exp(transcribed_similarity(vectors[i], vectors[j]) / temperature)
            for j in range(len(labels))
            if j != i
        }
        positive = [j for j in score if labels[j] == labels[i]]
        negative = [j for j in score if labels[j] != labels[i]]
        if not positive:
            if absent:
                rows.append(-math.log(1e-8))
            continue
        everyone = sum(score[j] for j in positive) + sum(score[j] for j in negative)
        if form == "log-of-sum":
            rows.append(-math.log(sum(score[j] for j in positive) / everyone / len(positive)))
        else:
            rows.append(-sum(math.log(score[j] / everyone) for j in positive) / len(positive))
    return sum(rows) / len(rows)


def transcribed_angle(anchors: Tensor) -> float:
    """Minus the mean of arccos of each centred anchor's greatest cosine, clamped to 0.99999."""
    count, size = anchors.shape
    centre = [sum(float(anchors[k, d]) for k in range(count)) / count for d in range(size)]
    moved = [[float(anchors[k, d]) - centre[d] for d in range(size)] for k in range(count)]
    unit = [[value / math.hypot(*row) for value in row] for row in moved]
    angles = []
    for k in range(count):
        best = max(
            sum(a * b for a, b in zip(unit[k], unit[j], strict=True)) if j != k else -1.0
            for j in range(count)
        )
        angles.append(math.acos(min(max(best, -0.99999), 0.99999)))
    return -sum(angles) / count


@pytest.mark.parametrize("form", ["log-of-sum", "supcon"])
@pytest.mark.parametrize("absent", [False, True])
def test_the_contrastive_loss_is_the_formula(form: str, absent: bool) -> None:
    torch.manual_seed(0)
    vectors = torch.randn(12, 5, dtype=torch.float64)
    labels = [0, 1, 1, 2, 0, 0, 3, 3, 0, 1, 2, 4]  # 4 has no partner
    ours = contrastive_loss(vectors, torch.tensor(labels), 0.1, form, absent)  # type: ignore[arg-type]
    assert ours.item() == pytest.approx(transcribed_contrastive(vectors, labels, 0.1, form, absent), abs=1e-6)


def test_the_angle_loss_is_the_formula() -> None:
    torch.manual_seed(0)
    for count in (2, 3, 7):
        anchors = torch.randn(count, 6, dtype=torch.float64)
        assert angle_loss(anchors).item() == pytest.approx(transcribed_angle(anchors), abs=1e-6)


def test_coinciding_anchors_give_finite_gradients_that_part_near_ones() -> None:
    same = torch.ones(4, 6, dtype=torch.float64, requires_grad=True)
    angle_loss(same).backward()
    assert same.grad is not None
    assert same.grad.isfinite().all()
    torch.manual_seed(0)
    near = torch.randn(4, 6, dtype=torch.float64)
    near[1] = near[0] + 1e-5 * torch.randn(6, dtype=torch.float64)  # a cosine beyond the clamp
    near.requires_grad_()
    angle_loss(near).backward()
    assert near.grad is not None
    assert near.grad.isfinite().all()
    assert near.grad[1].norm() > 0


@pytest.mark.parametrize("apart", [1.0, 1e-2, 4e-3, 1e-3, 1e-4, 1e-5])
def test_the_angle_keeps_its_gradient_however_near_two_anchors_are(apart: float) -> None:
    """Four directions in a plane, two of them `apart` radians from each other, the others alike: slope 1, not 0."""
    angles = torch.tensor([0.0, apart, math.pi, math.pi + apart], dtype=torch.float64, requires_grad=True)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-2)):
        anchors = torch.stack([angles.cos(), angles.sin()], dim=1).to(dtype)  # centred as they are
        loss = angle_loss(anchors)
        (slope,) = torch.autograd.grad(loss, angles)
        assert loss.item() == pytest.approx(-max(apart, math.acos(0.99999)), abs=1e-4)
        turned = 0.5 * (slope[1] - slope[0]) + 0.5 * (slope[3] - slope[2])
        assert turned.item() == pytest.approx(-1.0, abs=tolerance), dtype


@pytest.mark.parametrize("form", ["log-of-sum", "supcon"])
@pytest.mark.parametrize("temperature", [0.5, 0.1, 1e-3])
def test_the_contrastive_loss_at_extreme_temperatures(form: Any, temperature: float) -> None:
    """fp32 against the formula in fp64, written with products and logarithms of long numbers."""
    torch.manual_seed(0)
    vectors = torch.randn(9, 4, dtype=torch.float64)
    vectors[1], vectors[2], vectors[4] = vectors[0], -vectors[0], vectors[3]  # scores of 1 and of 0
    labels = torch.tensor([0, 0, 0, 1, 2, 2, 1, 3, 3])
    start = vectors.clone().requires_grad_()
    lengths = start / start.norm(dim=1, keepdim=True)
    scores = ((1 + lengths @ lengths.T) / 2 + 1e-8) / temperature
    total = torch.zeros((), dtype=torch.float64)
    for i in range(9):
        others = [j for j in range(9) if j != i]
        friends = [j for j in others if labels[j] == labels[i]]
        shares = scores[i, friends] - scores[i, others].logsumexp(dim=0)
        one = shares.logsumexp(dim=0) - math.log(len(friends)) if form == "log-of-sum" else shares.mean()
        total = total - one / 9
    (wanted,) = torch.autograd.grad(total, start)
    ours = vectors.float().requires_grad_()
    loss = contrastive_loss(ours, labels, temperature, form)
    (found,) = torch.autograd.grad(loss, ours)
    assert loss.item() == pytest.approx(total.item(), rel=1e-5)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4 * wanted.abs().max().item(), rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_where_the_loss_is_fragile(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    cases = {
        "identical": (torch.ones(6, 8), [0, 1, 2, 0, 1, 2]),
        "opposite": (torch.cat([torch.ones(3, 8), -torch.ones(3, 8)]), [0, 0, 1, 0, 1, 1]),
        "a class missing": (torch.randn(5, 8), [0, 0, 1, 2, 3]),
        "nobody has a partner": (torch.randn(3, 8), [0, 1, 2]),
        "no length": (torch.zeros(4, 8), [0, 0, 1, 1]),
    }
    for name, (vectors, labels) in cases.items():
        vectors = vectors.to(dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = contrastive_loss(vectors, torch.tensor(labels), 0.1) + angle_loss(vectors)
        loss.backward()
        assert loss.isfinite(), name
        assert vectors.grad is not None
        assert vectors.grad.isfinite().all(), name


def test_similarity_stays_out_of_16_bits() -> None:
    x = torch.randn(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert similarity(x, x).dtype == torch.float32
        torch.testing.assert_close(similarity(x, x).diagonal(), torch.ones(3), atol=1e-6, rtol=0)


def small(**options: Any) -> EACL:
    torch.manual_seed(0)
    encoder = {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "encoder_dropout": 0.0}
    method = EACL(**nested(encoder | options))
    method.build_from(documents())
    return method


def documents() -> list[Document]:
    return list(load_corpus("bundled-conversations").train[:3])


def batch_of(method: EACL) -> Any:
    return method.collator(True)(list(method.training_units(documents())))


def test_the_stages_follow_the_options() -> None:
    assert [stage.name for stage in EACL().stages()] == ["fit", "anchors"]
    for options in ({"adapt_epochs": 0}, {"objective": "cross-entropy"}, {"decide_by": "classifier"}):
        assert [stage.name for stage in EACL(**options).stages()] == ["fit"], options


@pytest.mark.parametrize(
    ("options", "losses"),
    [
        ({}, {"cross_entropy", "contrastive", "angle"}),
        ({"angle_weight": 0.0}, {"cross_entropy", "contrastive"}),
        ({"objective": "cross-entropy"}, {"cross_entropy"}),
        ({"anchors": "learned"}, {"cross_entropy", "contrastive", "angle"}),
        ({"anchors": "random"}, {"cross_entropy", "contrastive", "angle"}),
        ({"anchors": "re-encoded"}, {"cross_entropy", "contrastive", "angle"}),
        ({"contrast_anchors": False}, {"cross_entropy", "contrastive", "angle"}),
        ({"contrast_anchors": False, "angle_weight": 0.0}, {"cross_entropy", "contrastive"}),
        ({"speakers": "by-order", "anchor_space": False}, {"cross_entropy", "contrastive", "angle"}),
        ({"contrastive": "supcon", "absent_anchors": "count"}, {"cross_entropy", "contrastive", "angle"}),
        ({"read_at": "first", "decide_by": "classifier"}, {"cross_entropy", "contrastive", "angle"}),
    ],
)
def test_every_ablation_has_its_losses_and_gradients(options: dict[str, Any], losses: set[str]) -> None:
    method = small(**options)
    found = method.losses(batch_of(method))
    assert set(found) == losses
    torch.stack(list(found.values())).sum().backward()
    for name, parameter in method.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    (prediction,) = method.eval().decode(method.collator(False)([documents()[0].without_gold()]))
    scores = prediction.scores["emotions"]
    assert scores.sum(axis=1) == pytest.approx([1.0] * len(scores), abs=1e-5)


def test_the_losses_are_the_papers_sum() -> None:
    """Stage one against a transcription: w CE + (1 - w) (contrastive + v angle) over batch and anchors."""
    method = small(ce_weight=0.3, angle_weight=0.5).double().eval()
    batch = batch_of(method)
    losses = method.losses(batch)
    reading = method.read(batch)
    anchors = method.project(method.anchor_inputs)
    # the network's last step is in fp32, as on a machine with 16 bits: the tolerance is fp32's
    logits = reading.logits.double()
    entropy = sum(
        math.log(sum(math.exp(v) for v in row)) - row[label]
        for row, label in zip(logits.tolist(), batch.labels.tolist(), strict=True)
    ) / len(logits)
    vectors = torch.cat([reading.vectors.double(), anchors.detach().float().double()])
    labels = batch.labels.tolist() + list(range(len(anchors)))
    expected = {
        "cross_entropy": 0.3 * entropy,
        "contrastive": 0.7 * transcribed_contrastive(vectors, labels, 0.1, "log-of-sum", False),
        "angle": 0.7 * 0.5 * transcribed_angle(anchors.detach().float().double()),
    }
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value, abs=1e-5), name


def test_without_anchors_the_contrastive_loss_is_over_the_batch_alone() -> None:
    """As the released code's --disable_emo_anchor: the angle stays."""
    method = small(contrast_anchors=False).double().eval()
    batch = batch_of(method)
    losses = method.losses(batch)
    vectors, labels = method.read(batch).vectors.double(), batch.labels.tolist()
    expected = 0.9 * transcribed_contrastive(vectors, labels, 0.1, "log-of-sum", False)
    assert losses["contrastive"].item() == pytest.approx(expected, abs=1e-5)
    angle = 0.9 * 0.1 * transcribed_angle(method.first_anchors().detach().double())
    assert losses["angle"].item() == pytest.approx(angle, abs=1e-5)
    with pytest.raises(ZooError, match=r"contrast_anchors false.*angle_weight 0"):
        EACL(anchors="learned", contrast_anchors=False, angle_weight=0.0)


class StandInData:
    """The documents of a run."""

    train_documents = documents()

    def documents(self, part: str) -> list[Document]:
        """The same for every part."""
        return documents()


class StandInBetween:
    """What `prepare` needs of a run between its stages, as if it had been trained."""

    stage, resumed, data = ANCHORS, False, StandInData()

    def __init__(self, method: EACL) -> None:
        self.method = method

    def predict(self, some: list[Document]) -> None:
        """As Lightning does: in evaluation mode, and back."""
        training = self.method.training
        self.method.eval().decode(self.method.collator(False)(some))
        self.method.train(training)


@pytest.mark.parametrize("anchors", ["words", "re-encoded", "random", "learned"])
def test_stage_two_starts_from_the_anchors_that_stage_one_decides_by(anchors: Any) -> None:
    method = small(anchors=anchors, encoder_dropout=0.5)
    assert method.training
    wanted = method.eval().first_anchors().detach().clone()
    method.train()
    method.enter(ANCHORS)
    method.prepare(StandInBetween(method))  # type: ignore[arg-type]
    assert method.training
    assert torch.equal(method.adapted.detach(), wanted)


def test_anchor_words_are_encoded_with_and_without_a_leading_space(monkeypatch: pytest.MonkeyPatch) -> None:
    for space in (True, False):
        method = small(anchors="re-encoded", anchor_space=space)
        encode, seen = method.encoder.tokenizer.encode, list[str]()

        def recorded(text: str, encode: Any = encode, seen: list[str] = seen) -> list[int]:
            seen.append(text)
            ids: list[int] = encode(text)
            return ids

        monkeypatch.setattr(method.encoder.tokenizer, "encode", recorded)
        method.first_anchors()
        assert seen == [" " * space + label for label in method.labels]


def test_in_stage_two_the_anchors_alone_learn_and_nothing_is_encoded_twice() -> None:
    method = small()
    first = method.first_anchors().detach().clone()
    with torch.no_grad():
        method.adapted.copy_(first)
    method.enter(ANCHORS)
    method.kept = {}
    assert [name for name, p in method.named_parameters() if p.requires_grad] == ["adapted"]
    batch = batch_of(method)
    before = method.losses(batch)["anchors"]
    calls = []
    method.encoder.register_forward_hook(lambda *_: calls.append(1))
    rule = torch.optim.Adam([method.adapted], lr=0.05)
    for _ in range(20):
        rule.zero_grad()
        loss = method.losses(batch)["anchors"]
        loss.backward()
        rule.step()
    assert not calls
    assert loss < before
    assert torch.equal(method.first_anchors(), first)
    vectors = method._vectors(batch)
    nearness = [[transcribed_similarity(v, a) / 0.1 for a in method.adapted] for v in vectors.detach()]
    expected = sum(
        math.log(sum(map(math.exp, row))) - row[label]
        for row, label in zip(nearness, batch.labels.tolist(), strict=True)
    ) / len(nearness)
    assert method.losses(batch)["anchors"].item() == pytest.approx(expected, abs=1e-4)


TWO_RANKS = """
    import sys, torch, torch.distributed as dist
    from tests.methods.test_eacl import batch_of, documents, small
    rank = int(sys.argv[1])
    dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
    method = small().double().eval()
    units = list(method.training_units(documents()))
    share = units[:7] if rank == 0 else units[7:]     # of unlike size
    losses = method.losses(method.collator(True)(share))
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in method.named_parameters() if p.grad is not None}
    for gradient in gradients.values():               # what DistributedDataParallel does
        dist.all_reduce(gradient)
        gradient /= 2
    if rank == 0:
        torch.save({"losses": {n: v.item() for n, v in losses.items()}, "gradients": gradients}, sys.argv[3])
"""


@pytest.mark.distributed
def test_two_ranks_have_the_loss_and_the_gradient_of_the_joint_batch(tmp_path: Path) -> None:
    found = saved_by_two_ranks(TWO_RANKS, tmp_path)
    method = small().double().eval()
    losses = method.losses(batch_of(method))
    torch.stack(list(losses.values())).sum().backward()
    for name in ("contrastive", "angle"):
        assert found["losses"][name] == pytest.approx(losses[name].item(), abs=1e-6)
    for name, parameter in method.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(
                found["gradients"][name], parameter.grad, atol=1e-6, rtol=1e-4, msg=name
            )
