"""RANKCP: Effective Inter-Clause Modeling for End-to-End Emotion-Cause Pair Extraction (Wei et al., ACL 2020).

A document is read in one pass, graph attention lets its clauses see each other, and every pair of clauses within a
window is scored from both clauses and the distance between them. The released code is Determined22/Rank-Emotion-Cause.

==========================  ==================================  ====================================================
argument                    default                             released code
==========================  ==================================  ====================================================
`pairs.top`                 None: all pairs above the           3 pairs, of which the best is always predicted
`pairs.force_first`         threshold                           (`force_first`): it assumes that every document has
                                                                a pair. No lexicon is used here: the released
                                                                list contains the gold emotion clauses.
`ranking`                   False                               the same; the paper trains with the ranking loss
`pairs.prior`               True                                False
==========================  ==================================  ====================================================

Departures from the released code:

- The kernel that smooths position vectors sums over the 25 distances. The code sums over all candidate pairs of the
  padded batch, so that a document's scores depend on its batch-mates.
- Padded clauses are not candidates. In the code they can be among the top three.
- A long document is truncated by length. The code truncates it around its first gold pair.
- One weight decay for all matrices; the code has 0.01 in BERT and 1e-5 elsewhere. Embeddings have none.
- The heads score emotion and cause clauses too; the released figures are derived from the pairs
  (`emotion_from_pairs`, `cause_from_pairs`).
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.layers.clause_encoders import make_clause_encoder
from ecpe_zoo.layers.pair_set import PairLinear, PairSet, RelativePosition
from ecpe_zoo.layers.segment_encoder import Encoded
from ecpe_zoo.methods.ecpe import EncodedPairMethod, PairLogits
from ecpe_zoo.options import (
    ClauseSettings,
    EncoderSettings,
    OptimiserSettings,
    PairSettings,
    ReadingSettings,
)
from ecpe_zoo.text.document_rows import DocumentRows

RADIUS, POSITION = 12, 50
"""Largest distance in clauses and size of a position vector (released code)."""


def margin_ranking(logits: Tensor, targets: Tensor, documents: Tensor, margin: float = 1.0) -> Tensor:
    """Mean hinge `max(0, margin - tanh(gold) + tanh(other))` over all gold and other candidates of one document.

    Args:
        logits: Logits (P,) of the candidates.
        targets: Labels (P,), 1 for gold pairs, else 0.
        documents: Document index (P,) of each candidate.
        margin: Required difference of scores; tanh bounds the scores by -1 and 1.

    Returns:
        () float32; 0 if no document has both kinds.
    """
    scores = torch.tanh(logits.float())
    gold, other = targets > 0, targets <= 0
    same = documents[gold][:, None] == documents[other][None, :]
    hinge = F.relu(margin - scores[gold][:, None] + scores[other][None, :])
    return (hinge * same).sum() / same.sum().clamp(min=1)


class Heads(nn.Module):
    """Clause context, clause heads and pair head.

    Args:
        size: Size of a clause vector, H.
        clause_encoder: Encoder of the clauses.
        position: Distance embeddings; None to leave them out.
    """

    def __init__(self, size: int, clause_encoder: nn.Module, position: RelativePosition | None) -> None:
        super().__init__()
        self.clause_encoder = clause_encoder
        self.emotion, self.cause = nn.Linear(size, 1), nn.Linear(size, 1)
        hidden = 2 * size + (0 if position is None else POSITION)
        self.pair = PairLinear(size, size, hidden, position)
        self.pair_head = nn.Linear(hidden, 1)

    def forward(self, clauses: Tensor, mask: Tensor, pairs: PairSet) -> PairLogits:
        """Logits from clause vectors (B, N, H)."""
        nodes = self.clause_encoder(clauses, mask)
        hidden = F.relu(self.pair(nodes, nodes, pairs))  # (P, 2 H + 50)
        return PairLogits(
            pairs, self.pair_head(hidden)[:, 0], self.emotion(nodes)[..., 0], self.cause(nodes)[..., 0]
        )


class RANKCP(EncodedPairMethod):
    """Ranking of clause pairs.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        reading: How clauses become vectors; each one's own [CLS] in the released code.
        clause_encoder: Graph attention between clauses; `none` removes it.
        pairs: Candidates and decoding; a window of 12 covers all pairs of xia-ding-2019.
        smooth: Whether similar distances have similar embeddings.
        ranking: Whether gold pairs are also ranked above the other pairs of their document.
        threshold: Score that a predicted pair exceeds.
        optimiser: Optimiser; rate, decay and warm-up of the released code.
    """

    id: ClassVar[str] = "rankcp"
    ablations: ClassVar[frozenset[str]] = frozenset({"pairs.position", "ranking", "smooth"})

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        reading: ReadingSettings = ReadingSettings("document", "cls"),
        clause_encoder: ClauseSettings = ClauseSettings("gated-gat"),
        pairs: PairSettings = PairSettings(window=12),
        smooth: bool = True,
        ranking: bool = False,
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(1e-5),
    ) -> None:
        super().__init__()
        self.clause_settings = ClauseSettings.of(self.hparams.clause_encoder)
        self.smooth, self.ranking, self.threshold = smooth, ranking, threshold

    def make_heads(self, size: int) -> Heads:
        """See `EncodedPairMethod.make_heads`."""
        position = self.make_position(RADIUS, POSITION, self.smooth)
        return Heads(size, make_clause_encoder(size, self.clause_settings), position)

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        """See `EncodedPairMethod.score`."""
        logits: PairLogits = self.heads(encoded.clauses, mask, pairs)
        return logits

    def further_losses(self, logits: PairLogits, batch: DocumentRows) -> dict[str, Tensor]:
        """The ranking loss, if enabled."""
        if not self.ranking:
            return {}
        targets = logits.pairs.flat(batch.gold.pairs)
        return {"ranking": margin_ranking(logits.pair, targets, logits.pairs.document)}
