"""Token encoders: one name chooses a pretrained, an embedded or a recurrent one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from tokenizers import AddedToken
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertModel

from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.dropout import use_cheap_dropout
from ecpe_zoo.options import EMBEDDED, RECURRENT, WORDS, EncoderSettings
from ecpe_zoo.text.attention import use_cheap_attention
from ecpe_zoo.text.recurrent import BiLSTM
from ecpe_zoo.text.tokenizers import (
    FROM_FILE,
    PLACEHOLDERS,
    PretrainedTokenizer,
    Tokenizer,
    TokenizerFacts,
    VocabularyTokenizer,
    count_vocabulary,
)
from ecpe_zoo.text.vectors import read_word_vectors

EMBEDDED_MAX_TOKENS = 512  # BERT's own limit, so that the light encoder truncates as the pretrained one does

WIDTHS = 16
"""Widths from one power of two to the next: the fewest that add under 2 % to the slots of training batches
(measured: EACL on meld 1.8 %, MGCL on xia-ding-2019 1.9 %, EQN on goemotions 0.3 %)."""


def rounded_width(tokens: int, most: int | None = None) -> int:
    """The width that a transformer's rows are padded to.

    Each width has its own kernels and its own sizes of tensors, so that a long run keeps less memory with few widths.
    Below 32 tokens every width is used; from 32 on multiples of 2, from 64 of 4, from 128 of 8, from 256 of 16, from
    512 of 32.

    Args:
        tokens: of the longest row, at least 1.
        most: limit of the model.

    >>> [rounded_width(tokens) for tokens in (1, 31, 33, 65, 129, 240, 257, 300)]
    [1, 31, 34, 68, 136, 240, 272, 304]
    >>> rounded_width(509, most=510)
    510
    """
    # the greatest power of two up to a 16th of the tokens
    step = 1 << max(tokens // WIDTHS, 1).bit_length() - 1
    width = -(-tokens // step) * step
    return width if most is None else max(tokens, min(width, most))


class PretrainedSource(TypedDict):
    """A pretrained encoder without its weights, as plain values: a checkpoint needs neither its folder nor a hub."""

    config: dict[str, Any]
    """Of the model, with `model_type`."""
    facts: TokenizerFacts
    tokenizer: str
    """JSON of a `tokenizers.Tokenizer`."""


Vocabulary = list[str] | PretrainedSource
"""The words that an encoder gives a row to, or a pretrained encoder."""


class TokenEncoder(nn.Module):
    """Base of the token encoders.

    Attributes:
        hidden_size: H.
        max_tokens: most tokens of a row, special ones included; None for any number.
        tokenizer: text to the ids that `forward` takes.
    """

    hidden_size: int
    max_tokens: int | None
    tokenizer: Tokenizer

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """Encode rows of tokens.

        Args:
            ids: (R, T) token ids, padded at the end.
            mask: (R, T) bool, False at padding; each row has a token.
            token_types: (R, T) in {0, 1}: first and second text of a row.

        Returns:
            (R, T, H); padding means nothing.
        """
        raise NotImplementedError


class TransformerEncoder(TokenEncoder):
    """A transformer of the Hugging Face library, without its pooler: where it is not used it gets no gradient.

    Args:
        model: takes input_ids, attention_mask and perhaps token_type_ids; gives last_hidden_state.
        tokenizer: of the model.
        max_tokens: of the model.

    Attributes:
        pooler_start: weight (H, H) and bias (H,) that a pooler over the first token starts from, as BERT was
            trained with; None where the model has none.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, max_tokens: int | None) -> None:
        super().__init__()
        self.pooler_start: tuple[Tensor, Tensor] | None = None
        if getattr(model, "pooler", None) is not None:
            dense = getattr(model.pooler, "dense", None)
            if isinstance(dense, nn.Linear):
                self.pooler_start = dense.weight.detach(), dense.bias.detach()
            model.pooler = None
        use_cheap_attention(model)
        use_cheap_dropout(model)
        self.model = model
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        self.hidden_size = int(model.config.hidden_size)
        self.has_types = (getattr(model.config, "type_vocab_size", 0) or 0) > 1

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """See `TokenEncoder.forward`."""
        width = ids.shape[1]
        more = 0, rounded_width(width, self.max_tokens) - width
        inputs = {
            "input_ids": F.pad(
                ids, more, value=self.tokenizer.pad_id
            ),  # by which some models count positions
            "attention_mask": F.pad(mask.long(), more),
        }
        if self.has_types and token_types is not None:
            inputs["token_type_ids"] = F.pad(token_types, more)
        output: Tensor = self.model(**inputs).last_hidden_state
        return output[:, :width]


class WordEncoder(TokenEncoder):
    """A vector for each word, the same wherever it stands.

    Args:
        vocabulary: words; those behind `FROM_FILE` have a vector from a file.
        vector_size: H, of a word vector.
        vectors: (V, vector_size) of the words behind `FROM_FILE`; None leaves them to a checkpoint.
        train_vectors: whether those are trained.
    """

    def __init__(
        self, vocabulary: list[str], vector_size: int, vectors: Tensor | None, train_vectors: bool
    ) -> None:
        super().__init__()
        self.tokenizer = VocabularyTokenizer(vocabulary, "words")
        self.hidden_size, self.max_tokens = vector_size, None
        self.from_file = vocabulary.index(FROM_FILE) + 1 if FROM_FILE in vocabulary else len(vocabulary)
        self.words = nn.Embedding(self.from_file, vector_size)
        nn.init.normal_(self.words.weight, std=0.1)  # 0.1: the spread of the values of word2vec vectors
        self.file_words: nn.Embedding | None = None
        if self.from_file < len(vocabulary):
            self.file_words = nn.Embedding(len(vocabulary) - self.from_file, vector_size)
            if vectors is not None:
                self.file_words.weight.data.copy_(vectors)
            self.file_words.weight.requires_grad_(train_vectors)

    def look_up(self, ids: Tensor) -> Tensor:
        """The word vectors (R, T, vector_size) of ids (R, T)."""
        vectors: Tensor = self.words(ids.clamp(max=self.from_file - 1))
        if self.file_words is not None:
            given = self.file_words((ids - self.from_file).clamp(min=0))
            vectors = torch.where((ids >= self.from_file)[..., None], given, vectors)
        return vectors

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """See `TokenEncoder.forward`."""
        return self.look_up(ids)


class RecurrentEncoder(WordEncoder):
    """A BiLSTM over word vectors.

    The mean vector of a row's first text (a question, say; the whole row where it has one text) is added to every
    word by a linear layer: over a hundred words a BiLSTM forgets what was asked, and its backward half never
    knew.

    Args:
        vocabulary: see `WordEncoder`.
        size: H, both directions together.
        layers: of the BiLSTM.
        dropout: on the word vectors and on the output.
        vector_size: of a word vector.
        vectors: see `WordEncoder`.
        train_vectors: whether those are trained.
    """

    def __init__(
        self,
        vocabulary: list[str],
        size: int,
        layers: int,
        dropout: float,
        vector_size: int,
        vectors: Tensor | None,
        train_vectors: bool,
    ) -> None:
        super().__init__(vocabulary, vector_size, vectors, train_vectors)
        self.hidden_size = size
        self.types = nn.Embedding(2, vector_size)
        nn.init.zeros_(self.types.weight)
        self.first_text = nn.Linear(vector_size, vector_size, bias=False)
        self.lstm = BiLSTM(vector_size, size // 2, layers, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """See `TokenEncoder.forward`."""
        vectors = self.look_up(ids)  # (R, T, vector_size)
        types = torch.zeros_like(ids) if token_types is None else token_types
        first = mask & (types == 0)
        about = (vectors * first[..., None]).sum(1) / first.sum(1, keepdim=True).clamp(
            min=1
        )  # (R, vector_size)
        inputs = self.dropout(vectors + self.types(types) + self.first_text(about)[:, None])
        output: Tensor = self.dropout(self.lstm(inputs, mask.sum(dim=1)))
        return output


def make_encoder_vocabulary(
    settings: EncoderSettings, texts: Iterable[str], prompts: Iterable[str]
) -> Vocabulary:
    """What an encoder is rebuilt from, beside its weights; it is stored in the checkpoint.

    Args:
        settings: the choice.
        texts: of the training documents.
        prompts: texts that a method adds to them; their words are kept however rare.

    Returns:
        Words for `embedded`, `recurrent` and `words`, a `PretrainedSource` for a pretrained model. Placeholders that
        the texts contain (`PLACEHOLDERS`) become tokens of their own.

    Raises:
        ZooError: the pretrained model or the vectors cannot be read.
    """
    if settings.name == EMBEDDED:
        return count_vocabulary(texts, "characters", always=prompts)
    if settings.name in (RECURRENT, WORDS):
        words = read_word_vectors(settings.vectors)[0] if settings.vectors else []
        return count_vocabulary(texts, "words", always=prompts, from_file=words)
    return _describe_pretrained(settings.name, texts)


def make_encoder(settings: EncoderSettings, vocabulary: Vocabulary, from_checkpoint: bool) -> TokenEncoder:
    """Build an encoder, frozen as the settings say.

    Args:
        settings: the choice.
        vocabulary: of `make_encoder_vocabulary`.
        from_checkpoint: read no weights and no vectors: a checkpoint fills them in.

    Raises:
        ZooError: sizes that do not fit, or weights that cannot be read.
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
        return _pretrained(settings, _typed(vocabulary), from_checkpoint)
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
    """Let each token attend to like tokens and near ones from the start.

    Random weights learn from some hundred documents only if they need not find out what a repeated word is:
    queries and keys start equal, and positions start as sinusoids (Vaswani et al. 2017, section 3.5), of
    which near ones are alike. All of it is trained on. On the bundled corpus the training loss after eight
    epochs is a quarter of what it is without.
    """
    table = model.embeddings.position_embeddings.weight  # (512, H)
    steps = torch.arange(table.shape[0])[:, None] / 10000 ** (
        torch.arange(0, table.shape[1], 2) / table.shape[1]
    )
    spread = model.config.initializer_range
    table.copy_(torch.stack([steps.sin(), steps.cos()], dim=-1).flatten(1)[:, : table.shape[1]] * spread)
    for layer in model.encoder.layer:
        layer.attention.self.key.weight.copy_(layer.attention.self.query.weight)


def _typed(vocabulary: Vocabulary) -> PretrainedSource:
    """The source of a pretrained model; checkpoints of the first releases hold its parts as a list of JSON texts."""
    if not isinstance(vocabulary, list):
        return vocabulary
    config, facts, tokenizer = vocabulary
    return {"config": json.loads(config), "facts": json.loads(facts), "tokenizer": tokenizer}


def _describe_pretrained(name: str, texts: Iterable[str]) -> PretrainedSource:
    config, tokenizer = _load(AutoConfig, name), _load(AutoTokenizer, name)
    special = {name: getattr(tokenizer, f"{name}_token_id") for name in ("cls", "sep", "mask", "pad")}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    missing = [name for name, value in special.items() if value is None]
    if backend is None or missing:
        what = "no fast tokenizer" if backend is None else f"no special tokens {', '.join(missing)}"
        raise ZooError(f"Expected encoder {name!r} to be like BERT, but it has {what}. Choose another one.")
    facts: TokenizerFacts = {
        "cls": special["cls"],
        "sep": special["sep"],
        "mask": special["mask"],
        "pad": special["pad"],
        "special": sorted(set(tokenizer.all_special_ids)),
        "max_tokens": min(tokenizer.model_max_length, _positions(config)),
    }
    placeholders = _placeholders_in(texts)
    if placeholders:
        words = [word.strip("[]").lower() for word in placeholders]
        facts["placeholders"] = [backend.encode(word, add_special_tokens=False).ids for word in words]
        backend.add_tokens([AddedToken(word, normalized=False) for word in placeholders])
        facts["placeholder_ids"] = [backend.token_to_id(word) for word in placeholders]
    # to_diff_dict: with model_type, without what is the class's own default; plain values alone
    plain = json.loads(json.dumps(config.to_diff_dict(), default=str))
    return {"config": plain, "facts": facts, "tokenizer": backend.to_str()}


def _placeholders_in(texts: Iterable[str]) -> list[str]:
    missing = list(PLACEHOLDERS)
    for text in texts:
        if not missing:
            break
        if "[" in text:
            missing = [word for word in missing if word not in text]
    return [word for word in PLACEHOLDERS if word not in missing]


def _add_placeholders(model: Any, ids: list[int], pieces: list[list[int]], start: bool) -> None:
    """Make room for the tokens with these ids; their vectors start as the mean of those of their words' pieces."""
    table = model.get_input_embeddings()
    if max(ids) >= table.num_embeddings:
        model.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
        table = model.get_input_embeddings()
    if start:
        with torch.no_grad():
            for id, parts in zip(ids, pieces, strict=True):
                table.weight[id] = table.weight[parts].mean(dim=0)


def _pretrained(settings: EncoderSettings, source: PretrainedSource, from_checkpoint: bool) -> TokenEncoder:
    values, facts = dict(source["config"]), source["facts"]
    values.pop("dtype", None)  # weights are fp32 here, whatever the folder holds
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    if settings.dropout is not None:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = settings.dropout
    if settings.layers is not None:
        if not 1 <= settings.layers <= config.num_hidden_layers:
            raise ZooError(
                f"Expected --model.encoder.layers from 1 to the {config.num_hidden_layers} layers of "
                f"{settings.name!r}, but got {settings.layers}."
            )
        config.num_hidden_layers = settings.layers
    if from_checkpoint:
        model = AutoModel.from_config(config, dtype=torch.float32)
    else:  # transformers 5 would keep a half-precision folder's dtype
        model = _load(AutoModel, settings.name, config=config, dtype=torch.float32)
    if facts.get("placeholder_ids"):
        _add_placeholders(model, facts["placeholder_ids"], facts["placeholders"], start=not from_checkpoint)
    tokenizer = PretrainedTokenizer(source["tokenizer"], facts)
    return TransformerEncoder(model, tokenizer, facts["max_tokens"])


def _positions(config: Any) -> int:
    positions: int = getattr(config, "max_position_embeddings", None) or 512
    # RoBERTa and its kin count positions from the padding id + 1
    shifted = {"roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "roberta-prelayernorm"}
    return positions - config.pad_token_id - 1 if config.model_type in shifted else positions


def _load(loader: Any, name: str, **options: Any) -> Any:
    try:
        return loader.from_pretrained(name, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        there = "the folder is there but cannot be read" if Path(name).is_dir() else "no such folder"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ZooError(
            f"Expected encoder to be 'embedded', 'recurrent', or a Hugging Face name or folder, but {name!r} "
            f"cannot be loaded ({there}; {reason}). Offline, download it elsewhere and give the path of the "
            "folder with config.json, vocab.txt or tokenizer.json, and the weights."
        ) from error
