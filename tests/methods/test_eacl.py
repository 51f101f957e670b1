from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ecpe_zoo.methods.eacl import angle_loss, contrastive_loss, similarity


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
