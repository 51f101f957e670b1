"""Our attention with dropout against its formula, and against torch's where that is used."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from ecpe_zoo.layers.dropout import Dropout, keep_mask
from ecpe_zoo.text.attention import CHEAP, attend
from ecpe_zoo.text.tokenizers import SPECIAL, VocabularyTokenizer
from ecpe_zoo.text.transformer_encoder import TransformerEncoder

RATE = 0.25


def layer() -> nn.Module:
    module = nn.Module()
    module.is_causal = False  # type: ignore[assignment]
    return module


@pytest.mark.parametrize("kind", ["bool", "added", "none"])
def test_dropout_by_its_formula(kind: str) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 4, dtype=torch.float64) for _ in range(3))
    real = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    real[0, ..., 3:] = False
    added = torch.zeros(2, 1, 5, 5, dtype=torch.float64).masked_fill(~real, -1e300)
    mask = {"bool": real, "added": added, "none": None}[kind]
    torch.manual_seed(1)
    found, _ = attend(layer(), query, key, value, mask, dropout=RATE)
    scores = torch.einsum("bhid,bhjd->bhij", query, key) / 2
    if mask is not None:
        scores = torch.where(real, scores, -torch.inf)
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    torch.manual_seed(1)
    kept = weights * keep_mask(weights, RATE) / (1 - RATE)
    expected = torch.einsum("bhij,bhjd->bihd", kept, value)
    torch.testing.assert_close(found, expected)
    assert not torch.equal(weights != 0, kept != 0)  # something was dropped


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_without_a_rate_between_it_is_torchs(rate: float) -> None:
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in range(3))
    found, _ = attend(layer(), query, key, value, None, dropout=rate)
    expected = nn.functional.scaled_dot_product_attention(query, key, value, dropout_p=rate).transpose(1, 2)
    torch.testing.assert_close(found, expected)


def test_transformers_use_it_in_training_and_give_the_same_in_evaluation() -> None:
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
    )
    torch.manual_seed(0)
    model = BertModel(config, add_pooling_layer=False).eval()
    ids, mask = torch.randint(1, 9, (2, 16)), torch.ones(2, 16, dtype=torch.bool)
    mask[0, 9:] = False
    before = model(ids, mask.long()).last_hidden_state
    encoder = TransformerEncoder(model, VocabularyTokenizer([*SPECIAL, "a"], "words"), None).eval()
    assert model.config._attn_implementation == CHEAP
    assert not any(type(part) is nn.Dropout for part in encoder.modules())
    assert any(type(part) is Dropout for part in encoder.modules())
    torch.testing.assert_close(encoder(ids, mask)[mask], before[mask])
    encoder.train()
    torch.manual_seed(3)
    first = encoder(ids, mask)
    torch.manual_seed(3)
    assert torch.equal(first, encoder(ids, mask))
    assert not torch.allclose(first[mask], before[mask])
