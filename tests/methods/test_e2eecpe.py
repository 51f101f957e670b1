"""E2EECPE against direct transcriptions of the paper's formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.clause_cnn import KERNELS, ClauseCNN
from ecpe_zoo.layers.links import link_loss, position_weights
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.options import EncoderSettings, PairSettings
from ecpe_zoo.text.document_rows import DocumentRows

SMALL = {"name": "embedded", "size": 8, "heads": 2, "dropout": 0.0}

DOCUMENTS = [
    document_from_texts(
        "a", ["he lost his old dog", "so", "he cried all night long and more"], pairs=[(2, 0)]
    ),
    document_from_texts(
        "b", ["she won", "the prize of the whole town", "she is glad", "very"], pairs=[(2, 0), (2, 1)]
    ),
    document_from_texts("c", ["rain fell"], pairs=[(0, 0)]),
]


def built(**arguments: Any) -> E2EECPE:
    torch.manual_seed(0)
    method = E2EECPE(**({"word_width": 6, "filters": 3, "hidden": 5, "node": 4} | arguments))
    method.vocabulary = method.make_vocabulary(DOCUMENTS)
    method._build(from_checkpoint=False)
    method.eval()
    return method if arguments.get("encoder") else method.double()  # clause vectors of encoders are fp32


def test_the_clause_network_is_a_convolution_over_each_clause_alone() -> None:
    torch.manual_seed(0)
    network = ClauseCNN(6, 3).double()
    torch.nn.init.normal_(network.bias)
    clauses = [torch.randn(size, 6, dtype=torch.double) for size in (5, 9, 6)]
    found = network(torch.cat(clauses), torch.tensor([5, 9, 6]))
    expected = []
    for clause in clauses:
        features, first = [], 0
        for number, kernel in enumerate(KERNELS):
            rows = network.taps.weight[first * 3 : (first + kernel) * 3]  # (kernel x filters, width)
            weight = rows.reshape(kernel, 3, 6).permute(1, 2, 0)  # as Conv1d has it: (filters, width, kernel)
            bias = network.bias[3 * number : 3 * number + 3]
            features.append(F.relu(F.conv1d(clause.T[None], weight, bias)).amax(2)[0])
            first += kernel
        expected.append(torch.cat(features))
    torch.testing.assert_close(
        found, torch.stack(expected), rtol=0, atol=1e-6
    )  # the maximum is taken in fp32


def test_position_weights_entry_by_entry() -> None:
    weights = position_weights(torch.tensor([3, 5]), 5).double()
    for b, n in enumerate((3, 5)):
        for p in range(5):
            for q in range(5):
                true = (n - abs(p - q - 1) + 1) / (n + 1) if p < n and q < n else 0.0
                assert weights[b, p, q] == pytest.approx(true)
    assert weights[1, 2, 1] == 1  # the cause just before its emotion


def test_the_link_formula() -> None:
    """M = sigmoid((W z^e + b)^T z^c) A, with rows for emotions and columns for causes."""
    method = built()
    batch = method.collator(True)(DOCUMENTS)
    captured: dict[str, Tensor] = {}
    method.projections.register_forward_hook(lambda _module, _inputs, output: captured.update(z=output))
    outputs = method(batch)
    z_e, z_c, f_e, f_c = F.relu(captured["z"]).split(4, dim=-1)
    weights = position_weights(torch.tensor([3, 4, 1]), 4)
    W, b = method.link.weight, method.link.bias
    for d, n in enumerate((3, 4, 1)):
        for p in range(n):
            for q in range(n):
                m = torch.sigmoid((W @ z_e[d, p] + b) @ z_c[d, q]) * weights[d, p, q]
                assert float(outputs.pair[d, p, q].detach()) == pytest.approx(float(m.detach()), abs=1e-6)
    torch.testing.assert_close(outputs.emotion.double(), method.emotion_head(f_e), atol=1e-6, rtol=0)
    torch.testing.assert_close(outputs.cause.double(), method.cause_head(f_c), atol=1e-6, rtol=0)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_losses_entry_by_entry(masked: bool, reduction: str) -> None:
    method = built(masked=masked, reduction=reduction, beta=0.7)
    batch = method.collator(True)(DOCUMENTS)
    outputs, losses = method(batch), method.losses(batch)
    sizes = [3, 4, 1]
    pair: list[Tensor] = []
    emotion: list[Tensor] = []
    cause: list[Tensor] = []
    for d, document in enumerate(DOCUMENTS):
        gold = document.pairs or frozenset()
        n = sizes[d] if masked else 4
        for p in range(n):
            for name, into, place in (("emotion", emotion, 0), ("cause", cause, 1)):
                label = int(any(pair_[place] == p for pair_ in gold))
                into.append(-torch.log_softmax(getattr(outputs, name)[d, p].double(), 0)[label])
            for q in range(n):
                m = outputs.pair[d, p, q].double()
                pair.append(-torch.log(m) if (p, q) in gold else -torch.log(1 - m))
    combine = (
        (lambda rows: torch.stack(rows).sum() / 3)
        if reduction == "sum"
        else (lambda rows: torch.stack(rows).mean())
    )
    expected = {"pair": combine(pair), "emotion": 0.7 * combine(emotion), "cause": 0.7 * combine(cause)}
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name].double(), value, atol=1e-6, rtol=1e-6)


def test_batch_mates_change_nothing() -> None:
    method = built().float()
    collate = method.collator(False)
    together = {p.id: p for p in method.decode(collate(DOCUMENTS))}
    for document in DOCUMENTS:
        (alone,) = method.decode(collate([document]))
        for name, scores in alone.scores.items():
            torch.testing.assert_close(
                torch.tensor(scores), torch.tensor(together[document.id].scores[name]), atol=1e-5, rtol=0
            )


def test_switches_of_the_ablations() -> None:
    bare = built(auxiliary=False)
    batch = bare.collator(True)(DOCUMENTS)
    assert set(bare.losses(batch)) == {"pair"}
    assert set(bare.decode(batch)[0].scores) == {"pair"}
    free = built(position=False)
    outputs = free(batch)
    assert outputs.pair[0, :3, :3].min() > 0
    assert outputs.pair[2, 1:].abs().sum() == 0  # padding


def test_vectors_are_read_and_travel_in_the_checkpoint(tmp_path: Any) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("2 3\nhe 1 0 0\ndog 0 1 0\n", encoding="utf-8")
    trained = E2EECPE(vectors=str(path), filters=2, hidden=3, node=2)
    trained.build_from(DOCUMENTS)
    assert trained.embedding.weight.requires_grad
    method = E2EECPE(vectors=str(path), freeze_vectors=True, filters=2, hidden=3, node=2)
    method.vocabulary = method.make_vocabulary(DOCUMENTS)
    method._build(from_checkpoint=False)
    assert method.vocabulary == ["he", "dog"]
    assert not method.embedding.weight.requires_grad
    assert method.embedding.weight.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]]
    path.unlink()  # from here on the file is not needed
    again = E2EECPE(vectors=str(path), filters=2, hidden=3, node=2)
    checkpoint: dict[str, Any] = {}
    method.on_save_checkpoint(checkpoint)
    again.on_load_checkpoint(checkpoint)
    again.load_state_dict(method.state_dict())
    assert again.embedding.weight.tolist() == method.embedding.weight.tolist()


def bound(weight: Tensor) -> float:
    return float(weight.detach().abs().max())


@pytest.mark.parametrize("initialisation", ["he", "xavier"])
def test_initial_bounds_are_those_of_the_released_shapes(initialisation: str) -> None:
    """Largest entries of the paper's widths, against the bounds of torch for the layers of the released code."""
    torch.manual_seed(0)
    method = E2EECPE(filters=75, initialisation=initialisation)  # type: ignore[arg-type]
    method.build_from(DOCUMENTS)
    he = initialisation == "he"

    def expected(fan_in: int, fan_out: int) -> float:
        return float((6 / fan_in) ** 0.5 if he else (6 / (fan_in + fan_out)) ** 0.5)

    taps = method.clause_encoder.taps.weight.split([kernel * 75 for kernel in KERNELS])
    for kernel, piece in zip(KERNELS, taps, strict=True):  # Conv2d(1, 75, (kernel, 200))
        assert bound(piece) == pytest.approx(expected(kernel * 200, 75 * kernel * 200), rel=1e-3)
    assert bound(method.projections.weight) == pytest.approx(expected(600, 200), rel=1e-3)  # two layers
    assert isinstance(method.document_encoder.weight_ih_l0, Tensor)
    assert bound(method.document_encoder.weight_ih_l0) == pytest.approx(expected(300, 1200), rel=1e-3)
    if he:
        assert bound(method.link.weight) == pytest.approx((6 / 100) ** 0.5, rel=1e-2)
        assert bound(method.link.bias) == pytest.approx(0.1, rel=5e-2)
    else:  # one matrix (101, 100): the bias is its last row
        assert bound(method.link.weight) == pytest.approx((6 / 201) ** 0.5, rel=1e-2)
        assert bound(method.link.bias) == pytest.approx((6 / 201) ** 0.5, rel=5e-2)
    assert float(method.embedding.weight[0].detach().abs().sum()) == 0


def test_he_and_xavier_differ() -> None:
    he, xavier = built(), built(initialisation="xavier")
    assert bound(he.link.weight) > (6 / (4 + 4)) ** 0.5 > bound(xavier.link.weight)


GRID = torch.tensor([-200.0, -40.0, -17.0, -3.0, 0.0, 0.5, 17.0, 40.0, 200.0])
WEIGHTS = torch.tensor([1 / 76, 0.3, 0.9, 1.0])


@pytest.mark.parametrize("gold", [True, False])
def test_link_loss_in_high_precision(gold: bool) -> None:
    """Values and gradients against closed forms in fp64, far beyond the logits at which fp32 probabilities round."""
    links = GRID[:, None].expand(-1, len(WEIGHTS)).clone().requires_grad_()
    loss = link_loss(links, WEIGHTS.expand_as(links), torch.full_like(links, gold))
    loss.sum().backward()
    m, a = GRID.double()[:, None], WEIGHTS.double()
    odds = torch.exp(-m)  # (1 - s) / s
    if gold:  # -log(s A); its gradient is -(1 - s)
        value, gradient = torch.log1p(odds) - a.log(), -odds / (1 + odds)
        far = (-m - a.log()).expand_as(value)
        value = torch.where(m < -100, far, value)
        gradient = torch.where(m < -100, torch.full_like(gradient, -1.0), gradient).expand_as(value)
    else:  # -log(1 - A s) = log(1 + odds) - log(1 - A + odds); gradient A s (1 - s) / (1 - A s)
        value = torch.log1p(odds) - torch.log(1 - a + odds)
        gradient = a * odds / ((1 + odds) * (1 - a + odds))
        value = torch.where(m < -100, torch.zeros(()).double(), value)
        gradient = torch.where(m < -100, torch.zeros(()).double(), gradient)
    assert links.grad is not None
    torch.testing.assert_close(loss.double(), value, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(links.grad.double(), gradient, rtol=1e-5, atol=1e-7)


def test_link_loss_is_binary_cross_entropy_where_that_is_exact() -> None:
    torch.manual_seed(0)
    links = (3 * torch.randn(2, 5, 5).double()).requires_grad_()
    weights = position_weights(torch.tensor([5, 3]), 5).double()
    pairs = torch.zeros(2, 5, 5).double()
    pairs[0, 2, 1] = pairs[1, 1, 1] = 1
    found = link_loss(links, weights, pairs)
    plain = F.binary_cross_entropy(torch.sigmoid(links) * weights, pairs, reduction="none")
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(found.sum(), links)
    (expected,) = torch.autograd.grad(plain.sum(), links)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)


def test_embeddings_do_not_decay() -> None:
    """A word that no document of the step holds keeps its vector; all else decays, biases included."""
    method = built(optimiser={"weight_decay": 0.1}).float().train()
    collated = method.collator(True)([DOCUMENTS[2]])  # "rain fell"
    optimizer = method.configure_optimizers()
    before = method.embedding.weight.detach().clone()
    torch.stack(list(method.losses(collated).values())).sum().backward()
    optimizer.step()
    seen = set(collated.words.tolist()) - {0}
    moved = {row for row in range(len(before)) if not torch.equal(before[row], method.embedding.weight[row])}
    assert moved == seen
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert all(
        decays[id(p)] == (0.1 if p is not method.embedding.weight else 0.0) for p in method.parameters()
    )


def test_smoothing_must_be_above_zero() -> None:
    with pytest.raises(ZooError, match=r"smoothing to be above 0, but got 0"):
        E2EECPE(smoothing=0)


def test_bf16_stays_finite() -> None:
    method = built().float().train()
    batch = method.collator(True)(DOCUMENTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = method.losses(batch)
    assert all(value.dtype == torch.float32 and value.isfinite() for value in losses.values())


def test_documents_know_their_slots() -> None:
    document = Document("x", DOCUMENTS[0].segments)
    assert built().tokens(document) == 5 + 5 + 7


def test_an_encoder_takes_the_place_of_words_and_cnn() -> None:
    """Its clause vectors, in one document pass, go through the same network."""
    method = built(encoder=SMALL, reading={"pool": "cls"})
    assert not {
        name for name, _ in method.named_parameters() if name.startswith(("embedding", "clause_encoder"))
    }
    assert method.encoder is not None
    batch = method.collator(True)(DOCUMENTS)
    assert isinstance(batch, DocumentRows)
    outputs = method(batch)
    for row, n in enumerate((3, 4, 1)):
        clauses = method.encoder(batch).clauses[row, :n]
        hidden = method.document_encoder(clauses[None])[0][0]
        link_e, link_c, tag_e, _ = F.relu(method.projections(hidden)).split(4, dim=-1)
        links = method.link(link_e) @ link_c.T
        torch.testing.assert_close(outputs.links[row, :n, :n], links, atol=1e-5, rtol=0)
        emotion = method.emotion_head(tag_e)
        torch.testing.assert_close(outputs.emotion[row, :n], emotion, atol=1e-5, rtol=0)
    assert method.tokens(DOCUMENTS[2]) == 4  # [CLS] rain fell [SEP]


@pytest.mark.parametrize("encoder", [None, SMALL])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_window_leaves_far_pairs_out_of_losses_and_predictions(
    encoder: dict[str, Any] | None, masked: bool, reduction: str
) -> None:
    method = built(encoder=encoder, pairs={"window": 1}, masked=masked, reduction=reduction)
    batch = method.collator(True)(DOCUMENTS)
    outputs, loss = method(batch), method.losses(batch)["pair"]
    terms = []
    for d, document in enumerate(DOCUMENTS):
        for p in range(len(document)):
            for q in range(len(document)):
                m = outputs.pair[d, p, q].double()
                if abs(p - q) > 1:
                    assert m == 0
                else:
                    terms.append(-torch.log(m) if (p, q) in (document.pairs or ()) else -torch.log(1 - m))
    entries = {("mean", True): len(terms), ("mean", False): 3 * 4 * 4}.get((reduction, masked), 3)
    torch.testing.assert_close(loss.double(), torch.stack(terms).sum() / entries, atol=1e-5, rtol=1e-5)
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


@pytest.mark.parametrize("encoder", [None, SMALL])
def test_the_decoding_of_other_pair_methods(encoder: dict[str, Any] | None) -> None:
    method = built(encoder=encoder, pairs={"top": 2, "force_first": True})
    for prediction in method.decode(method.collator(False)(DOCUMENTS)):
        pairs = prediction.scores["pair"]
        assert (pairs == 1).sum() >= 1
        assert (pairs > 0).sum() <= 2
    even = built(encoder=encoder, pairs={"position": False})
    assert (even(even.collator(False)(DOCUMENTS)).weights[0, :3, :3] == 1).all()


def test_pairs_at_their_defaults_change_no_weight() -> None:
    plain, given = built().state_dict(), built(pairs=PairSettings()).state_dict()
    assert plain.keys() == given.keys()
    assert all(torch.equal(plain[name], given[name]) for name in plain if name != "tuned_threshold")


def test_clauses_that_the_encoder_does_not_read_score_nothing() -> None:
    method = built(encoder=SMALL)
    method.documents.max_tokens = 9  # room for three clauses of one token
    predictions = method.decode(method.collator(False)(DOCUMENTS))
    assert [len(prediction.scores["pair"]) for prediction in predictions] == [3, 4, 1]
    assert not predictions[1].scores["pair"][3:].any()
    assert not predictions[1].scores["emotion"][3:].any()
    assert predictions[1].scores["emotion"][:3].all()


def test_gradients_are_clipped_in_16_bits() -> None:
    method = built()
    weights = [parameter for parameter in method.parameters() if parameter.requires_grad]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    MixedPrecision("bf16-mixed", "cpu").clip_gradients(method.configure_optimizers(), 1.0)
    norms = torch.stack([w.grad.double().norm() for w in weights if w.grad is not None])
    assert norms.norm() == pytest.approx(1, abs=1e-4)


def test_an_encoder_has_its_own_rate_under_adamw() -> None:
    method = built(encoder=SMALL, optimiser={"lr": 1e-3, "encoder_lr": 1e-5, "schedule": "halve"})
    rule = method.configure_optimizers()["optimizer"]
    assert isinstance(rule, torch.optim.AdamW)
    assert method.encoder is not None
    mine = {id(p) for p in method.encoder.encoder.parameters()}
    rates = {id(p): group["lr"] for group in rule.param_groups for p in group["params"]}
    assert rates == {id(p): 1e-5 if id(p) in mine else 1e-3 for p in method.parameters()}


def test_options_of_the_encoder_are_plain_and_travel(tmp_path: Path) -> None:
    method = built(encoder=EncoderSettings("embedded", 8, heads=2), hidden=4).float()
    assert isinstance(method.hparams.encoder, dict)
    assert method.hparams.encoder["vector_size"] == 200
    assert method.hparams.reading is method.hparams.pairs is None
    path = tmp_path / "m.ckpt"
    checkpoint = {"state_dict": method.state_dict(), "hyper_parameters": dict(method.hparams)}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint | {"pytorch-lightning_version": "2.6.0"}, path)
    again = load_method(path)
    for mine, other in zip(*(m.decode(m.collator(False)(DOCUMENTS)) for m in (method, again)), strict=True):
        torch.testing.assert_close(torch.tensor(mine.scores["pair"]), torch.tensor(other.scores["pair"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reading": {"pool": "cls"}}, "--model.reading of e2eecpe only with --model.encoder"),
        ({"encoder": "recurrent", "vectors": "w.txt"}, "Use --model.encoder.vectors"),
        ({"optimiser": {"encoder_lr": 1e-5}}, "without an encoder to have only lr and weight_decay"),
        ({"pairs": {"window": 0}}, "--model.pairs.window to be at least 1"),
        ({"encoder": {"nme": "x"}}, "but got nme"),
    ],
)
def test_options_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        E2EECPE(**arguments)
