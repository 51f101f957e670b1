"""Networks over texts: padding means nothing, and each is what its name says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ecpe_zoo.layers.text_networks import TransformerText, WordNetwork, read_rows
from ecpe_zoo.options import EncoderSettings
from ecpe_zoo.text.encoders import make_encoder
from ecpe_zoo.text.texts import TextBatch
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.tokenizers import SPECIAL
from ecpe_zoo.text.word_encoders import WordEncoder

WORDS = [*SPECIAL, *"abcdefgh"]
KINDS = ("ann", "cnn", "textcnn", "lstm")


def words() -> TokenEncoder:
    return make_encoder(EncoderSettings("words", vector_size=6), list(WORDS), from_checkpoint=False)


@pytest.mark.parametrize("kind", [*KINDS, "first", "mean"])
def test_padding_and_batch_mates_change_nothing(kind: str) -> None:
    torch.manual_seed(0)
    network: TransformerText | WordNetwork
    if kind in KINDS:
        network = WordNetwork(words(), kind, 12, 0.1)  # type: ignore[arg-type]
    else:
        encoder = make_encoder(EncoderSettings("embedded", size=12, heads=2), list(WORDS), False)
        network = TransformerText(encoder, kind)  # type: ignore[arg-type]
    network.eval()
    lengths = [7, 2, 4, 1]
    ids = torch.zeros(4, 7, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(5, len(WORDS), (length,))
    mask = torch.arange(7) < torch.tensor(lengths)[:, None]
    types = torch.zeros_like(ids)
    together = network(ids, mask, types)
    assert together.shape == (4, network.size)
    for row, length in enumerate(lengths):
        alone = network(ids[row : row + 1, :length], mask[row : row + 1, :length], types[:1, :length])
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=0)
    batch = TextBatch(["d"], [4], [0], [], lengths, ids, types, torch.zeros(4, 0))
    torch.testing.assert_close(read_rows(network, batch, [[0], [2, 1], [3]]), together, atol=1e-6, rtol=0)


def test_textcnn_is_the_maximum_of_filters_over_positions() -> None:
    torch.manual_seed(0)
    network = WordNetwork(words(), "textcnn", 9, 0.0)
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    vectors = network.encoder(ids, ids > 0)[0]
    found = network(ids, ids > 0, ids * 0)[0]
    for number, width in enumerate((3, 4, 5)):
        layer: Any = network.layers[number].layer
        padded = torch.cat(
            [torch.zeros((width - 1) // 2, 6), vectors, torch.zeros(width - 1 - (width - 1) // 2, 6)]
        )
        for place in range(3):
            windows = [padded[start : start + width] for start in range(6)]
            scores = [(window * layer.weight[place].T).sum() + layer.bias[place] for window in windows]
            expected = max(0.0, *(score.item() for score in scores))
            assert found[3 * number + place].item() == pytest.approx(expected, abs=1e-6)


def test_the_mean_and_the_first_token() -> None:
    torch.manual_seed(0)
    encoder = make_encoder(EncoderSettings("embedded", size=12, heads=2), list(WORDS), False).eval()
    ids, mask = torch.tensor([[2, 5, 6, 3, 0]]), torch.tensor([[True] * 4 + [False]])
    hidden = encoder(ids, mask)
    mean = TransformerText(encoder, "mean").eval()(ids, mask, ids * 0)
    torch.testing.assert_close(mean[0], hidden[0, :4].mean(dim=0))
    types = torch.tensor([[0, 0, 1, 1, 0]])  # after a context, only the text's own tokens
    pooled = TransformerText(encoder, "mean").eval()(ids, mask, types)
    torch.testing.assert_close(pooled[0], encoder(ids, mask, types)[0, 2:4].mean(dim=0))
    first = TransformerText(encoder, "first").eval()
    assert first.dense is not None
    torch.testing.assert_close(first(ids, mask, ids * 0)[0], torch.tanh(first.dense(hidden[0, 0])))


def test_word_vectors_are_looked_up() -> None:
    encoder = words()
    assert isinstance(encoder, WordEncoder)
    ids = torch.tensor([[5, 6]])
    torch.testing.assert_close(encoder(ids, ids > 0)[0, 1], encoder.words.weight[6])
