"""TransECPE: Transition-based Directed Graph Construction for Emotion-Cause Pair Extraction (Fan et al., ACL 2020).

A parser reads a document clause by clause. It keeps a stack, and at each step says of the two clauses on top whether
one is an emotion that the other causes, is an emotion, or neither. Whether a clause causes its own emotion is decided
for each clause alone. The released code is HLT-HITSZ/TransECPE.

The oracle that the parser learns from cannot express every set of pairs: a clause that was removed is in no further
pair. It reaches 2,084 of the 2,147 pairs of xia-ding-2019 (97.1 %), and 9 of the 69 whose cause is two or more clauses
after the emotion. A parser that made no mistake would have this recall. It is logged beside the scores, as
`val/oracle_pair_recall` and `test/oracle_pair_recall`.

======================  ==============================  ===============================================================
argument                default                         released code
======================  ==============================  ===============================================================
`norm`                  layer                           batch: predictions depend on statistics of the training batches
`train_tables`          True                            False: action and distance vectors keep their random values
`pairs.prior`           True                            False
======================  ==============================  ===============================================================

Departures from the released code:

- All parameters are trained. In the code a filter is used up by the first parameter group, so that no bias of the
  parser and no scale of its norms ever changes. Scales start at 1, not at values from -0.1 to 0.1.
- Stacks and buffers are read without padding in training too; the code pads them there, and not at prediction.
- The onward LSTM of the buffer has no recurrent weights: a state holds its first step, and the code's are never used.
- With an empty buffer an action is taken once. The code predicts it twice, and its oracle leaves out the repetition.
- Training documents are shuffled.
- One weight decay for all matrices; the code has 0.01 in BERT and 1e-5 elsewhere. Embeddings have none.
- The head for a clause's own emotion has one logit for the code's two, which says the same.

A pair of the parse scores `p / (p + q)` for its action's probability p and that of the second best action q, and a pair
of one clause its probability, so that the threshold 0.5 gives what the code predicts. All other pairs score 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_args

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import unknown_choice
from ecpe_zoo.layers.decoding import top_pairs
from ecpe_zoo.layers.losses import masked_bce
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.transition_parser import Norm, Parser
from ecpe_zoo.methods.base import Tuned
from ecpe_zoo.methods.ecpe import EncodedPairMethod
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings
from ecpe_zoo.text.transitions import (
    MIRROR,
    ParserBatch,
    ParserCollator,
    State,
    States,
    oracle,
    oracle_recall,
)

SWITCHES = ("recurrent", "buffer", "history", "reversal", "norm", "train_tables", "dropout")
"""Arguments of the method that the network takes as they are."""


class TransECPE(EncodedPairMethod):
    """A parser over clauses.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        reading: How clauses become vectors. Each clause alone through BERT's pooler in the released code; `pool: cls`
            has the pooler also for a document that is read in one pass.
        pairs: Limits of the parse and decoding. `window` takes the pair actions from clauses farther apart, `position`
            is the distance between the two clauses, `prior` starts the action head at the shares of the oracle's
            actions.
        recurrent: Whether LSTMs read the stack and the buffer.
        buffer: Whether a state holds the first clause of the buffer.
        history: Whether a state holds the actions before it.
        reversal: Whether each state is learned from a second time, with its two clauses and the action mirrored.
        norm: Norm of the heads: `layer`, or `batch` over the clauses or states of a batch.
        train_tables: Whether the vectors of actions and distances are trained.
        dropout: Dropout of the heads.
        threshold: A pair scores above it. A pair that the parse does not hold is not gained by a lower one.
        optimiser: Optimiser; rates and warm-up of the released code.

    Raises:
        ZooError: An unknown norm.
    """

    id: ClassVar[str] = "transecpe"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"pairs.position", "recurrent", "buffer", "history", "reversal"}
    )

    heads: Parser

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        reading: ReadingSettings = ReadingSettings("clause", "cls"),
        pairs: PairSettings = PairSettings(),
        recurrent: bool = True,
        buffer: bool = True,
        history: bool = True,
        reversal: bool = True,
        norm: Norm = "layer",
        train_tables: bool = True,
        dropout: float = 0.5,
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(1e-3, 1e-5, warmup_share=0.05),
    ) -> None:
        super().__init__()
        if norm not in get_args(Norm):
            raise unknown_choice("--model.norm", norm, get_args(Norm))
        self.take_settings()
        self.reversal, self.threshold = reversal, threshold

    def make_heads(self, size: int) -> Parser:
        """See `EncodedPairMethod.make_heads`; the pooler starts as the encoder's own if it has one."""
        pairs, switches = self.pair_settings, {name: self.hparams[name] for name in SWITCHES}
        parser = Parser(size, self.reading.pool == "cls", pairs.position, pairs.window, **switches)
        start = getattr(self.encoder.encoder, "pooler_start", None)
        if parser.pooler is not None and start is not None:
            parser.pooler.weight.data.copy_(start[0])
            parser.pooler.bias.data.copy_(start[1])
        return parser

    def collator(self, training: bool) -> ParserCollator:  # type: ignore[override]
        """With the oracle in training."""
        return ParserCollator(self.documents, training, self.pair_settings.window)

    def start(self, documents: Sequence[Document]) -> None:
        """Set the biases of the heads to the shares of the oracle's actions and of self-pairs."""
        if not self.pair_settings.prior:
            return
        counts = torch.ones(len(MIRROR))  # an action that never occurs has a finite bias
        for document in documents:
            for _, action in oracle(len(document), document.pairs or (), self.pair_settings.window):
                for learned in (action, MIRROR[action]) if self.reversal else (action,):
                    counts[learned] += 1
        own = sum(e == c for document in documents for e, c in document.pairs or ())
        share = torch.tensor(min(max(own, 1) / max(sum(map(len, documents)), 2), 0.5))
        self.heads.action_head.get_parameter("8.bias").data.copy_((counts / counts.sum()).log())
        self.heads.self_head.get_parameter("8.bias").data.fill_(float(torch.logit(share)))

    def forward(self, batch: ParserBatch) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Logits of self-pairs (B, N) and of actions; see `Parser` for the shapes."""
        assert batch.states is not None
        own, clauses, buffers = self.heads.read(self.encoder(batch.rows).clauses, batch.rows.segment_mask)
        return own, self.heads(clauses, buffers, batch.states)

    def losses(self, batch: ParserBatch) -> dict[str, Tensor]:  # type: ignore[override]
        """Cross-entropy of self-pairs, a mean over clauses, and of actions, a mean over states and their mirrors."""
        own, logits = self(batch)
        gold = batch.actions
        assert gold is not None
        if len(logits) > len(gold):
            gold = torch.cat([gold, torch.tensor(MIRROR, device=gold.device)[gold]])
        # documents of one clause have no states
        action = F.cross_entropy(logits, gold, reduction="sum") / max(len(gold), 1)
        diagonal = batch.rows.gold.pairs.diagonal(dim1=1, dim2=2)
        return {"self_pair": masked_bce(own, diagonal, batch.rows.segment_mask), "action": action}

    def configure_optimizers(self) -> Any:
        """AdamW; the pooler has the rate of the encoder. See `make_optimiser`."""
        parts = [part for part in (self.encoder.encoder, self.heads.pooler) if part is not None]
        return make_optimiser(self, self.optimiser, self, nn.ModuleList(parts))

    # --- predictions

    def decode(self, batch: ParserBatch) -> list[Prediction]:  # type: ignore[override]
        """Parse the documents of the batch side by side, an action of each at a time."""
        rows, mask = batch.rows, batch.rows.segment_mask
        own, clauses, buffers = self.heads.read(self.encoder(rows).clauses, mask)
        most = max(rows.sizes)
        emotion = F.pad((torch.sigmoid(own) * mask).cpu(), (0, most - mask.shape[1]))  # (B, N)
        pair = torch.diag_embed(emotion)  # (B, N, N)
        states = [State.start(size) for size in mask.sum(1).tolist()]
        taken: list[list[int]] = [[] for _ in states]
        while going := [index for index, state in enumerate(states) if not state.done]:
            tensors = States.build([(index, len(taken[index]), states[index]) for index in going], taken)
            best, actions = (
                self.heads(clauses, buffers, tensors.to(mask.device)).softmax(-1).topk(2)
            )  # (S, 2)
            scores = best[:, 0] / best.sum(1)
            for index, action, score in zip(going, actions[:, 0].tolist(), scores.tolist(), strict=True):
                if (declared := states[index].declared(action)) is not None:
                    e, c = declared
                    emotion[index, e] = max(float(emotion[index, e]), score)
                    if c is not None:
                        pair[index, e, c] = score
                states[index] = states[index].after(action)
                taken[index].append(action)
        pair = top_pairs(pair, self.pair_settings.top, self.pair_settings.force_first)
        return [
            Prediction(id, {"pair": p[:size, :size].numpy(), "emotion": e[:size].numpy()}, cut)
            for id, size, cut, p, e in zip(rows.ids, rows.sizes, rows.cut, pair, emotion, strict=True)
        ]

    def tune(self, predictions: Sequence[Prediction], documents: Mapping[str, Document]) -> Tuned:
        """See `Method.tune`; shows the oracle's recall too."""
        recall = oracle_recall(documents.values(), self.pair_settings.window)
        return super().tune(predictions, documents)._replace(shown={"oracle_pair_recall": recall})

    def on_test_epoch_end(self) -> None:
        """Log and print the oracle's recall on the test documents."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        recall = oracle_recall(data.documents("test"), self.pair_settings.window)
        self.log("test/oracle_pair_recall", recall)
        rank_zero_info(
            f"The oracle that the parser learns from reaches {100 * recall:.1f} % of the test pairs."
        )
