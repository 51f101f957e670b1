"""Token encoders: the name selects a pretrained, an embedded or a recurrent one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from transformers import BertConfig, BertModel

from ecpe_zoo.errors import ZooError
from ecpe_zoo.options import EMBEDDED, RECURRENT, WORDS, EncoderSettings
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.tokenizers import VocabularyTokenizer, count_vocabulary
from ecpe_zoo.text.transformer_encoder import (
    PretrainedSource,
    TransformerEncoder,
    describe_pretrained,
    make_pretrained,
    source_of,
)
from ecpe_zoo.text.vectors import read_word_vectors
from ecpe_zoo.text.word_encoders import RecurrentEncoder, WordEncoder

EMBEDDED_MAX_TOKENS = 512  # BERT's own limit, so that the small encoder truncates like a pretrained one

Vocabulary = list[str] | PretrainedSource
"""The words that an encoder has embeddings for, or a pretrained encoder."""


def make_encoder_vocabulary(
    settings: EncoderSettings, texts: Iterable[str], prompts: Iterable[str]
) -> Vocabulary:
    """What an encoder is rebuilt from in addition to its weights; stored in the checkpoint.

    Args:
        settings: Settings of the encoder.
        texts: Texts of the training documents.
        prompts: Texts that a method adds to them; their words are kept even if rare.

    Returns:
        Words for `embedded`, `recurrent` and `words`, a `PretrainedSource` for a pretrained model. Placeholders that
        the texts contain (`PLACEHOLDERS`) become tokens of their own.

    Raises:
        ZooError: The pretrained model or the vectors cannot be read.
    """
    if settings.name == EMBEDDED:
        return count_vocabulary(texts, "characters", always=prompts)
    if settings.name in (RECURRENT, WORDS):
        words = read_word_vectors(settings.vectors)[0] if settings.vectors else []
        return count_vocabulary(texts, "words", always=prompts, from_file=words)
    return describe_pretrained(settings.name, texts)


def make_encoder(settings: EncoderSettings, vocabulary: Vocabulary, from_checkpoint: bool) -> TokenEncoder:
    """Build an encoder, frozen according to the settings.

    Args:
        settings: Settings of the encoder.
        vocabulary: Result of `make_encoder_vocabulary`.
        from_checkpoint: Whether to skip reading weights and vectors because a checkpoint provides them.

    Raises:
        ZooError: Sizes do not fit, or weights cannot be read.
    """
    encoder = _make(settings, vocabulary, from_checkpoint)
    if settings.freeze:
        encoder.requires_grad_(False)
    elif settings.freeze_embeddings:
        if not isinstance(encoder, TransformerEncoder):
            raise ZooError(
                "Expected --model.encoder.freeze_embeddings with a transformer, but got encoder "
                f"{settings.name!r}. Use --model.encoder.train_vectors false for word vectors."
            )
        encoder.model.get_input_embeddings().requires_grad_(False)
    return encoder


def _make(settings: EncoderSettings, vocabulary: Vocabulary, from_checkpoint: bool) -> TokenEncoder:
    if settings.name not in (EMBEDDED, RECURRENT, WORDS):
        return make_pretrained(settings, source_of(vocabulary), from_checkpoint)
    assert isinstance(vocabulary, list)
    make = _embedded if settings.name == EMBEDDED else _over_words
    return make(settings, vocabulary, from_checkpoint)


def _embedded(settings: EncoderSettings, vocabulary: list[str], from_checkpoint: bool) -> TokenEncoder:
    size, dropout = settings.size or 128, 0.1 if settings.dropout is None else settings.dropout
    if size % settings.heads:
        raise ZooError(f"Expected an encoder size that {settings.heads} heads divide, but got {size}.")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=size,
        num_hidden_layers=settings.layers or 2,
        num_attention_heads=settings.heads,
        intermediate_size=4 * size,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=size**-0.5,
        max_position_embeddings=EMBEDDED_MAX_TOKENS,
        pad_token_id=0,
    )
    tokenizer = VocabularyTokenizer(vocabulary, "characters")
    model = BertModel(config, add_pooling_layer=False)
    _start_from_likeness(model)
    return TransformerEncoder(model, tokenizer, EMBEDDED_MAX_TOKENS)


def _over_words(settings: EncoderSettings, vocabulary: list[str], from_checkpoint: bool) -> TokenEncoder:
    vectors, trained, width = None, settings.train_vectors, settings.vector_size
    if settings.vectors and not from_checkpoint:
        vectors = read_word_vectors(settings.vectors)[1]
        if vectors.shape[1] != width:
            raise ZooError(
                f"Expected word vectors of size {width}, but {settings.vectors} holds size {vectors.shape[1]}. Give "
                f"--model.encoder.vector_size {vectors.shape[1]}."
            )
    if settings.name == WORDS:
        return WordEncoder(vocabulary, width, vectors, trained)
    size = settings.size or 300
    if size % 2:
        raise ZooError(f"Expected an even encoder size (two directions), but got {size}.")
    dropout = 0.5 if settings.dropout is None else settings.dropout
    return RecurrentEncoder(vocabulary, size, settings.layers or 1, dropout, width, vectors, trained)


@torch.no_grad()
def _start_from_likeness(model: Any) -> None:
    """Initialise so that each token attends to similar and near tokens.

    Random weights can learn from some hundred documents only if they need not discover repeated words:
    queries and keys start equal, and positions start as sinusoids (Vaswani et al. 2017, section 3.5), which are
    similar for near positions. All of it is trained further. On the bundled corpus this reduces the training loss after
    eight epochs to a quarter.
    """
    table = model.embeddings.position_embeddings.weight  # (512, H)
    steps = torch.arange(table.shape[0])[:, None] / 10000 ** (
        torch.arange(0, table.shape[1], 2) / table.shape[1]
    )
    spread = model.config.initializer_range
    table.copy_(torch.stack([steps.sin(), steps.cos()], dim=-1).flatten(1)[:, : table.shape[1]] * spread)
    for layer in model.encoder.layer:
        layer.attention.self.key.weight.copy_(layer.attention.self.query.weight)
