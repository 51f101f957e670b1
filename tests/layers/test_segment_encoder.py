"""Vectors of clauses against one clause or document at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.layers.segment_encoder import Encoded, SegmentEncoder
from ecpe_zoo.options import EncoderSettings, Pooling, ReadAs, ReadingSettings
from ecpe_zoo.text.document_rows import DocumentCollator
from ecpe_zoo.text.encoders import make_encoder, make_encoder_vocabulary
from ecpe_zoo.text.token_encoder import TokenEncoder

TEXTS = [["he lost it", "so", "she was very very sad today"], ["one clause"], ["\u200b", "two more here"]]
DOCUMENTS = [
    Document(id=f"d{n}", language="en", segments=tuple(Segment(text) for text in texts), pairs=frozenset())
    for n, texts in enumerate(TEXTS)
]


def encoder_of(name: str = "embedded", **options: object) -> TokenEncoder:
    torch.manual_seed(0)
    given = {"size": 16, "heads": 2} if name == "embedded" else {"size": 16, "vector_size": 8}
    settings = EncoderSettings(name, **(given | options))  # type: ignore[arg-type]
    vocabulary = make_encoder_vocabulary(settings, [text for texts in TEXTS for text in texts], ())
    return make_encoder(settings, vocabulary, False)


def encode(documents: list[Document], encoder: SegmentEncoder) -> Encoded:
    token_encoder, reading = encoder.encoder, encoder.settings
    collator = DocumentCollator(token_encoder.tokenizer, token_encoder.max_tokens, reading.read)
    found: Encoded = encoder(collator(documents))
    return found


@pytest.mark.parametrize("name", ["embedded", "recurrent", "words"])
@pytest.mark.parametrize("read", ["document", "clause"])
@pytest.mark.parametrize("pool", ["mean", "cls", "attention"])
def test_padding_and_batch_mates_change_nothing(name: str, read: ReadAs, pool: Pooling) -> None:
    encoder = SegmentEncoder(encoder_of(name), ReadingSettings(read, pool)).eval()
    together = encode(DOCUMENTS, encoder)
    for row, document in enumerate(DOCUMENTS):
        alone = encode([document], encoder)
        n = len(document)
        torch.testing.assert_close(together.clauses[row, :n], alone.clauses[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(together.document[row], alone.document[0], rtol=0, atol=1e-5)
        assert not together.clauses[row, n:].any()


def rows_of(encoder: TokenEncoder, clauses: list[str]) -> tuple[Tensor, list[slice], Tensor]:
    """Hidden states (T, H) of one row, the place of each clause's tokens, and the types."""
    tokenizer = encoder.tokenizer
    ids: list[int] = []
    types: list[int] = []
    places = []
    for number, text in enumerate(clauses):
        own = tokenizer.encode(text) or [tokenizer.mask_id]
        places.append(slice(len(ids) + 1, len(ids) + 1 + len(own)))
        ids += [tokenizer.cls_id, *own, tokenizer.sep_id]
        types += [number % 2] * (len(own) + 2)
    tokens = torch.tensor([ids])
    hidden = encoder(tokens, torch.ones_like(tokens, dtype=torch.bool), torch.tensor([types]))[0]
    return hidden, places, torch.tensor(types)


@pytest.mark.parametrize("read", ["document", "clause"])
@pytest.mark.parametrize("pool", ["mean", "cls", "attention"])
def test_a_clause_is_pooled_from_its_own_tokens(read: ReadAs, pool: Pooling) -> None:
    encoder = SegmentEncoder(encoder_of(), ReadingSettings(read, pool)).eval()
    found = encode(DOCUMENTS, encoder)
    for row, texts in enumerate(TEXTS):
        groups = [texts] if read == "document" else [[text] for text in texts]
        expected = []
        for group in groups:
            hidden, places, _ = rows_of(encoder.encoder, group)
            for place in places:
                own = hidden[place]
                if pool == "cls":
                    expected.append(hidden[place.start - 1])
                elif pool == "mean":
                    expected.append(own.mean(0))
                else:
                    attention = encoder.attention
                    assert attention is not None
                    scores = torch.tanh(own @ attention.hidden.weight.T + attention.hidden.bias)
                    weights = torch.softmax(scores @ attention.score.weight[0], dim=0)
                    expected.append((weights[:, None] * own).sum(0))
        torch.testing.assert_close(found.clauses[row, : len(texts)], torch.stack(expected), atol=1e-5, rtol=0)


def test_a_long_document_is_cut_evenly_and_never_by_gold() -> None:
    collator = DocumentCollator(encoder_of().tokenizer, 20, "document")
    lengths = [len(clause) for clause in collator.clauses(DOCUMENTS[0])]
    whole = [len(encoder_of().tokenizer.encode(text)) for text in TEXTS[0]]
    assert sum(lengths) + 2 * len(lengths) <= 20
    assert lengths == [min(length, max(lengths)) for length in whole]
    batch = collator(DOCUMENTS)
    assert batch.cut[0] == sum(kept < length for kept, length in zip(lengths, whole, strict=True))
    assert batch.sizes == (3, 1, 2)


def test_clauses_that_do_not_fit_are_not_read() -> None:
    segments = tuple(Segment("a b c") for _ in range(9))
    document = Document(id="d", language="en", segments=segments, pairs=frozenset({(8, 7), (1, 0)}))
    batch = DocumentCollator(encoder_of().tokenizer, 12, "document")([document])
    assert batch.segment_mask.shape == (1, 4)
    assert batch.sizes == (9,)
    assert batch.cut == (9,)
    assert float(batch.gold.pairs.sum()) == 1


def test_a_frozen_encoder_gets_no_gradient_and_has_no_dropout() -> None:
    encoder = SegmentEncoder(encoder_of(freeze=True), ReadingSettings("document", "attention")).train()
    first, second = encode(DOCUMENTS, encoder), encode(DOCUMENTS, encoder)
    torch.testing.assert_close(first.clauses, second.clauses)
    first.clauses.sum().backward()
    trained = {name for name, parameter in encoder.named_parameters() if parameter.grad is not None}
    assert trained
    assert all(name.startswith("attention") for name in trained)


def test_frozen_embeddings_are_a_transformers_alone() -> None:
    frozen = [n for n, p in encoder_of(freeze_embeddings=True).named_parameters() if not p.requires_grad]
    assert frozen == ["model.embeddings.word_embeddings.weight"]
    with pytest.raises(Exception, match="train_vectors"):
        encoder_of("recurrent", freeze_embeddings=True)
