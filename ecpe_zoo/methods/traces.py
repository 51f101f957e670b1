"""What `ecpe-zoo explain` needs of a method beyond its scores: its own clues, and gradients of scores by token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Array
from ecpe_zoo.text.token_encoder import TokenEncoder

Tag = Callable[[Tensor, Tensor], Tensor]
"""Token ids and their sources (..., 3) -> ids that `TokenTrace` recognises."""

TAGGED = 1 << 40
"""Added to the number of a tagged token: no vocabulary has so many ids."""


class Clues(NamedTuple):
    """What a method says of a document beyond its scores.

    Args:
        tokens: By name: values (N, T) in [0, 1] of the tokens of each segment, as its tokenizer makes them; NaN after a
            segment's last token that was read.
        segments: By name: values (N,) in [0, 1]; NaN for segments without one.
    """

    tokens: Mapping[str, Array] = {}
    segments: Mapping[str, Array] = {}


class TokenReader(NamedTuple):
    """A part of a network that turns token ids into vectors.

    Args:
        module: Called with the ids as its first argument.
        embeddings: Layers inside it, or the module itself, that look the vectors up.
    """

    module: nn.Module
    embeddings: Sequence[nn.Module]


class Traceable:
    """The hooks; `Method` inherits them."""

    def clues(self, document: Document) -> Clues | None:
        """What the method itself says of its reading, beside its scores; None by default.

        Called in evaluation mode and without gradients, on a document without gold.
        """
        return None

    def token_readers(self) -> list[TokenReader]:
        """The parts that read tokens: by default every token encoder."""
        assert isinstance(self, nn.Module)
        encoders = (module for module in self.modules() if isinstance(module, TokenEncoder))
        return [TokenReader(encoder, encoder.embeddings()) for encoder in encoders]

    def token_texts(self, segment: Segment) -> list[str]:
        """The tokens of a segment as written, as many as the method makes of it."""
        reader = self.token_readers()[0].module
        return reader.tokenizer.pieces(segment.text) if isinstance(reader, TokenEncoder) else []

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor] | None:
        """The scores that decide, with their gradients; None if the method has no gradients.

        Called in evaluation mode and with gradients, on documents without gold. All token ids go through `tag`, with
        their sources; see `text.sources`.

        Returns:
            Of each document `pair` (n, n), before `top_pairs`, or `emotions` (n, C), of at least the segments that are
            read.
        """
        return None


class TokenTrace:
    """Follows tokens into the embeddings of a method, and gradients back to the tokens.

    Ids are tagged with their place in the batch. A reader that is called with tagged ids, in whatever rows and order,
    gets the true ones, and the vectors that it looks up are kept: no method needs to say how it groups its rows.

    Inside of the context, embeddings have gradients even if they are frozen, and recurrent layers run without cuDNN,
    which has no gradients in evaluation mode.

    Args:
        readers: See `Traceable.token_readers`.
    """

    def __init__(self, readers: Sequence[TokenReader]) -> None:
        self.readers = readers
        self.ids: list[Tensor] = []
        self.sources: list[Tensor] = []
        self.kept: list[tuple[Tensor, Tensor]] = []
        self._now: Tensor | None = None  # places of the ids that a reader was called with
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Hook the readers."""
        for module, embeddings in self.readers:
            self._stack.callback(module.register_forward_pre_hook(self._untag).remove)
            for layer in embeddings:
                self._stack.callback(layer.register_forward_hook(self._keep).remove)
                for weight in layer.parameters():
                    self._stack.callback(weight.requires_grad_, weight.requires_grad)
                    weight.requires_grad_(True)
        self._stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        self._stack.enter_context(torch.enable_grad())
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the readers as they were."""
        self._stack.close()

    def tag(self, ids: Tensor, sources: Tensor) -> Tensor:
        """Replace the ids of tokens with a source.

        Args:
            ids: Token ids, of any shape.
            sources: Their sources (*shape, 3); see `text.sources`.
        """
        sources = sources.to(ids.device)
        start = sum(map(len, self.ids))
        places = torch.arange(start, start + ids.numel(), device=ids.device).view_as(ids)
        self.ids.append(ids.flatten())
        self.sources.append(sources.view(-1, 3))
        return torch.where(sources[..., 0] >= 0, TAGGED + places, ids)

    def _untag(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        ids, *others = arguments
        tagged = ids >= TAGGED
        self._now = torch.where(tagged, ids - TAGGED, -1)
        if not self.ids:
            return arguments
        return torch.where(tagged, torch.cat(self.ids)[self._now.clamp(min=0)], ids), *others

    def _keep(self, module: nn.Module, arguments: tuple[Any, ...], vectors: Tensor) -> None:
        if self._now is not None and bool((self._now >= 0).any()):
            self.kept.append((self._now, vectors))

    def contributions(self, score: Tensor) -> dict[tuple[int, int, int], float]:
        """Gradient times input of each token that was read, summed over its vector and over all places where it is.

        Args:
            score: Scalar; the graph is kept for further ones.

        Returns:
            By source.
        """
        totals = torch.zeros(sum(map(len, self.ids)), dtype=torch.float64)
        read = torch.zeros(len(totals), dtype=torch.bool)
        vectors = [vectors for _, vectors in self.kept]
        found: Sequence[Tensor | None] = [None] * len(vectors)
        if score.requires_grad and vectors:
            found = torch.autograd.grad(score, vectors, retain_graph=True, allow_unused=True)
        for (places, kept), gradient in zip(self.kept, found, strict=True):
            where = places.cpu() >= 0
            at = places.cpu()[where]
            read[at] = True
            if gradient is not None:  # a transformer pads its rows further
                values = (gradient * kept).sum(-1)[..., : places.shape[-1]]
                totals.index_add_(0, at, values.detach().cpu().double()[where])
        by_source: dict[tuple[int, int, int], float] = {}
        sources = torch.cat(self.sources).cpu()[read] if self.sources else torch.zeros(0, 3)
        for source, value in zip(map(tuple, sources.tolist()), totals[read].tolist(), strict=True):
            by_source[source] = by_source.get(source, 0.0) + value
        return by_source


def gradient_times_input(
    method: Any, documents: Sequence[Document], places: Sequence[tuple[int, int, int]]
) -> list[list[Array]] | None:
    """What each token contributes to some scores, to first order: the gradient times the token's vector.

    It is the derivative of the score by a common factor of the token's vectors: above 0 for a token whose presence
    raises the score.

    Args:
        method: Method in evaluation mode.
        documents: Documents with distinct ids, without gold, read in one batch.
        places: Document in the batch, row and column of each score; see `Traceable.traced_scores`.

    Returns:
        For each score the values (tokens of the segment,) of each segment of its document, NaN for tokens that were not
        read; None if the method has no gradients.
    """
    readers = method.token_readers()
    with TokenTrace(readers) as trace:
        scores = method.traced_scores(documents, trace.tag)
        if scores is None:
            return None
        found = []
        counts = {
            document: [len(method.token_texts(segment)) for segment in documents[document].segments]
            for document in {document for document, *_ in places}
        }
        for document, row, column in places:
            grid = scores[document]
            known = row < grid.shape[0] and column < grid.shape[1]
            by_source = trace.contributions(grid[row, column] if known else grid.new_zeros(()))
            found.append(
                [_values(by_source, document, index, count) for index, count in enumerate(counts[document])]
            )
    return found


def _values(
    by_source: Mapping[tuple[int, int, int], float], document: int, segment: int, count: int
) -> Array:
    values = [by_source.get((document, segment, number), np.nan) for number in range(count)]
    return np.array(values, dtype=np.float32)


def by_segment(rows: Tensor, places: Sequence[tuple[int, int]], sizes: Sequence[int]) -> list[Tensor]:
    """The scores (N, C) of each document from those of judged segments (R, C); 0 for other segments.

    Args:
        rows: Scores of judged segments.
        places: Document in the batch and segment of each row.
        sizes: Segments of each document.
    """
    found = []
    for document, size in enumerate(sizes):
        mine = [(row, segment) for row, (of, segment) in enumerate(places) if of == document]
        table = rows.new_zeros(size, rows.shape[1])
        chosen, segments = [row for row, _ in mine], [segment for _, segment in mine]
        found.append(table.index_put((torch.tensor(segments),), rows[chosen]) if mine else table)
    return found
