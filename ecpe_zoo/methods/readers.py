"""Methods that read a document once per question: which clauses are emotions, which cause a given one, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.multi_turn import ADOPTED, Answers, Ask, Rethink, pairs_in_turns
from ecpe_zoo.layers.reductions import Reduction, mean_over_questions
from ecpe_zoo.layers.rows import ChunkedRows
from ecpe_zoo.methods.base import Method, Tuned
from ecpe_zoo.methods.traces import Tag
from ecpe_zoo.options import EncoderSettings, OptimiserSettings
from ecpe_zoo.text.encoders import Vocabulary, make_encoder, make_encoder_vocabulary
from ecpe_zoo.text.prompts import KINDS, PROMPT_TEXTS, Kind
from ecpe_zoo.text.queries import (
    Query,
    QueryBatch,
    QueryBuilder,
    QueryCollator,
    QueryRows,
    TokenisedDocument,
)
from ecpe_zoo.text.token_encoder import TokenEncoder

ASKED = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""Values of `ask_above` tried in tuning."""


class ReaderMethod(Method):
    """Base of the methods that ask EE, CE or both about each document, then questions about single clauses.

    A method builds a network over rows of tokens (`build`, after `make_reader_parts`), returns two-class logits of the
    clauses of each row (`clause_logits`, or else `probabilities`), computes losses, and derives pairs from the answers
    (`pairs`). Everything else is here.

    The question is part of the row, so that each question is its own encoder pass. All questions of
    a batch that depend on no other answer are run together, in groups of rows of similar length.

    Attributes:
        kinds: The questions asked by the method.
        settings: Options of the token encoder.
        optimiser: Options of the optimiser.
        reduction: How losses are averaged over clauses and questions; see `mean_over_questions`.
        negatives: Number of additional ESCE and CSEE questions per document in training, about random clauses without
            an answer; see `negative_queries`.
        mark_asked: Whether to mark the clause in question inside the document by its token type.
    """

    kinds: ClassVar[tuple[Kind, ...]] = KINDS
    settings: EncoderSettings
    optimiser: OptimiserSettings
    builder: QueryBuilder
    chunked: ChunkedRows
    reduction: Reduction
    negatives: float
    mark_asked: bool

    # --- rows

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """See `make_encoder_vocabulary`."""
        texts = [segment.text for document in documents for segment in document.segments]
        return make_encoder_vocabulary(self.settings, texts, PROMPT_TEXTS)

    def make_reader_parts(self, from_checkpoint: bool) -> TokenEncoder:
        """The token encoder; also creates the row builder."""
        assert self.vocabulary is not None
        encoder = make_encoder(self.settings, self.vocabulary, from_checkpoint)
        self.builder = QueryBuilder(encoder.tokenizer, encoder.max_tokens, self.mark_asked)
        return encoder

    def tokens(self, document: Document) -> int:
        """Tokens of one question's row."""
        return self.builder.slots(document)

    def collator(self, training: bool) -> QueryCollator:
        """See `QueryCollator`."""
        return QueryCollator(self.builder, training, self.negatives, self.kinds)

    # --- what a method provides

    def read(self, rows: QueryRows, tokens: Tensor) -> Any:
        """Read rows with the tokens (R, T); a NamedTuple of tensors."""
        raise NotImplementedError

    def clause_logits(self, reading: Any) -> Tensor:
        """The two-class logits (R, N, 2), no and yes, used for prediction, from the output of `read`."""
        raise NotImplementedError

    def probabilities(self, reading: Any) -> Tensor:
        """The probability (R, N) that each clause is an answer, from the output of `read`."""
        return torch.softmax(self.clause_logits(reading), dim=-1)[..., 1]

    def pairs(self, first: Answers, ask: Ask) -> list[dict[str, Tensor]]:
        """Scores of each document, in order, from the answers to EE and CE and to any further questions."""
        raise NotImplementedError

    # --- losses

    def reduce(self, values: Tensor, rows: QueryRows) -> Tensor:
        """The mean of values (R, N) over the labelled clauses; see `mean_over_questions`."""
        return mean_over_questions(values, rows.labels >= 0, rows.kinds, len(KINDS), self.reduction)

    def cross_entropy(self, logits: Tensor, rows: QueryRows) -> Tensor:
        """Cross-entropy of logits (R, N, 2) with the labels of the rows."""
        values = F.cross_entropy(logits.transpose(1, 2), rows.labels, ignore_index=-1, reduction="none")
        return self.reduce(values, rows)

    # --- predictions

    def decode(self, batch: QueryBatch) -> list[Prediction]:
        """Ask EE and CE about all documents at once, then the questions of `pairs`."""
        return self.decode_with_reading(batch)[0]

    def decode_with_reading(self, batch: QueryBatch) -> tuple[list[Prediction], Any]:
        """Predictions, and the output of `read` for EE and CE."""
        scores, reading = self._ask(batch)
        return [
            Prediction(d.id, {name: value.detach().numpy() for name, value in s.items()}, d.cut)
            for d, s in zip(batch.documents, scores, strict=True)
        ], reading

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor]:
        """See `Traceable.traced_scores`."""
        return [scores["pair"] for scores in self._ask(self.batch_of(documents), tag)[0]]

    def _ask(self, batch: QueryBatch, tag: Tag | None = None) -> tuple[list[dict[str, Tensor]], Any]:
        """Scores of each document, on the CPU, and the output of `read` for EE and CE."""
        documents = batch.documents

        def read(rows: QueryRows) -> Any:
            if tag is None:
                return self.read(rows, rows.tokens)
            return self.read(rows, tag(rows.tokens, self.builder.sources(documents, rows)))

        def ask(queries: Sequence[Query]) -> Answers:
            if not queries:
                return {}
            rows = self.builder.rows(documents, queries).to(self.device)
            return self._answers(rows, read(rows), documents)

        reading = read(batch.rows)
        return self.pairs(self._answers(batch.rows, reading, documents), ask), reading

    def _answers(self, rows: QueryRows, reading: Any, documents: Sequence[TokenisedDocument]) -> Answers:
        """Probabilities (N,) over each entire document, 0 for lost clauses."""
        probabilities = self.probabilities(reading).cpu()
        return {
            query: F.pad(probabilities[row, :size], (0, documents[query.document].size - size))
            for row, (query, size) in enumerate(zip(rows.queries, rows.sizes, strict=True))
        }


class TurnsMethod(ReaderMethod):
    """Base of the readers that ask EE, then ESCE about the emotion clauses, then CSEE about their causes.

    Attributes:
        ask_above: Emotion probability above which ESCE is asked about a clause, until validation tunes it.
        ask_from: Lowest value that tuning tries; at `ask_above` or higher, nothing is tuned.
        ask_more: Maximum number of clauses per document from the tuned value to `ask_above` to ask ESCE about.
        rethink: What CSEE changes; see `pairs_in_turns`.
        gamma: Factor applied to a lowered pair.
        window: See `pairs_in_turns`.
        elsewhere: See `pairs_in_turns`.
    """

    ask_above: float
    ask_from: float
    ask_more: int
    rethink: Rethink
    gamma: float
    window: int | None = None
    elsewhere: float = 1.0
    adopt_above = ADOPTED

    def ask_by(self, ask_above: float, ask_from: float, ask_more: int, rethink: Rethink) -> None:
        """Set which clauses ESCE is asked about, and the rethink rule.

        With `mm-r` nothing is tuned: a question about one emotion clause also changes the pairs of others.

        Raises:
            ZooError: A probability is outside 0 to 1.
        """
        if not (0 <= ask_from <= 1 and 0 <= ask_above <= 1):
            raise ZooError(
                f"Expected ask_from and ask_above from 0 to 1, but got {ask_from} and {ask_above}."
            )
        lowest = ask_above if rethink == "mm-r" else min(ask_from, ask_above)
        self.ask_above, self.ask_from, self.ask_more, self.rethink = ask_above, lowest, ask_more, rethink
        self.tuned_ask_above: Tensor
        self.register_buffer("tuned_ask_above", torch.tensor(float("nan")))

    def pairs(self, first: Answers, ask: Ask) -> list[dict[str, Tensor]]:
        """See `pairs_in_turns`."""
        return pairs_in_turns(
            first,
            ask,
            self._asks_above(),
            self.rethink,
            self.gamma,
            self.adopt_above,
            self.ask_above,
            self.ask_more,
            self.window,
            self.elsewhere,
        )

    def _asks_above(self) -> float:
        """The tuned value, or the default; while `strict` validates an epoch, the lowest value that tuning tries."""
        trainer = self._trainer
        if trainer is not None and trainer.state.fn == "fit":
            strict = getattr(trainer.datamodule, "protocol", "strict") == "strict"  # type: ignore[attr-defined]
            return self.ask_from if strict else self.ask_above
        return self.tuned_options.get("ask_above", self.ask_above)

    @property
    def tuned_options(self) -> dict[str, float]:
        """See `Method.tuned_options`."""
        value = float(self.tuned_ask_above)
        return {} if value != value else {"ask_above": round(value, 6)}

    def tune(self, predictions: Sequence[Prediction], documents: Mapping[str, Document]) -> Tuned:
        """The best combination of threshold and `ask_above`; in a tie, the values nearest to the defaults."""
        tried = sorted({self.ask_above, self.ask_from, *ASKED}, reverse=True)
        best: Tuned | None = None
        for value in (value for value in tried if self.ask_from <= value <= self.ask_above):
            chosen = self._asked_above(predictions, value)
            tuned = super().tune(chosen, documents)
            if best is None or tuned.f1 > best.f1:
                asked = sum(int(p.scores["pair"].any(axis=1).sum()) for p in chosen) / max(len(chosen), 1)
                best = tuned._replace(options={"ask_above": value}, shown={"asked_per_document": asked})
        assert best is not None
        return best

    def take(self, tuned: Tuned) -> None:
        """See `Method.take`."""
        super().take(tuned)
        self.tuned_ask_above.fill_(tuned.options["ask_above"])

    def decided(self, predictions: Sequence[Prediction], tuned: Tuned) -> Sequence[Prediction]:
        """See `Method.decided`."""
        return self._asked_above(predictions, tuned.options["ask_above"])

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights; those of the first release lack `tuned_ask_above` and used the default."""
        return super().load_state_dict(
            {"tuned_ask_above": torch.tensor(float("nan")), **state_dict}, strict, assign
        )

    def renew(self, seed: int) -> None:
        """See `Method.renew`."""
        super().renew(seed)
        self.tuned_ask_above.fill_(float("nan"))

    def _asked_above(self, predictions: Sequence[Prediction], value: float) -> list[Prediction]:
        """The predictions without the pairs whose emotion clause would not have been asked about.

        With `mm-r` they stay: what was asked is not tuned, and CSEE adds pairs of clauses that were not asked about.
        """
        if self.rethink == "mm-r":
            return list(predictions)
        found = []
        for prediction in predictions:
            asked = prediction.scores["emotion"] > np.float32(value)
            pair = np.where(asked[:, None], prediction.scores["pair"], np.float32(0))
            found.append(prediction._replace(scores={**prediction.scores, "pair": pair}))
        return found
