"""TransECPE: Transition-based Directed Graph Construction for Emotion-Cause Pair Extraction (Fan et al., ACL 2020).

A parser reads a document clause by clause. It keeps a stack, and at each step decides for the two top clauses whether
one is an emotion caused by the other, is an emotion, or neither. Whether a clause causes its own emotion is decided
for each clause separately. The released code is HLT-HITSZ/TransECPE.

The oracle that the parser learns from cannot express every set of pairs: a removed clause can be in no further
pair. It reaches 2,084 of the 2,147 pairs of xia-ding-2019 (97.1 %), and 9 of the 69 whose cause is two or more clauses
after the emotion. This is the recall of a perfect parser. It is logged with the scores as
`val/oracle_pair_recall` and `test/oracle_pair_recall`.

======================  ==============================  ===============================================================
argument                default                         released code
======================  ==============================  ===============================================================
`norm`                  layer                           batch: predictions depend on statistics of the training batches
`train_tables`          True                            False: action and distance vectors keep their random values
`pairs.prior`           True                            False
======================  ==============================  ===============================================================

Departures from the released code:

- All parameters are trained. In the code, the first parameter group exhausts a filter, so that no bias of the
  parser and no scale of its norms ever changes. Scales start at 1, not at values from -0.1 to 0.1.
- Stacks and buffers are read without padding in training too; the code pads them in training but not at prediction.
- The forward LSTM of the buffer has no recurrent weights: a state uses its first step only, so the code's are unused.
- With an empty buffer, an action is taken once. The code predicts it twice, and its oracle leaves out the repetition.
- Training documents are shuffled.
- One weight decay for all matrices; the code has 0.01 in BERT and 1e-5 elsewhere. Embeddings have none.
- The head for a clause's own emotion has one logit for the code's two, which is equivalent.

A parsed pair scores `p / (p + q)`, with its action's probability p and that of the second best action q, and a
self-pair its probability, so that the threshold 0.5 gives the code's predictions. All other pairs score 0.
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
from ecpe_zoo.methods.traces import Tag
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings
from ecpe_zoo.text.document_rows import DocumentRows, tagged
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
"""Arguments of the method that are passed to the network."""


class TransECPE(EncodedPairMethod):
    """A parser over clauses.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        reading: How clauses become vectors. In the released code, each clause alone with BERT's pooler; `pool: cls`
            also uses the pooler if a document is read in one pass.
        pairs: Limits of the parse and decoding. `window` forbids pair actions for clauses farther apart, `position`
            adds the distance between the two clauses, `prior` starts the action head at the shares of the oracle's
            actions.
        recurrent: Whether LSTMs read the stack and the buffer.
        buffer: Whether a state includes the first clause of the buffer.
        history: Whether a state includes the previous actions.
        reversal: Whether each state is also trained on in mirrored form, with clauses and action swapped.
        norm: Norm of the heads: `layer`, or `batch` over the clauses or states of a batch.
        train_tables: Whether the embeddings of actions and distances are trained.
        dropout: Dropout of the heads.
        threshold: Score that a predicted pair exceeds. A lower one cannot add pairs that the parse does not contain.
        optimiser: Optimiser; rates and warm-up of the released code.

    Raises:
        ZooError: The norm is unknown.
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
        self.reversal, self.threshold = reversal, threshold

    def make_heads(self, size: int) -> Parser:
        """See `EncodedPairMethod.make_heads`; the pooler is initialised from the encoder's own if it has one."""
        pairs, switches = self.pair_settings, {name: self.hparams[name] for name in SWITCHES}
        parser = Parser(size, self.reading.pool == "cls", pairs.position, pairs.window, **switches)
        start = getattr(self.encoder.encoder, "pooler_start", None)
        if parser.pooler is not None and start is not None:
            parser.pooler.weight.data.copy_(start[0])
            parser.pooler.bias.data.copy_(start[1])
        return parser

    def collator(self, training: bool) -> ParserCollator:  # type: ignore[override]
        """A collator, with the oracle in training."""
        return ParserCollator(self.documents, training, self.pair_settings.window)

    def start(self, documents: Sequence[Document]) -> None:
        """Set the biases of the heads to the shares of the oracle's actions and of self-pairs."""
        if not self.pair_settings.prior:
            return
        counts = torch.ones(len(MIRROR))  # ones, so that an action that never occurs has a finite bias
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
        """AdamW; the pooler uses the encoder's rate. See `make_optimiser`."""
        parts = [part for part in (self.encoder.encoder, self.heads.pooler) if part is not None]
        return make_optimiser(self, self.optimiser, self, nn.ModuleList(parts))

    # --- predictions

    def decode(self, batch: ParserBatch) -> list[Prediction]:  # type: ignore[override]
        """Parse the documents of the batch; see `_parse`."""
        rows = batch.rows
        pair, emotion = self._parse(rows)
        pair = top_pairs(pair, self.pair_settings.top, self.pair_settings.force_first)
        return [
            Prediction(
                id, {"pair": p[:size, :size].detach().numpy(), "emotion": e[:size].detach().numpy()}, cut
            )
            for id, size, cut, p, e in zip(rows.ids, rows.sizes, rows.cut, pair, emotion, strict=True)
        ]

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor]:
        """See `Traceable.traced_scores`: the actions that the parser takes are constant."""
        return list(self._parse(tagged(self.batch_of(documents).rows, tag))[0])

    def _parse(self, rows: DocumentRows) -> tuple[Tensor, Tensor]:
        """Parse the documents of the batch in parallel, one action of each at a time.

        Returns:
            Scores of pairs (B, N, N) and emotion clauses (B, N), on the CPU.
        """
        mask = rows.segment_mask
        own, clauses, buffers = self.heads.read(self.encoder(rows).clauses, mask)
        most = max(rows.sizes)
        emotion = F.pad((torch.sigmoid(own) * mask).cpu(), (0, most - mask.shape[1]))  # (B, N)
        pair, emotion = torch.diag_embed(emotion), emotion.detach().clone()  # (B, N, N)
        parsed: dict[tuple[int, int, int], Tensor] = {}
        states = [State.start(size) for size in mask.sum(1).tolist()]
        taken: list[list[int]] = [[] for _ in states]
        while going := [index for index, state in enumerate(states) if not state.done]:
            tensors = States.build([(index, len(taken[index]), states[index]) for index in going], taken)
            best, actions = (
                self.heads(clauses, buffers, tensors.to(mask.device)).softmax(-1).topk(2)
            )  # (S, 2)
            scores = (best[:, 0] / best.sum(1)).cpu()
            for index, action, score in zip(going, actions[:, 0].tolist(), scores, strict=True):
                if (declared := states[index].declared(action)) is not None:
                    e, c = declared
                    emotion[index, e] = torch.maximum(emotion[index, e], score.detach())
                    if c is not None:
                        parsed[index, e, c] = score
                states[index] = states[index].after(action)
                taken[index].append(action)
        if parsed:
            where = tuple(torch.tensor(list(parsed)).T)
            pair = pair.index_put(where, torch.stack(list(parsed.values())))
        return pair, emotion

    def tune(self, predictions: Sequence[Prediction], documents: Mapping[str, Document]) -> Tuned:
        """See `Method.tune`; also reports the oracle's recall."""
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
