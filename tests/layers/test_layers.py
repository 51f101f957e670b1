"""What methods share, against direct transcriptions."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor

from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.clause_encoders import GraphClauseEncoder, RelationalGCN, make_clause_encoder
from ecpe_zoo.layers.divergences import safe_kl, symmetric_kl
from ecpe_zoo.layers.masking import corrupt
from ecpe_zoo.layers.optimisation import make_optimiser, parameter_groups
from ecpe_zoo.layers.pooling import masked_mean, mean_by_group
from ecpe_zoo.layers.reductions import mean_over_questions
from ecpe_zoo.options import ClauseEdges, ClauseEncoderKind, ClauseSettings, OptimiserSettings


def test_mean_by_group() -> None:
    values = torch.randn(2, 5, 3, dtype=torch.float64)
    group_of = torch.tensor([[-1, 0, 0, 2, -1], [1, 1, 1, 1, -1]])
    means = mean_by_group(values, group_of, 3)
    expected = torch.zeros(2, 3, 3, dtype=torch.float64)
    for row in range(2):
        for group in range(3):
            members = [values[row, t] for t in range(5) if group_of[row, t] == group]
            if members:
                expected[row, group] = torch.stack(members).mean(dim=0)
    torch.testing.assert_close(means.double(), expected, atol=1e-6, rtol=0)


def test_mean_by_group_accumulates_in_fp32() -> None:
    values = torch.full((1, 4000, 1), 1.001).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean = mean_by_group(values, torch.zeros(1, 4000, dtype=torch.long), 1)
    assert mean.dtype == torch.float32
    assert mean.item() == pytest.approx(1.0, abs=1e-4)  # sums of bf16 stop at 256


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def softmax(logits: list[float], temperature: float) -> list[float]:
    weights = [math.exp(x / temperature) for x in logits]
    return [w / sum(weights) for w in weights]


def test_divergences() -> None:
    first, second = [1.0, -2.0], [0.5, 3.0]
    p, q = softmax(first, 5), softmax(second, 5)
    assert safe_kl(torch.tensor(first), torch.tensor(second), 5).item() == pytest.approx(kl(p, q), abs=1e-6)
    expected = 0.5 * (kl(p, q) + kl(q, p))
    for stop in (False, True):
        found = symmetric_kl(torch.tensor(first), torch.tensor(second), 5, stop).item()
        assert found == pytest.approx(expected, abs=1e-6)


def test_divergence_of_extreme_half_precision_logits() -> None:
    first = torch.tensor([200.0, -200.0], dtype=torch.bfloat16, requires_grad=True)
    value = symmetric_kl(first, -first.detach())
    torch.autograd.backward(value)
    assert value.isfinite()
    assert first.grad is not None
    assert first.grad.isfinite().all()


def test_stopped_gradients_move_second_arguments_only() -> None:
    teacher = torch.tensor([1.0, -1.0], dtype=torch.float64, requires_grad=True)
    student = torch.tensor([0.2, 0.5], dtype=torch.float64, requires_grad=True)
    torch.autograd.backward(symmetric_kl(teacher, student, 5, stop=True))

    def directed(fixed: Tensor, moved: Tensor) -> Tensor:
        p, q = torch.softmax(fixed.detach() / 5, -1), torch.softmax(moved / 5, -1)
        return 0.5 * (p * (p / q).log()).sum()

    for found, (fixed, moved) in ((student, (teacher, student)), (teacher, (student, teacher))):
        again = moved.detach().clone().requires_grad_()
        torch.autograd.backward(directed(fixed, again))
        assert found.grad is not None
        assert again.grad is not None
        torch.testing.assert_close(found.grad, again.grad, atol=1e-6, rtol=0)


@pytest.mark.parametrize("edges", ["near", "complete"])
@pytest.mark.parametrize("kind", ["gcn", "gat", "lstm", "none"])
def test_clause_encoders_ignore_padding_and_train_all_weights(
    kind: ClauseEncoderKind, edges: ClauseEdges
) -> None:
    torch.manual_seed(0)
    encoder = make_clause_encoder(8, ClauseSettings(kind, edges)).eval()
    nodes = torch.randn(2, 6, 8)
    mask = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    output = encoder(nodes, mask)
    alone = encoder(nodes[1:, :3], mask[1:, :3])
    torch.testing.assert_close(output[1, :3], alone[0], atol=1e-6, rtol=0)
    nodes[1, 3:] = 99.0
    torch.testing.assert_close(encoder(nodes, mask)[1, :3], alone[0], atol=1e-6, rtol=0)
    if list(encoder.parameters()):
        encoder(nodes, mask)[mask].square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


def test_gcn_formula_of_the_complete_graph() -> None:
    """h + ELU(D^-1/2 A D^-1/2 h W + b): a fully connected graph averages."""
    torch.manual_seed(0)
    encoder = GraphClauseEncoder(4, ClauseSettings("gcn", "complete")).double().eval()
    nodes = torch.randn(1, 3, 4, dtype=torch.float64)
    weights = dict(encoder.named_parameters())
    update = (nodes @ weights["layer.layer.lin.weight"].T).mean(dim=1, keepdim=True)
    expected = nodes + torch.nn.functional.elu(update + weights["layer.layer.bias"])
    torch.testing.assert_close(encoder(nodes, torch.ones(1, 3, dtype=torch.bool)), expected)


def test_gcn_formula_node_by_node() -> None:
    """h_i + ELU(W_0 h_i + b + sum_r W_r mean_j a_{r,|i-j|} h_j), with the question as node 0."""
    torch.manual_seed(0)
    encoder = GraphClauseEncoder(4, ClauseSettings("gcn", "near", window=2)).double().eval()
    assert isinstance(encoder.layer, RelationalGCN)
    torch.nn.init.normal_(encoder.layer.distances)
    nodes, size = torch.randn(6, 4, dtype=torch.float64), 6
    w = [p for name, p in encoder.layer.named_parameters() if name.startswith("relations")]
    a = encoder.layer.distances
    expected = []
    for i in range(size):
        update = encoder.layer.itself(nodes[i])
        if i > 0:
            update = update + w[0] @ nodes[0]
            for relation, sign in ((2, -1), (3, 1)):
                near = [i + sign * d for d in (1, 2) if 1 <= i + sign * d < size]
                for j in near:
                    update = update + w[relation] @ (a[relation - 2, abs(i - j) - 1] * nodes[j]) / len(near)
        else:
            update = update + w[1] @ nodes[1:].mean(dim=0)
        expected.append(nodes[i] + torch.nn.functional.elu(update))
    found = encoder(nodes[None], torch.ones(1, size, dtype=torch.bool))[0]
    torch.testing.assert_close(found, torch.stack(expected))


def spread(kind: ClauseEncoderKind, edges: ClauseEdges) -> float:
    """Largest standard deviation over the clauses of what the layer adds, beside the mean size of that."""
    torch.manual_seed(0)
    encoder = GraphClauseEncoder(64, ClauseSettings(kind, edges)).eval()
    nodes, mask = torch.randn(1, 16, 64), torch.ones(1, 16, dtype=torch.bool)
    same = nodes.clone()
    same[:, 1:] = nodes[:, 5:6]  # what a node gains from the others alone: all have one and the same vector
    same[:, 3] = nodes[:, 3]
    with torch.no_grad():
        added = encoder.layer(same, mask)[0, 4:]
    return float(added.std(dim=0).max() / added.abs().mean())


@pytest.mark.parametrize("kind", ["gcn", "gat"])
def test_near_edges_tell_clauses_apart_and_complete_ones_do_not(kind: ClauseEncoderKind) -> None:
    """All clauses but one are alike: context must tell the neighbours of that one from the others."""
    assert spread(kind, "complete") < 1e-6
    assert spread(kind, "near") > 0.05


def test_clause_encoder_choices() -> None:
    with pytest.raises(ZooError, match="gcn, gat, gated-gat, lstm, none"):
        make_clause_encoder(8, ClauseSettings("cnn"))  # type: ignore[arg-type]
    with pytest.raises(ZooError, match="4 heads divide"):
        make_clause_encoder(6, ClauseSettings("gat"))
    with pytest.raises(ZooError, match=r"clause_encoder\.window to be at least 1, but got 0"):
        make_clause_encoder(8, ClauseSettings("gcn", window=0))


def test_corrupted_tokens() -> None:
    torch.manual_seed(0)
    tokens = torch.arange(10, 20).repeat(400, 1)
    allowed = torch.arange(10).expand_as(tokens) >= 2
    chosen = (torch.arange(10) == 5).expand_as(tokens)
    plain = torch.tensor([77, 78])
    result, masked = corrupt(tokens, chosen, allowed, 0.15, 4, plain)
    assert torch.equal(result[:, :2], tokens[:, :2])  # question and special tokens stay
    assert (result[:, 5] == 4).all()  # a clue always becomes [MASK]
    drawn = masked & ~chosen
    share = drawn.float().sum() / (400 * 7)
    assert share.item() == pytest.approx(0.15, abs=0.02)
    kinds = result[drawn]
    assert (kinds == 4).float().mean().item() == pytest.approx(0.8, abs=0.05)
    assert torch.isin(kinds, plain).float().mean().item() == pytest.approx(0.1, abs=0.04)
    assert torch.equal(result[~masked], tokens[~masked])
    plainly, masked = corrupt(tokens, chosen, allowed, 0.15, 4, plain, "mask")
    assert (plainly[masked] == 4).all()
    assert corrupt(tokens, ~allowed & False, allowed, 0.0, 4, plain)[1].sum() == 0


def test_reductions() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 99.0], [5.0, 7.0]])
    real = torch.tensor([[True, True], [True, False], [True, True]])
    kinds = torch.tensor([0, 0, 3])
    assert mean_over_questions(values, real, kinds, 4).item() == 2.0 + 6.0
    assert mean_over_questions(values, real, kinds, 4, "mean").item() == pytest.approx(18 / 5)
    assert mean_over_questions(values, real, kinds, 4, "sum").item() == 18.0
    assert masked_mean(values, torch.zeros_like(real)).item() == 0.0


def test_parameter_groups_hold_each_parameter_once() -> None:
    inner = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    outer = torch.nn.ModuleList([inner, torch.nn.Linear(3, 1)])
    outer[1].bias.requires_grad_(False)  # type: ignore[union-attr,operator]
    groups = parameter_groups([(inner, 0.1), (outer, 0.2)], 0.01)
    found = [(g["lr"], g["weight_decay"], sum(p.numel() for p in g["params"])) for g in groups]
    assert found == [(0.1, 0.01, 6), (0.1, 0.0, 9), (0.2, 0.01, 3)]


def test_parameter_groups_spare_embeddings_biases_and_norms() -> None:
    table = torch.nn.Embedding(4, 3)
    tied = torch.nn.Linear(3, 4, bias=False)
    tied.weight = table.weight
    inner = torch.nn.ModuleList([table, torch.nn.Linear(3, 3), torch.nn.LayerNorm(3)])
    modules = torch.nn.ModuleList([tied, inner])
    names = {id(p): name for name, p in modules.named_parameters()}
    groups = parameter_groups([(tied, 0.1), (modules, 0.2)], 0.01)  # the table is first met as a matrix
    found = [(g["lr"], g["weight_decay"], [names[id(p)] for p in g["params"]]) for g in groups]
    assert found == [
        (0.1, 0.0, ["0.weight"]),
        (0.2, 0.01, ["1.1.weight"]),
        (0.2, 0.0, ["1.1.bias", "1.2.weight", "1.2.bias"]),
    ]


@pytest.mark.parametrize("schedule", ["linear", "constant", "halve"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_gradients_are_clipped_in_16_bits(schedule: Any, precision: Any) -> None:
    trainer = SimpleNamespace(max_epochs=5, max_steps=-1, estimated_stepping_batches=10)
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    module: Any = SimpleNamespace(trainer=trainer)
    made = make_optimiser(
        module,
        OptimiserSettings(lr=1.0, warmup_share=0.0, schedule=schedule),
        torch.nn.ParameterList([weight]),
    )
    MixedPrecision(precision, "cpu").clip_gradients(made["optimizer"], 1.0)
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.8]))


@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_the_rate_rises_and_then_falls_or_stays(schedule: Any) -> None:
    trainer = SimpleNamespace(max_epochs=5, max_steps=-1, estimated_stepping_batches=10)
    weight = torch.nn.Parameter(torch.zeros(2))
    module: Any = SimpleNamespace(trainer=trainer)
    settings = OptimiserSettings(lr=1.0, warmup_share=0.2, schedule=schedule)
    made = make_optimiser(module, settings, torch.nn.ParameterList([weight]))
    rates = []
    for _ in range(10):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    after = [1.0] * 8 if schedule == "constant" else [(10 - step) / 8 for step in range(2, 10)]
    assert rates == pytest.approx([0.0, 0.5, *after])
