"""CD-MRC: A Consistent Dual-MRC Framework for Emotion-cause Pair Extraction (Cheng et al., ACM TOIS 2023).

Four kinds of question are asked of the document: which clauses are emotions (EE), which are causes (CE), which are the
causes of one emotion clause (ESCE), which are the emotions of one cause clause (CSEE). Pairs are read in both
directions, from emotions and from causes, and a pair is predicted if both directions find it or one of them is sure.
The text of the paper was not at hand. The released code is zifengcheng/CD-MRC.

==========================  ==================================  ====================================================
argument                    default                             released code
==========================  ==================================  ====================================================
`combine`                   `set`                               the best of 12 read-outs on the test fold, `set` with
                                                                t of .6, .7, .8, .9 among them
threshold t                 0.7, tuned on validation            see above
`negatives`                 0.1, drawn anew in each epoch       0.1, drawn once at loading
`dropout`                   0.0                                 the same: two dropout layers are there and not used
`mark_asked`                False                               the same
==========================  ==================================  ====================================================

Departures from the released code:

- No list of emotion clauses filters the pairs; the released one holds all gold ones, those of the test fold too.
- The epoch is chosen by the pairs, on validation. There, pairs, emotions and causes have an epoch each, chosen on the
  test fold every 50 steps, and a fold with a pair F1 below .5 is run again.
- Every clause can be asked about; there the first one cannot, since its offset is that of padding.
- Vectors pool the tokens of the question or clause alone, without [CLS], [SEP] and padding. One [CLS] begins a row; in
  the code each clause has one. The LSTM ends with the last clause; in the code, scores depend on the batch.
- A long document loses tokens of its longest clauses. There the side of the first gold pair is kept, with misplaced
  offsets where it is the end of the document; questions above 512 tokens are dropped.
- The encoder reads the question and the document as first and second text; there, token types are built and not used.
- A batch holds documents with all their questions; the code has 8 questions. The wording is that of all readers here.
- A score has to be above t; there, t is enough. Emotion and cause clauses are scored by EE and CE; the released figures
  are derived from the pairs (`emotion_from_pairs`, `cause_from_pairs`), with causes modulo 10.
- One weight decay for all matrices; the code has 0.01 in BERT and 1e-5 elsewhere. Embeddings have none.

The question is in the row with the document, so that every question is an encoder pass. All ESCE and CSEE questions of
a batch of documents are asked together. Consistency is this combination alone: the code has no loss for it.
"""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
from torch import Tensor, nn

from ecpe_zoo.data.predictions import Array
from ecpe_zoo.errors import ZooError, unknown_choice
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
"""Default of t in the rule `set`; a value in the middle of the released ones."""


class Reader(nn.Module):
    """Two-class logits of each clause; the same head for all kinds of question.

    Args:
        encoder: Encoder of tokens.
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
    """Reading in both directions.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        hidden: Units of the LSTM in each direction.
        dropout: Dropout before the head.
        negatives: In training, this many more ESCE and CSEE questions a document, of random clauses that have no
            answer; a fraction is the probability of one more.
        mark_asked: Point at the asked clause inside the document, by its token type.
        ask_above: ESCE is asked of clauses with a higher probability of emotion, CSEE of those with a higher
            probability of cause.
        combine: Pairs that both directions adopt or one is sure of (`set`); those that one direction finds (`forward`
            from emotions, `backward` from causes); those of either (`union`) or both (`intersection`).
        threshold: A pair scores above it, until validation has tuned it; in `set`, how sure one direction has to be.
            If not given, 0.7 in `set` and 0.5 elsewhere.
        optimiser: Optimiser; rates and warm-up of the released code.
        token_slots: Most token slots that are run at once, padding included; of speed and memory only.
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
        if not 0 <= ask_above <= 1:
            raise ZooError(f"Expected --model.ask_above from 0 to 1, but got {ask_above}.")
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

    def pairs(self, first: Answers, ask: Ask) -> list[dict[str, Array]]:
        """See `pairs_both_ways`."""
        return pairs_both_ways(first, ask, self.ask_above, self.combine)

    def configure_optimizers(self) -> Any:
        """AdamW with a linear schedule with warm-up."""
        return make_optimiser(self, self.optimiser, self.reader, self.reader.encoder)
