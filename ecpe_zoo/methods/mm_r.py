"""MM-R: A Multi-turn Machine Reading Comprehension Framework with Rethink Mechanism (Zhou et al., COLING 2022).

Three kinds of questions are asked about the document: which clauses are emotions (EE), which cause a given emotion
clause (ESCE), which emotions a given cause clause has (CSEE). ESCE finds pairs, and CSEE makes the reader rethink
them. The text of the paper was not available. The released code is zhoucz97/ECPE-MM-R.

==========================  ==================================  ====================================================
argument                    default                             released code
==========================  ==================================  ====================================================
`ask_above`                 0.5                                 0.99, or 0.5 for clauses in a list of all gold
                                                                emotion clauses, even of the test fold. There is
                                                                no such list here, in EE or in CSEE.
`window`                    None                                11
`position_factor`           1.0                                 0.9 for all pairs except those whose cause is the
                                                                emotion clause or one of the two after it, though most
                                                                causes come just before. No known text mentions it.
`rethink`                   `mm-r`                              the same, but P(c|e) of a pair that CSEE adds is that
                                                                of the last emotion that was asked about (a stale
                                                                array). Here e is the emotion of the doubted pair.
                                                                `paper` is the rule as MGCL describes it.
`mark_asked`                False                               the same
`negatives`                 0                                   the same: no question about a clause without emotion
                                                                is trained, though predicted ones are asked about
==========================  ==================================  ====================================================

Departures from the released code:

- A question about a cause has all its emotions as answers; in the code, each pair has a question with one answer.
- The threshold and the epoch are chosen on validation; the code chooses the epoch on the test fold. It does not say
  which documents 0.99, 0.9, 0.7 and 11 were tuned on.
- A long document loses tokens of its longest clauses. The code keeps the half with the first gold pair.
- Clauses are separated by [SEP], and the wording of the questions is that of all readers in the zoo.
- The scorers of attention pooling have no bias, which a softmax cancels.
- Biases, norms and embeddings have no weight decay; the code decays everything.
- The epoch ends with a step; in the code, left-over gradients carry over to the next epoch.
- EE scores emotion clauses; the released figures are derived from the pairs (`emotion_from_pairs`). There are no
  questions about causes alone: they are derived from the pairs.

The question is part of the row, so that every question is an encoder pass. The code runs one at a time;
here those of a batch of documents are run together, in three turns.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.errors import ZooError, at_least
from ecpe_zoo.layers.clause_encoders import make_clause_encoder
from ecpe_zoo.layers.losses import masked_bce
from ecpe_zoo.layers.multi_turn import Rethink
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.pooling import LinearPool
from ecpe_zoo.layers.rows import ChunkedRows
from ecpe_zoo.methods.readers import TurnsMethod
from ecpe_zoo.options import ClauseSettings, EncoderSettings, OptimiserSettings
from ecpe_zoo.text.prompts import KINDS, Kind
from ecpe_zoo.text.queries import QueryBatch, QueryRows
from ecpe_zoo.text.token_encoder import TokenEncoder


class Reader(nn.Module):
    """One probability for each clause; one head for all kinds of questions.

    Args:
        encoder: Token encoder.
        clause_encoder: Encoder of the clauses.
        question_node: Whether the question is one of its nodes.
    """

    def __init__(self, encoder: TokenEncoder, clause_encoder: nn.Module, question_node: bool) -> None:
        super().__init__()
        self.encoder, self.clause_encoder, self.question_node = encoder, clause_encoder, question_node
        self.pool_question, self.pool_clause = (
            LinearPool(encoder.hidden_size),
            LinearPool(encoder.hidden_size),
        )
        self.head = nn.Linear(2 * encoder.hidden_size, 1)

    def forward(
        self, tokens: Tensor, clause_of: Tensor, types: Tensor, lengths: Tensor, clauses: int
    ) -> tuple[Tensor]:
        """Read rows; see `QueryRows` for the arguments, `clauses` is N. Gives logits (R, N) in fp32."""
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]  # (R, T)
        hidden = self.encoder(tokens, mask, types)  # (R, T, H)
        question = self.pool_question(hidden, clause_of, 1)  # (R, 1, H)
        nodes = self.pool_clause(hidden, clause_of - 1, clauses)  # (R, N, H)
        real = torch.arange(clauses, device=tokens.device) < clause_of.amax(dim=1, keepdim=True)  # (R, N)
        if self.question_node:
            real = F.pad(real, (1, 0), value=True)
            question, nodes = self.clause_encoder(torch.cat([question, nodes], dim=1), real).split(
                [1, clauses], dim=1
            )
        else:
            nodes = self.clause_encoder(nodes, real)
        with torch.autocast(tokens.device.type, enabled=False):
            for_question, for_answer = self.head.weight.chunk(2, dim=1)  # (1, H) each
            logits = F.linear(question.float(), for_question, self.head.bias)  # (R, 1, 1)
            logits = logits + F.linear(nodes.float(), for_answer)
        return (logits[..., 0],)


class MMR(TurnsMethod):
    """Multi-turn reading with the rethink mechanism.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        clause_encoder: Graph attention between clauses, as in RANKCP; `none` removes it.
        question_node: Whether the question is a node of the graph, as in MGCL; not in the released code.
        negatives: Number of additional ESCE and CSEE questions per document in training, about random clauses with no
            answer; a fraction is the probability of one more.
        mark_asked: Whether to mark the clause in question inside the document, by its token type.
        ask_above: Emotion probability above which ESCE is asked about a clause, until validation tunes it.
        ask_from: Lowest value that tuning tries, with `rethink: mm-r` nothing is tuned.
        ask_more: Maximum number of clauses per document between the tuned value and `ask_above` that ESCE is asked
            about, most probable first; it bounds the cost.
        window: Largest distance in clauses between emotion and cause of a pair from ESCE; unlimited if not given.
        position_factor: Factor of the pairs whose cause is neither the emotion clause nor one of the two after it.
        rethink: `mm-r` lowers the score of a pair once for each other emotion clause that CSEE returns, and adds that
            clause's pair; `paper` lowers a pair that CSEE does not confirm; `none` skips CSEE. See `pairs_in_turns`.
        gamma: Factor applied to a lowered pair.
        optimiser: Optimiser; rates, decay and warm-up of the released code.
        token_slots: Maximum number of token slots per encoder pass, padding included; affects speed and memory only.
    """

    id: ClassVar[str] = "mm_r"
    kinds: ClassVar[tuple[Kind, ...]] = ("EE", "ESCE", "CSEE")
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"mark_asked", "negatives", "position_factor", "question_node", "rethink", "window"}
    )

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        clause_encoder: ClauseSettings = ClauseSettings("gated-gat"),
        question_node: bool = False,
        negatives: float = 0.0,
        mark_asked: bool = False,
        ask_above: float = 0.5,
        ask_from: float = 0.1,
        ask_more: int = 2,
        window: int | None = None,
        position_factor: float = 1.0,
        rethink: Rethink = "mm-r",
        gamma: float = 0.7,
        optimiser: OptimiserSettings = OptimiserSettings(1e-5),
        token_slots: int = 8192,
    ) -> None:
        super().__init__()
        self.settings = EncoderSettings.of(self.hparams.encoder)
        self.clause_settings = ClauseSettings.of(self.hparams.clause_encoder)
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)
        at_least("--model.window", window, 0)
        near = self.clause_settings.kind in ("gcn", "gat") and self.clause_settings.edges == "near"
        if near and not question_node:
            raise ZooError(
                f"Expected --model.question_node true with near edges of {self.clause_settings.kind}, whose first node "
                "is the question, but got false. Or choose the clause encoder gated-gat, lstm or none, or complete "
                "edges."
            )
        self.question_node, self.negatives, self.mark_asked = question_node, negatives, mark_asked
        self.ask_by(ask_above, ask_from, ask_more, rethink)
        self.window, self.elsewhere, self.gamma = window, position_factor, gamma
        self.chunked = ChunkedRows(token_slots)
        self.reader: Reader

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        encoder = self.make_reader_parts(from_checkpoint)
        clauses = make_clause_encoder(encoder.hidden_size, self.clause_settings)
        self.reader = Reader(encoder, clauses, self.question_node)

    def read(self, rows: QueryRows, tokens: Tensor) -> Tensor:
        """Logits (R, N) of rows with the tokens (R, T)."""
        return self.chunked(self.reader, rows, tokens)[0]

    def probabilities(self, reading: Tensor) -> Tensor:
        """See `ReaderMethod.probabilities`."""
        return torch.sigmoid(reading)

    def losses(self, batch: QueryBatch) -> dict[str, Tensor]:
        """Binary cross-entropy, the mean over the clauses of all questions of a kind; all weights are 1."""
        rows = batch.rows
        logits = self.read(rows, rows.tokens)
        return {
            kind.lower(): masked_bce(
                logits, rows.labels, (rows.labels >= 0) & (rows.kinds == KINDS.index(kind))[:, None]
            )
            for kind in self.kinds
        }

    def configure_optimizers(self) -> Any:
        """AdamW with a linear warm-up schedule."""
        return make_optimiser(self, self.optimiser, self.reader, self.reader.encoder)
