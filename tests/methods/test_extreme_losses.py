"""Losses of conversation and text methods at extreme logits: in fp32 what the formula gives in fp64, never capped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.methods.eacl import EACL
from ecpe_zoo.methods.emo_pillars import EmoPillars
from ecpe_zoo.methods.eqn import EQN
from ecpe_zoo.options import EncoderSettings

EXTREMES = (-1e4, -200.0, -40.0, -17.0, -1.0, 0.0, 1.0, 17.0, 40.0, 200.0, 1e4)


def binary(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of y log(1 + e^-x) + (1 - y) log(1 + e^x) and its gradient (sigmoid(x) - y) / cells."""
    zero = torch.zeros_like(logits)
    value = targets * torch.logaddexp(zero, -logits) + (1 - targets) * torch.logaddexp(zero, logits)
    return value.mean(), (torch.sigmoid(logits) - targets) / logits.numel()


def categorical(logits: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of log sum e^x - x_gold and its gradient (softmax(x) - 1 at gold) / rows."""
    value = logits.logsumexp(dim=1) - logits[torch.arange(len(gold)), gold]
    one = torch.nn.functional.one_hot(gold, logits.shape[1])
    return value.mean(), (logits.softmax(dim=1) - one) / len(gold)


def squared(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of (x - y)^2 and its gradient."""
    return (logits - targets).square().mean(), 2 * (logits - targets) / logits.numel()


def texts() -> list[Document]:
    return list(load_corpus("bundled-emotions").train[:11])


def from_logits(method: EQN | EmoPillars, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss and gradient of given logits (11, C), and the targets (11, C)."""
    method.build_from(texts())
    method.forward = lambda batch: logits  # type: ignore[method-assign]
    batch = method.collator(True)(texts())
    (loss,) = method.losses(batch).values()
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss, gradient, batch.targets.double()


SMALL: dict[str, Any] = {"encoder": EncoderSettings("embedded", size=16, heads=2)}


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda: EQN(objective="coeqn", **SMALL), squared),
        (lambda: EQN(objective="cross-entropy", **SMALL), binary),
        (lambda: EmoPillars(**SMALL), binary),
        (lambda: EmoPillars(single_label=True, **SMALL), categorical),
    ],
    ids=["coeqn", "eqn-cross-entropy", "emo_pillars", "emo_pillars-single"],
)
def test_losses_of_texts_at_extreme_logits(
    make: Callable[[], EQN | EmoPillars], formula: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
) -> None:
    method = make()
    count = len({label for document in texts() for label in document.segments[0].emotions})
    logits = torch.tensor(EXTREMES)[(torch.arange(11)[:, None] + 3 * torch.arange(count)) % 11]
    loss, gradient, targets = from_logits(method, logits.requires_grad_())
    gold = targets.argmax(dim=1) if formula is categorical else targets
    value, slope = formula(logits.detach().double(), gold)
    assert loss.item() == pytest.approx(value.item(), rel=1e-6)
    torch.testing.assert_close(gradient.double(), slope, atol=1e-7, rtol=1e-5)


def test_cross_entropy_of_utterances_at_extreme_logits() -> None:
    method = EACL(**SMALL)
    logits = torch.tensor(EXTREMES)[(torch.arange(11)[:, None] + 3 * torch.arange(5)) % 11].requires_grad_()
    gold = torch.arange(11) % 5
    loss = method._cross_entropy(logits, gold)
    (gradient,) = torch.autograd.grad(loss, logits)
    value, slope = categorical(logits.detach().double(), gold)
    assert loss.item() == pytest.approx(value.item(), rel=1e-6)
    torch.testing.assert_close(gradient.double(), slope, atol=1e-7, rtol=1e-5)
