"""TransECPE's states, losses and greedy parse against loops, and its switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document, Pair, document_from_texts
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.transition_parser import Parser
from ecpe_zoo.methods.transecpe import TransECPE
from ecpe_zoo.options import EncoderSettings, PairSettings, ReadingSettings
from ecpe_zoo.text.transformer_encoder import TransformerEncoder
from ecpe_zoo.text.transitions import LEFT_LT, MIRROR, RIGHT_LT, START, State, States, oracle

SMALL = EncoderSettings("embedded", 16, heads=2, dropout=0.0)


def built(documents: Sequence[Document] | None = None, **options: Any) -> tuple[TransECPE, list[Document]]:
    torch.manual_seed(0)
    some = list(load_corpus("bundled-ecpe").train[:8] if documents is None else documents)
    method = TransECPE(SMALL, **({"dropout": 0.0} | options))
    method.build_from(some)
    return method, some


def document(id: str, size: int, *pairs: Pair) -> Document:
    texts = [f"{id} clause {n}" for n in range(size)]
    return document_from_texts(id, texts, pairs=pairs, language="en")


def parses(method: TransECPE, documents: Sequence[Document]) -> list[Prediction]:
    method.eval()
    with torch.no_grad():
        return method.decode(method.collator(False)(documents))


def steps(lstm: nn.LSTM, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Outputs of an LSTM by its equations."""
    h = c = torch.zeros(lstm.hidden_size, dtype=inputs[0].dtype)
    of_input, of_state, bias, other_bias = lstm.parameters()
    found = []
    for x in inputs:
        gates = of_input @ x + of_state @ h + bias + other_bias
        i, f, g, o = gates.chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        found.append(h)
    return found


def by_hand(parser: Parser, clauses: Tensor, state: State, taken: Sequence[int], mirrored: bool) -> Tensor:
    """Logits (5,) of one state of one document, from clauses (n, H)."""
    assert parser.stack is not None
    assert parser.mirrored_stack is not None
    assert parser.buffer is not None
    assert parser.buffer_gates is not None
    assert parser.history is not None
    assert parser.actions is not None
    assert parser.distances is not None
    stack = [clauses[index] for index in state.stack]
    if mirrored:
        backward = steps(parser.mirrored_stack, stack[::-1])
        tops = [backward[0], backward[1]]  # s0, s1
    else:
        onward = steps(parser.stack, stack)
        tops = [onward[-2], onward[-1]]
    buffer = list(range(state.first, state.size))
    if not buffer:
        top = state.stack[-1]
        buffer = [top + 1 if top < state.size - 1 else top]
    i, g, o = (parser.buffer_gates.weight @ clauses[buffer[0]] + parser.buffer_gates.bias).chunk(3)
    onward_buffer = torch.sigmoid(o) * torch.tanh(torch.sigmoid(i) * torch.tanh(g))
    backward_buffer = steps(parser.buffer, [clauses[index] for index in buffer[::-1]])[-1]
    history = steps(parser.history, [parser.actions.weight[action] for action in (START, *taken)])[-1]
    distance = parser.distances.weight[abs(state.stack[-1] - state.stack[-2])]
    features = torch.cat([*tops, onward_buffer, backward_buffer, history, distance])
    logits: Tensor = parser.action_head(features[None])[0]
    return logits


SIZES = (7, 2, 4)
GOLD: tuple[set[Pair], ...] = ({(2, 1), (4, 5), (6, 6)}, {(0, 1)}, {(3, 0)})


def test_states_equal_a_reading_of_stack_and_buffer() -> None:
    torch.manual_seed(0)
    parser = Parser(8, False, True, None, True, True, True, True, "layer", True, 0.0).double()
    clauses = torch.randn(3, 7, 8).double()
    mask = torch.arange(7) < torch.tensor(SIZES)[:, None]
    oracles = [oracle(size, pairs) for size, pairs in zip(SIZES, GOLD, strict=True)]
    listed = [(b, step, state) for b, parse in enumerate(oracles) for step, (state, _) in enumerate(parse)]
    taken = [[action for _, action in parse] for parse in oracles]
    states = States.build(listed, [actions[:-1] for actions in taken])
    _, read, buffers = parser.read(clauses, mask)
    found = parser(read, buffers, states)
    expected = torch.stack(
        [
            by_hand(parser, clauses[b], state, taken[b][:step], mirrored)
            for mirrored in (False, True)
            for b, step, state in listed
        ]
    )
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)
    parser.eval()
    torch.testing.assert_close(parser(read, buffers, states), found[: len(listed)])


def test_losses_are_means_over_clauses_and_over_states_with_their_mirrors() -> None:
    method, documents = built()
    batch = method.collator(True)(documents)
    with torch.no_grad():
        (own, actions), losses = method(batch), method.losses(batch)
    terms = []
    for row, document in enumerate(documents):
        for n in range(len(document)):
            p = float(torch.sigmoid(own[row, n].double()))
            terms.append(-np.log(p if (n, n) in (document.pairs or ()) else 1 - p))
    assert float(losses["self_pair"]) == pytest.approx(np.mean(terms), rel=1e-5)
    gold = [action for d in documents for _, action in oracle(len(d), d.pairs or ())]
    gold += [MIRROR[action] for action in gold]
    chances = torch.softmax(actions.double(), dim=1).tolist()
    expected = np.mean([-np.log(row[action]) for row, action in zip(chances, gold, strict=True)])
    assert float(losses["action"]) == pytest.approx(expected, rel=1e-5)


def test_the_parse_is_greedy_and_scores_tell_what_it_holds() -> None:
    method, documents = built(pairs=PairSettings(prior=False))
    for head in (method.heads.action_head, method.heads.self_head):
        head.get_parameter("8.weight").data.mul_(8)  # so that all actions occur
    held = 0
    for prediction, document in zip(parses(method, documents), documents, strict=True):
        rows = method.collator(False)([document]).rows
        with torch.no_grad():
            own, clauses, _ = method.heads.read(method.encoder(rows).clauses, rows.segment_mask)
        chances = torch.sigmoid(own[0]).tolist()
        pairs = {(n, n): p for n, p in enumerate(chances) if p > 0.5}
        emotions = {n for n, _ in pairs}
        state, taken = State.start(len(document)), list[int]()
        while not state.done:
            with torch.no_grad():
                found = torch.softmax(by_hand(method.heads, clauses[0], state, taken, False), 0)
            action = int(found.argmax())
            second = float(found.sort().values[-2])
            s1, s0 = state.stack[-2:]
            if action in (LEFT_LT, RIGHT_LT):
                pair = (s1, s0) if action == LEFT_LT else (s0, s1)
                pairs[pair] = float(found[action]) / (float(found[action]) + second)
                held += 1
            if (declared := state.declared(action)) is not None:
                emotions.add(declared[0])
            taken.append(action)
            state = state.after(action)
        scores = prediction.scores["pair"]
        assert {(e, c) for e, c in np.argwhere(scores > 0.5).tolist()} == set(pairs)
        assert all(scores[pair] == pytest.approx(score, abs=1e-5) for pair, score in pairs.items())
        assert not (scores * (1 - np.eye(len(document))))[scores < 0.5].any()
        assert set(np.flatnonzero(prediction.scores["emotion"] > 0.5).tolist()) == emotions
    assert held > 3


@pytest.mark.parametrize(
    "options",
    [
        {"recurrent": False},
        {"recurrent": False, "buffer": False, "history": False, "reversal": False},
        {"buffer": False},
        {"history": False},
        {"reversal": False},
        {"norm": "batch"},
        {"train_tables": False},
        {"pairs": PairSettings(position=False, window=1)},
        {"reading": ReadingSettings("document", "mean")},
    ],
    ids=str,
)
def test_every_switch_trains_all_that_it_has(options: dict[str, Any]) -> None:
    method, documents = built(**options)
    method.train()
    torch.stack(list(method.losses(method.collator(True)(documents)).values())).sum().backward()
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and "key.bias" not in name:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name
    fixed = {name for name, p in method.heads.named_parameters() if not p.requires_grad}
    tables = {"actions.weight", "distances.weight"}
    assert fixed == (tables if options.get("train_tables") is False else set())
    alone = parses(method, documents[:1])[0]
    together = parses(method, documents)[0]
    np.testing.assert_allclose(alone.scores["pair"], together.scores["pair"], atol=1e-5)


def test_reversal_doubles_the_states() -> None:
    for reversal in (True, False):
        method, documents = built(reversal=reversal)
        batch = method.collator(True)(documents)
        assert batch.actions is not None
        assert len(method(batch)[1]) == len(batch.actions) * (1 + reversal)


def test_no_pair_of_the_parse_is_wider_than_the_window() -> None:
    some = [document("d", 6, (5, 0), (5, 4))]
    for window, most in ((None, 5), (2, 2)):
        method, _ = built(some, pairs=PairSettings(window=window, prior=False))
        bias = method.heads.action_head.get_parameter("8.bias")
        bias.data[[LEFT_LT, RIGHT_LT]] += 100.0  # pairs wherever they are allowed
        scores = parses(method, some)[0].scores["pair"]
        offsets = [abs(e - c) for e, c in np.argwhere(scores > 0.5).tolist() if e != c]
        assert max(offsets) == most
        assert all(loss.isfinite() for loss in method.losses(method.collator(True)(some)).values())


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_one_clause_and_no_pairs(norm: str) -> None:
    documents = [document("a", 1, (0, 0)), document("b", 1), document("c", 2), document("e", 6)]
    method, _ = built(documents, norm=norm)
    method.start(documents)
    for some in (documents, documents[:1], documents[:2], documents[2:3]):
        method.train()
        method.zero_grad()
        losses = method.losses(method.collator(True)(some))
        torch.stack(list(losses.values())).sum().backward()
        # two processes wait for the gradient of each parameter
        assert all(p.grad is not None and p.grad.isfinite().all() for p in method.heads.parameters())
        for prediction, document_ in zip(parses(method, some), some, strict=True):
            assert prediction.scores["pair"].shape == (len(document_), len(document_))


def test_the_prior_is_the_share_of_each_action() -> None:
    method, documents = built()
    method.start(documents)
    gold = [action for d in documents for _, action in oracle(len(d), d.pairs or ())]
    counts = [1 + sum((a == n) + (MIRROR[a] == n) for a in gold) for n in range(5)]
    bias = method.heads.action_head.get_parameter("8.bias")
    assert torch.softmax(bias, 0).tolist() == pytest.approx([c / sum(counts) for c in counts], rel=1e-5)
    own = sum(e == c for d in documents for e, c in d.pairs or ())
    share = float(torch.sigmoid(method.heads.self_head.get_parameter("8.bias").detach()))
    assert share == pytest.approx(own / sum(map(len, documents)), rel=1e-5)


def test_the_released_decoding_can_be_limited() -> None:
    method, documents = built(pairs=PairSettings(top=1, force_first=True))
    for prediction in parses(method, documents):
        assert (prediction.scores["pair"] > 0).sum() == 1
        assert prediction.scores["pair"].max() == 1


def test_clauses_that_are_not_read_are_not_parsed() -> None:
    method, documents = built(reading=ReadingSettings("document", "mean"))
    method.documents.max_tokens = 9  # room for three clauses of one token
    batch = method.collator(True)(documents)
    assert batch.states is not None
    assert int(batch.states.stack.max()) == 2
    assert all(loss.isfinite() for loss in method.losses(batch).values())
    for document_, prediction in zip(documents, parses(method, documents), strict=True):
        assert prediction.scores["pair"].shape == (len(document_), len(document_))
        assert not prediction.scores["pair"][3:].any()
        assert not prediction.scores["emotion"][3:].any()


def test_the_pooler_starts_from_the_encoders_and_has_its_rate() -> None:
    method, _ = built()
    encoder = method.encoder.encoder
    assert isinstance(encoder, TransformerEncoder)
    encoder.pooler_start = torch.rand(16, 16), torch.rand(16)
    pooler = method.make_heads(16).pooler
    assert pooler is not None
    torch.testing.assert_close(pooler.weight.data, encoder.pooler_start[0])
    torch.testing.assert_close(pooler.bias.data, encoder.pooler_start[1])
    clauses, mask = torch.randn(1, 3, 16), torch.ones(1, 3, dtype=torch.bool)
    pooler = method.heads.pooler
    assert pooler is not None
    expected = torch.tanh(F.linear(clauses, pooler.weight, pooler.bias))
    torch.testing.assert_close(method.heads.read(clauses, mask)[1], expected)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ZooError, match=r"--model\.norm"):
        TransECPE(norm="none")  # type: ignore[arg-type]
