"""Transformers as token encoders, and how a checkpoint stores a pretrained one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from tokenizers import AddedToken
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.dropout import use_cheap_dropout
from ecpe_zoo.options import EncoderSettings
from ecpe_zoo.text.attention import use_cheap_attention
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.tokenizers import PLACEHOLDERS, PretrainedTokenizer, Tokenizer, TokenizerFacts

WIDTHS = 16
"""Number of widths between powers of two: the fewest that add under 2 % to the slots of training batches
(measured: EACL on meld 1.8 %, MGCL on xia-ding-2019 1.9 %, EQN on goemotions 0.3 %)."""


def rounded_width(tokens: int, most: int | None = None) -> int:
    """The width that a transformer's rows are padded to.

    Each width has its own kernels and tensor sizes, so that fewer widths save memory in a long run.
    Below 32 tokens every width is used; from 32 on multiples of 2, from 64 of 4, from 128 of 8, from 256 of 16, from
    512 of 32.

    Args:
        tokens: Number of tokens of the longest row, at least 1.
        most: Maximum tokens of the model.

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
    """Configuration of the model, with `model_type`."""
    facts: TokenizerFacts
    tokenizer: str
    """JSON of a `tokenizers.Tokenizer`."""


class TransformerEncoder(TokenEncoder):
    """A transformer of the Hugging Face library, without its pooler, which would get no gradient if unused.

    Args:
        model: Model that takes input_ids, attention_mask and perhaps token_type_ids, and returns last_hidden_state.
        tokenizer: Tokenizer of the model.
        max_tokens: Maximum tokens of the model.

    Attributes:
        pooler_start: Weight (H, H) and bias (H,) that initialise a pooler over the first token, as BERT was
            trained with; None if the model has none.
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

    def embeddings(self) -> list[nn.Module]:
        """See `TokenEncoder.embeddings`."""
        return [self.model.get_input_embeddings()]

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """See `TokenEncoder.forward`."""
        width = ids.shape[1]
        more = 0, rounded_width(width, self.max_tokens) - width
        inputs = {
            "input_ids": F.pad(
                ids, more, value=self.tokenizer.pad_id
            ),  # from which some models count positions
            "attention_mask": F.pad(mask.long(), more),
        }
        if self.has_types and token_types is not None:
            inputs["token_type_ids"] = F.pad(token_types, more)
        output: Tensor = self.model(**inputs).last_hidden_state
        return output[:, :width]


def source_of(vocabulary: list[str] | PretrainedSource) -> PretrainedSource:
    """The source of a pretrained model; checkpoints of early releases store its parts as a list of JSON strings."""
    if not isinstance(vocabulary, list):
        return vocabulary
    config, facts, tokenizer = vocabulary
    return {"config": json.loads(config), "facts": json.loads(facts), "tokenizer": tokenizer}


def describe_pretrained(name: str, texts: Iterable[str]) -> PretrainedSource:
    """What a pretrained encoder is rebuilt from; see `make_encoder_vocabulary`."""
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
    # to_diff_dict: with model_type, without the class's defaults; plain values only
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
    """Add tokens with these ids; their vectors start as the mean of their words' pieces."""
    table = model.get_input_embeddings()
    if max(ids) >= table.num_embeddings:
        model.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
        table = model.get_input_embeddings()
    if start:
        with torch.no_grad():
            for id, parts in zip(ids, pieces, strict=True):
                table.weight[id] = table.weight[parts].mean(dim=0)


def make_pretrained(
    settings: EncoderSettings, source: PretrainedSource, from_checkpoint: bool
) -> TransformerEncoder:
    """Build a pretrained encoder; see `make_encoder`."""
    values, facts = dict(source["config"]), source["facts"]
    values.pop("dtype", None)  # weights are fp32 here, whatever the folder's
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
    else:  # transformers 5 would keep the dtype of half-precision weights
        model = _load(AutoModel, settings.name, config=config, dtype=torch.float32)
    if facts.get("placeholder_ids"):
        _add_placeholders(model, facts["placeholder_ids"], facts["placeholders"], start=not from_checkpoint)
    tokenizer = PretrainedTokenizer(source["tokenizer"], facts)
    return TransformerEncoder(model, tokenizer, facts["max_tokens"])


def _positions(config: Any) -> int:
    positions: int = getattr(config, "max_position_embeddings", None) or 512
    # RoBERTa-like models count positions from the padding id + 1
    shifted = {"roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "roberta-prelayernorm"}
    return positions - config.pad_token_id - 1 if config.model_type in shifted else positions


def _load(loader: Any, name: str, **options: Any) -> Any:
    try:
        return loader.from_pretrained(name, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        there = "the folder exists but cannot be read" if Path(name).is_dir() else "no such folder"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ZooError(
            f"Expected encoder to be 'embedded', 'recurrent', or a Hugging Face name or folder, but {name!r} "
            f"cannot be loaded ({there}; {reason}). Offline, download it elsewhere and give the path of the "
            "folder with config.json, vocab.txt or tokenizer.json, and the weights."
        ) from error
