"""CD-MRC: A Consistent Dual-MRC Framework for Emotion-cause Pair Extraction (Cheng et al., ACM TOIS 2023).

Four kinds of questions are asked about the document: which clauses are emotions (EE), which are causes (CE), which
cause a given emotion clause (ESCE), which emotions a given cause clause has (CSEE). Pairs are read in both
directions, from emotions and from causes; a pair is predicted if both directions find it or one is sure of it.
The text of the paper was not available. The released code is zifengcheng/CD-MRC.

==========================  ==================================  ====================================================
argument                    default                             released code
==========================  ==================================  ====================================================
`combine`                   `set`                               the best of 12 read-outs on the test fold, `set` with
                                                                t of .6, .7, .8, .9 among them
threshold t                 0.7, tuned on validation            see above
`negatives`                 0.1, redrawn in each epoch          0.1, drawn once at loading
`dropout`                   0.0                                 the same: its two dropout layers are unused
`mark_asked`                False                               the same
==========================  ==================================  ====================================================

Departures from the released code:

- Pairs are not filtered by a list of emotion clauses; the released list contains all gold ones, even of the test fold.
- The epoch is chosen by pair F1 on validation. The code chooses separate epochs for pairs, emotions and causes on
  the test fold, every 50 steps, and reruns folds with a pair F1 below .5.
- Every clause can be asked about; in the code the first cannot, since its offset is that of padding.
- Vectors pool only the tokens of the question or clause, without [CLS], [SEP] and padding. A row has one [CLS]; in
  the code each clause has one. The LSTM ends at the last clause; in the code, scores depend on the batch.
- A long document loses tokens of its longest clauses. The code keeps the side of the first gold pair, with wrong
  offsets if that is the end of the document, and drops questions above 512 tokens.
- The encoder reads question and document as first and second text; the code builds token types but ignores them.
- A batch holds documents with all their questions; the code has 8 questions. All readers here share one wording.
- A score must exceed t; in the code, equality is enough. EE and CE score emotion and cause clauses; the released
  figures are derived from the pairs (`emotion_from_pairs`, `cause_from_pairs`), with causes modulo 10.
- One weight decay for all matrices; the code has 0.01 in BERT and 1e-5 elsewhere. Embeddings have none.

The question is part of the row, so that every question is an encoder pass. All ESCE and CSEE questions of a batch
are run together. Consistency means this combination of directions alone: the code has no loss for it.
"""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
from torch import Tensor, nn

from ecpe_zoo.errors import unknown_choice
from ecpe_zoo.layers.multi_turn import ADOPTED, Answers, Ask, Combine, pairs_both_ways
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.pooling import LinearPool
from ecpe_zoo.layers.rows import ChunkedRows
from ecpe_zoo.methods.readers import ReaderMethod
from ecpe_zoo.options import EncoderSettings, OptimiserSettings
from ecpe_zoo.text.queries import QueryBatch, QueryRows
from ecpe_zoo.text.recurrent import BiLSTM
from ecpe_zoo.text.token_encoder import TokenEncoder

SURE = 0.7
"""Default of t in the rule `set`; the released values range from .6 to .9."""


class Reader(nn.Module):
    """Two-class logits of each clause; one head for all kinds of questions.

    Args:
        encoder: Token encoder.
        hidden: Units of the LSTM in each direction; its inputs have twice the size.
        dropout: Dropout before the head.
    """

    def __init__(self, encoder: TokenEncoder, hidden: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.pool = encoder, LinearPool(encoder.hidden_size)
        self.narrow = nn.Linear(encoder.hidden_size, 2 * hidden)
        self.context = BiLSTM(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * hidden, 2)

    def forward(
        self, tokens: Tensor, clause_of: Tensor, types: Tensor, lengths: Tensor, clauses: int
    ) -> tuple[Tensor]:
        """Read rows; see `QueryRows` for the arguments, `clauses` is N. Gives logits (R, N, 2) in fp32."""
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]  # (R, T)
        hidden = self.encoder(tokens, mask, types)  # (R, T, H)
        nodes = self.narrow(self.pool(hidden, clause_of, clauses + 1))  # (R, N + 1, 2 h), the question first
        states = self.context(nodes, clause_of.amax(dim=1) + 1)  # (R, N + 1, 2 h)
        with torch.autocast(tokens.device.type, enabled=False):
            states = states.float()
            question = states[:, :1].expand(-1, clauses, -1)
            return (self.head(self.dropout(torch.cat([question, states[:, 1:]], dim=-1))),)


class CDMRC(ReaderMethod):
    """Machine reading comprehension in both directions.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        hidden: Units of the LSTM in each direction.
        dropout: Dropout before the head.
        negatives: Number of additional ESCE and CSEE questions per document in training, about random clauses without
            an answer; a fraction is the probability of one more.
        mark_asked: Whether to mark the clause in question inside the document by its token type.
        ask_above: Threshold for asking ESCE about clauses with a higher emotion probability, and CSEE about those with
            a higher cause probability.
        combine: Pairs that both directions predict or one is sure of (`set`), that one direction finds (`forward`
            from emotions, `backward` from causes); that either (`union`) or both find (`intersection`).
        threshold: Score that a predicted pair exceeds (validation tunes it); in `set`, how sure one direction must be.
            If not given, 0.7 in `set` and 0.5 elsewhere.
        optimiser: Optimiser; rates and warm-up of the released code.
        token_slots: Maximum number of token slots per encoder pass, padding included; affects speed and memory only.
    """

    id: ClassVar[str] = "cd_mrc"
    ablations: ClassVar[frozenset[str]] = frozenset({"combine", "mark_asked", "negatives"})

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        hidden: int = 100,
        dropout: float = 0.0,
        negatives: float = 0.1,
        mark_asked: bool = False,
        ask_above: float = 0.5,
        combine: Combine = "set",
        threshold: float | None = None,
        optimiser: OptimiserSettings = OptimiserSettings(1e-4, encoder_lr=2e-5),
        token_slots: int = 8192,
    ) -> None:
        super().__init__()
        self.settings = EncoderSettings.of(self.hparams.encoder)
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)
        if combine not in get_args(Combine):
            raise unknown_choice("--model.combine", combine, get_args(Combine))
        self.hidden, self.dropout = hidden, dropout
        self.negatives, self.mark_asked, self.reduction = negatives, mark_asked, "mean"
        self.ask_above, self.combine = ask_above, combine
        self.threshold = threshold if threshold is not None else SURE if combine == "set" else ADOPTED
        self.chunked = ChunkedRows(token_slots)
        self.reader: Reader

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        self.reader = Reader(self.make_reader_parts(from_checkpoint), self.hidden, self.dropout)

    def read(self, rows: QueryRows, tokens: Tensor) -> Tensor:
        """Logits (R, N, 2) of rows with the tokens (R, T)."""
        return self.chunked(self.reader, rows, tokens)[0]

    def clause_logits(self, reading: Tensor) -> Tensor:
        """See `ReaderMethod.clause_logits`."""
        return reading

    def losses(self, batch: QueryBatch) -> dict[str, Tensor]:
        """Cross-entropy, the mean over the clauses of all questions."""
        return {"answers": self.cross_entropy(self.read(batch.rows, batch.rows.tokens), batch.rows)}

    def pairs(self, first: Answers, ask: Ask) -> list[dict[str, Tensor]]:
        """See `pairs_both_ways`."""
        return pairs_both_ways(first, ask, self.ask_above, self.combine)

    def configure_optimizers(self) -> Any:
        """AdamW with a linear schedule with warm-up."""
        return make_optimiser(self, self.optimiser, self.reader, self.reader.encoder)
