"""Networks that encode a text as one vector: a transformer, and the small ones over word vectors."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.errors import unknown_choice
from ecpe_zoo.layers.dropout import Dropout
from ecpe_zoo.text.recurrent import BiLSTM
from ecpe_zoo.text.texts import TextBatch
from ecpe_zoo.text.token_encoder import TokenEncoder

Pooling = Literal["first", "mean"]
WordNetworkKind = Literal["ann", "cnn", "textcnn", "lstm"]

HEAD_SPREAD = 0.02
"""Standard deviation of the weights of new heads, as in BERT and the transformers library."""


def new_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with BERT's initialisation: N(0, 0.02), zero bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=HEAD_SPREAD)
    nn.init.zeros_(layer.bias)
    return layer


def whole(values: Tensor) -> Tensor:
    """16-bit values converted to fp32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def mean_over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """Mean (R, H) in fp32 of values (R, T, H) where the mask (R, T) is True; each row has a token."""
    kept = torch.where(mask[..., None], whole(values), 0.0)
    return kept.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def own_tokens(mask: Tensor, types: Tensor) -> Tensor:
    """The tokens (R, T) bool of each row's second text, or of its only one; `types` (R, T) in {0, 1}."""
    second = mask & (types == 1)
    return torch.where(second.any(dim=1, keepdim=True), second, mask)


class TextNetwork(nn.Module):
    """Base of the networks.

    Attributes:
        size: Size of the output, H.
        encoder: Token encoder.
    """

    size: int
    encoder: TokenEncoder

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """Read rows of tokens.

        Args:
            ids: Token ids (R, T), padded at the end.
            mask: Mask (R, T), False at padding; each row has a token.
            types: Types (R, T) in {0, 1}: first and second text.

        Returns:
            (R, H) fp32.
        """
        raise NotImplementedError


class TransformerText(TextNetwork):
    """A token encoder with its first token after a dense layer with tanh, or the mean of the text's own tokens.

    Args:
        encoder: Token encoder.
        pooling: Pooling, one of the two. The mean is over the second text if there are two: the first is its context.
        dropout: Dropout before the dense layer, as in RoBERTa's classification head; BERT's pooler has 0.
        pretrained: Whether to initialise the dense layer from the encoder's own pooler, if it has one.
    """

    def __init__(
        self, encoder: TokenEncoder, pooling: Pooling, dropout: float = 0.0, pretrained: bool = False
    ) -> None:
        super().__init__()
        self.encoder, self.size = encoder, encoder.hidden_size
        self.dense: nn.Linear | None = None
        if pooling not in get_args(Pooling):
            raise unknown_choice("pooling", pooling, get_args(Pooling))
        if pooling == "first":
            self.dropout = Dropout(dropout)
            self.dense = new_linear(self.size, self.size)
            start = getattr(encoder, "pooler_start", None) if pretrained else None
            if start is not None:
                self.dense.weight.data.copy_(start[0])
                self.dense.bias.data.copy_(start[1])

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """See `TextNetwork.forward`."""
        hidden = self.encoder(ids, mask, types)  # (R, T, H)
        if self.dense is None:
            return mean_over_tokens(hidden, own_tokens(mask, types))
        return torch.tanh(whole(self.dense(self.dropout(hidden[:, 0]))))


class Convolution(nn.Module):
    """A convolution over positions with ReLU; positions after a row's end are 0 in input and output.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        width: Number of positions that a filter covers.
    """

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.layer = nn.Conv1d(inputs, outputs, width)
        self.around = (width - 1) // 2, width - 1 - (width - 1) // 2

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """(R, T, inputs) and (R, T) -> (R, T, outputs)."""
        columns = F.pad((values * mask[..., None]).transpose(1, 2), self.around)  # (R, inputs, T + width - 1)
        return torch.relu(self.layer(columns).transpose(1, 2)) * mask[..., None]


class WordNetwork(TextNetwork):
    """EQN's smaller host networks; the sizes are ours, as the paper's are unknown.

    `ann`: mean of the word vectors, a dense layer with ReLU. `cnn`: two convolutions of width 3 in sequence,
    maximum over positions. `textcnn`: widths 3, 4 and 5 in parallel (Kim 2014), maximum over positions. `lstm`:
    a BiLSTM, mean over positions.

    Args:
        encoder: Word encoder.
        kind: Kind of network.
        size: Size of the output, H, rounded down to a size that the kind can divide.
        dropout: Dropout on the word vectors.
    """

    def __init__(self, encoder: TokenEncoder, kind: WordNetworkKind, size: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.kind, width = encoder, kind, encoder.hidden_size
        self.dropout = Dropout(dropout)
        layers: list[nn.Module]
        match kind:
            case "ann":
                self.size, layers = size, [nn.Linear(width, size)]
            case "cnn":
                self.size, layers = size, [Convolution(width, size, 3), Convolution(size, size, 3)]
            case "textcnn":
                self.size = 3 * (size // 3)
                layers = [Convolution(width, size // 3, positions) for positions in (3, 4, 5)]
            case "lstm":
                self.size, layers = 2 * (size // 2), [BiLSTM(width, size // 2)]
            case _:
                raise unknown_choice("a network over words", kind, get_args(WordNetworkKind))
        self.layers = nn.ModuleList(layers)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """See `TextNetwork.forward`; the types are ignored."""
        words = self.dropout(self.encoder(ids, mask))  # (R, T, V)
        if self.kind == "ann":
            return torch.relu(whole(self.layers[0](mean_over_tokens(words, mask))))
        if self.kind == "lstm":
            return mean_over_tokens(self.layers[0](words, mask.sum(dim=1)), mask)
        if self.kind == "cnn":
            read = words
            for layer in self.layers:
                read = layer(read, mask)
        else:
            read = torch.cat([layer(words, mask) for layer in self.layers], dim=-1)
        return whole(read.amax(dim=1))  # padding is 0, the minimum of a ReLU


def read_rows(network: TextNetwork, batch: TextBatch, groups: list[list[int]]) -> Tensor:
    """The vectors (R, H) of a batch's rows, run in groups.

    Args:
        network: Network that reads them.
        batch: Batch of at least one row.
        groups: Row numbers of each group; each row is in one group.
    """
    device = batch.tokens.device
    parts = []
    for rows in groups:
        index = torch.tensor(rows, device=device)
        lengths = torch.tensor([batch.lengths[row] for row in rows], device=device)
        width = max(batch.lengths[row] for row in rows)
        mask = torch.arange(width, device=device) < lengths[:, None]  # (r, T)
        parts.append(network(batch.tokens[index, :width], mask, batch.types[index, :width]))
    order = torch.tensor([row for rows in groups for row in rows], device=device).argsort()
    return torch.cat(parts)[order]
