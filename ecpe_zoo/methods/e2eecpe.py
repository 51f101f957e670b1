"""E2EECPE: End-to-end Emotion-Cause Pair Extraction via Learning to Link (Song, Zhang, Song; arXiv 2002.10710).

Clauses are nodes; a biaffine form scores a directed link from every emotion clause to every cause clause, and
an asymmetric weight prefers causes just before their emotion. Emotion and cause tagging are auxiliary tasks.

The defaults follow the paper if it differs from the released code; arguments select the latter:

==================  =================================  ==================================================
argument            paper (default)                    released code
==================  =================================  ==================================================
`filters`           50 per kernel                      75
`initialisation`    `he`                               `xavier`
`reduction`         `sum` over entries                 `mean` over entries
`masked`            True (not stated)                      False: padding counts as negative entries
`freeze_vectors`    False: vectors initialise the      True
                    embeddings, which are trained
==================  =================================  ==================================================

Departures from both:

- The pair loss (eq. 15) is computed in log space. `log(sigmoid(M) A)` of a rounded probability loses its gradient
  for a gold pair if M is far below 0; see `link_loss`.
- A window of the clause network (eq. 1) stays within its clause, and a clause shorter than the widest kernel is padded
  to one window. The released code lets windows reach into the padding of the batch, so that a clause depends on its
  batch-mates.
- `weight_decay` is Adam's: it adds lambda theta to the gradient, as the released code does, while the paper's penalty
  lambda ||theta||^2 has the gradient 2 lambda theta. Give twice the value for the paper's formula. Embeddings
  are left out: under Adam, decay alone would move the words that get no gradient, above all words of test documents
  (10.8 % of the test tokens of xia-ding-2019), by the full learning rate in every step.
- `encoder` replaces the words and their CNN, so that the method can be compared with others
  on one encoder; the rest is unchanged. It uses AdamW, `encoder_lr` and a schedule.
- The optimiser is fresh for each fold, and emotion and cause predictions on padding are never scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.clause_cnn import KERNELS, MIN_WORDS, ClauseCNN
from ecpe_zoo.layers.decoding import top_pairs
from ecpe_zoo.layers.dropout import Dropout
from ecpe_zoo.layers.links import LinkOutputs, link_loss, position_weights
from ecpe_zoo.layers.optimisation import clippable, make_optimiser
from ecpe_zoo.layers.pair_set import candidates
from ecpe_zoo.layers.segment_encoder import SegmentEncoder
from ecpe_zoo.methods.ecpe import ClausePairMethod, PairOutputs, make_readers, predictions_of, vocabulary_of
from ecpe_zoo.methods.traces import TokenReader
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings
from ecpe_zoo.text.clause_batch import PADDING, SPECIALS, ClauseBatch, ClauseCollator, words_of
from ecpe_zoo.text.document_rows import DocumentCollator, DocumentRows
from ecpe_zoo.text.encoders import Vocabulary
from ecpe_zoo.text.profile import TokenCounter
from ecpe_zoo.text.recurrent import lacks_16_bit_lstm
from ecpe_zoo.text.vectors import read_word_vectors


class E2EECPE(ClausePairMethod):
    """Directed link prediction over clauses.

    Args:
        vectors: File of word vectors in word2vec text format, plain or .gz; learned from scratch if not given.
        freeze_vectors: Whether vectors from the file are frozen, as in the released code.
        word_width: Size of vectors learned from scratch.
        filters: Filters per kernel, of four kernels; 50 in the paper, 75 in the released code.
        hidden: Units of the document BiLSTM in each direction.
        node: Size of the four projections.
        dropout: Dropout on word vectors and clause vectors.
        auxiliary: Whether to train the emotion and cause tasks (Table 3: without).
        position: Whether to weight links by the asymmetric distance (Table 3: without).
        beta: Weight of the auxiliary losses.
        smoothing: Epsilon of the position weights, above 0.
        threshold: Score that a predicted pair exceeds (swept in Table 4).
        masked: Whether padding is left out of the losses; the released code counts it.
        reduction: How losses are reduced: summed per document (`sum`) or averaged over the batch (`mean`).
        initialisation: `he` as in the paper, or `xavier` as in the released code.
        optimiser: Adam with a constant rate, with coupled L2 decay on all parameters but the embeddings, biases
            included. With `encoder`: AdamW, with all options.
        encoder: Token encoder that replaces word vectors and CNN; null keeps them. With an encoder, `freeze_vectors`,
            `word_width` and `filters` are unused.
        reading: How clauses become vectors with `encoder`; if null, the mean of their tokens in one document pass.
        pairs: Candidates and decoding: all pairs if null. `prior` has no effect, since links have no bias. Position
            weights need both `position` and `pairs.position`.

    Raises:
        ZooError: `smoothing` is not above 0: the farthest pair would have probability 0 and an infinite loss. Without
            an encoder: a schedule, `encoder_lr` or `reading` is given. With one: `vectors` is given.
    """

    id: ClassVar[str] = "e2eecpe"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"auxiliary", "position", "masked", "reduction", "initialisation", "freeze_vectors"}
        | {"encoder.name", "pairs.position"}
    )

    def __init__(
        self,
        vectors: str | None = None,
        freeze_vectors: bool = False,
        word_width: int = 200,
        filters: int = 50,
        hidden: int = 300,
        node: int = 100,
        dropout: float = 0.5,
        auxiliary: bool = True,
        position: bool = True,
        beta: float = 1.0,
        smoothing: float = 1.0,
        threshold: float = 0.3,
        masked: bool = True,
        reduction: Literal["sum", "mean"] = "sum",
        initialisation: Literal["he", "xavier"] = "he",
        optimiser: OptimiserSettings = OptimiserSettings(1e-3, None, 1e-5, 0.0, "constant"),
        # null: a record from before the option existed equals one that does not set it
        encoder: EncoderSettings | None = None,
        reading: ReadingSettings | None = None,
        pairs: PairSettings | None = None,
    ) -> None:
        super().__init__()
        if smoothing <= 0:
            raise ZooError(f"Expected --model.smoothing to be above 0, but got {smoothing}.")
        self.vectors, self.freeze_vectors, self.word_width = vectors, freeze_vectors, word_width
        self.filters, self.hidden, self.node, self.dropout_rate = filters, hidden, node, dropout
        self.auxiliary, self.beta, self.smoothing = auxiliary, beta, smoothing
        self.threshold, self.masked, self.reduction = threshold, masked, reduction
        self.initialisation = initialisation
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)
        self.settings = None if encoder is None else EncoderSettings.of(self.hparams.encoder)
        self.sort_by = "segments" if encoder is None else "tokens"
        self.reading = ReadingSettings.of(self.hparams.reading or {})
        self.pair_settings = PairSettings.of(self.hparams.pairs or {})
        self.position = position and self.pair_settings.position
        plain = OptimiserSettings(self.optimiser.lr, None, self.optimiser.weight_decay, 0.0, "constant")
        if self.settings is None and self.optimiser != plain:
            raise ZooError(
                "Expected --model.optimiser of e2eecpe without an encoder to have only lr and weight_decay, but got "
                f"{self.optimiser}: its rate is constant."
            )
        if self.settings is None and reading is not None:
            raise ZooError(
                "Expected --model.reading of e2eecpe only with --model.encoder, but got no encoder: its own network "
                "reads each clause alone."
            )
        if self.settings is not None and vectors is not None:
            raise ZooError(
                f"Expected no --model.vectors with --model.encoder, but got {vectors}. "
                "Use --model.encoder.vectors with the encoders recurrent and words."
            )
        self.word_ids: dict[str, int] = {}
        self.encoder: SegmentEncoder | None = None
        self._pretrained: Tensor | None = None

    @classmethod
    def idle(cls, options: Mapping[str, Any]) -> frozenset[str]:
        """See `Method.idle`: vectors learned from scratch cannot be frozen; a link has no bias for `prior`."""
        idle = {"pairs.prior"} if options.get("vectors") else {"pairs.prior", "freeze_vectors"}
        if options.get("encoder.name"):
            idle |= {"vectors", "freeze_vectors", "word_width", "filters"}
        return frozenset(idle)

    # --- text to batch

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """The words of the vectors file, else of the training documents; or see `make_encoder_vocabulary`."""
        if self.settings is not None:
            return vocabulary_of(documents, self.settings)
        if self.vectors is not None:
            words, self._pretrained = read_word_vectors(self.vectors)
            self.facts["word_width"] = self._pretrained.shape[1]
            return words
        self.facts["word_width"] = self.word_width
        return sorted(
            {word for document in documents for text in document.segments for word in words_of(text)}
        )

    def tokens(self, document: Document) -> int:
        """Word slots: every clause fills at least one window of the widest kernel. With an encoder, its tokens."""
        if self.encoder is not None:
            return self.documents.slots(document)
        return sum(max(len(segment.words), MIN_WORDS) for segment in document.segments)

    def token_counter(self) -> TokenCounter:
        """Counts words, and those without a vector; or see `Method.token_counter`."""
        if self.encoder is not None:
            return super().token_counter()
        known = self.word_ids
        return lambda text: (len(text.split()), sum(word not in known for word in text.lower().split()))

    def collator(self, training: bool) -> ClauseCollator | DocumentCollator:
        """One collator for training and evaluation."""
        if self.encoder is not None:
            return self.documents
        return ClauseCollator(self.word_ids, MIN_WORDS)

    def token_readers(self) -> list[TokenReader]:
        """The word vectors; or see `Traceable.token_readers`."""
        if self.encoder is not None:
            return super().token_readers()
        return [TokenReader(self.embedding, [self.embedding])]

    def token_texts(self, segment: Segment) -> list[str]:
        """The words; or see `Traceable.token_texts`."""
        return super().token_texts(segment) if self.encoder is not None else list(segment.words)

    # --- network

    def build(self, from_checkpoint: bool) -> None:
        """Create and initialise the network."""
        assert self.vocabulary is not None
        if self.settings is None:
            self.word_ids = {word: index + SPECIALS for index, word in enumerate(self.vocabulary)}
            width = int(self.facts["word_width"])
            self.embedding = nn.Embedding(len(self.vocabulary) + SPECIALS, width, padding_idx=PADDING)
            self.clause_encoder = ClauseCNN(width, self.filters)
            clause_width = len(KERNELS) * self.filters
        else:
            self.encoder, self.documents = make_readers(
                self.settings, self.reading, self.vocabulary, from_checkpoint
            )
            clause_width = self.encoder.size
        self.document_encoder = nn.LSTM(clause_width, self.hidden, batch_first=True, bidirectional=True)
        self.projections = nn.Linear(2 * self.hidden, 4 * self.node)
        self.link = nn.Linear(self.node, self.node)  # W and b of the biaffine form
        if self.auxiliary:
            self.emotion_head, self.cause_head = nn.Linear(self.node, 2), nn.Linear(self.node, 2)
        self.dropout = Dropout(self.dropout_rate)
        self._initialise()
        if self.settings is not None:
            return
        if self._pretrained is not None:
            with torch.no_grad():  # words without a vector are zero, as in the released code
                self.embedding.weight[:SPECIALS].zero_()
                self.embedding.weight[SPECIALS:].copy_(self._pretrained)
            self._pretrained = None  # no longer needed
        self.embedding.weight.requires_grad_(self.vectors is None or not self.freeze_vectors)

    def _initialise(self) -> None:
        """He or Xavier, uniform, for every matrix, the recurrent ones too (released code).

        Vectors of length k are drawn from U(-1/sqrt k, 1/sqrt k). Our fused matrices are drawn in the shapes of the
        released layers, since Xavier's bound depends on both fans: a kernel is a two-dimensional convolution over one
        channel, (filters, 1, kernel, width); the four projections are two layers of 2 `node` outputs each; and the
        bias of the biaffine form is a row of its matrix, (node + 1, node). He's bound depends on the fan-in alone.
        """

        def fill(*shape: int) -> Tensor:
            weight = torch.empty(*shape)
            if self.initialisation == "he":
                return nn.init.kaiming_uniform_(weight, nonlinearity="relu")
            return nn.init.xavier_uniform_(weight)

        filled: dict[str, Tensor] = {}
        if self.encoder is None:
            width, taps = self.embedding.embedding_dim, list[Tensor]()
            for kernel in KERNELS:
                taps.extend(fill(self.filters, 1, kernel, width)[:, 0].unbind(1))  # (filters, width) each
            filled["clause_encoder.taps.weight"] = torch.cat(taps)
        filled["projections.weight"] = torch.cat([fill(2 * self.node, 2 * self.hidden) for _ in range(2)])
        if self.initialisation == "xavier":
            biaffine = fill(self.node + 1, self.node)
            filled |= {"link.weight": biaffine[:-1], "link.bias": biaffine[-1]}
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.startswith("encoder."):  # has its own initialisation
                    continue
                if name == "embedding.weight":
                    nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)
                    parameter[PADDING].zero_()
                elif name in filled:
                    parameter.copy_(filled[name])
                elif parameter.dim() > 1:
                    parameter.copy_(fill(*parameter.shape))
                else:
                    nn.init.uniform_(parameter, -(len(parameter) ** -0.5), len(parameter) ** -0.5)

    def encode(self, batch: ClauseBatch | DocumentRows) -> Tensor:
        """Vectors (B, N, width) of the clauses, by the words and their CNN or by the encoder."""
        if isinstance(batch, DocumentRows):
            assert self.encoder is not None
            found: Tensor = self.dropout(self.encoder(batch).clauses)
            return found
        words = self.dropout(self.embedding(batch.words))  # (W, width)
        clauses = self.dropout(self.clause_encoder(words, batch.clause_words))  # (C, 4 filters)
        return pad_sequence(clauses.split(batch.document_clauses.tolist()), batch_first=True)

    def forward(self, batch: ClauseBatch | DocumentRows) -> LinkOutputs:
        """Score clauses and links; see `LinkOutputs`."""
        padded, sizes = self.encode(batch), batch.segment_mask.sum(1)
        device = padded.device
        narrow = torch.is_autocast_enabled(device.type) and not lacks_16_bit_lstm(device)
        with torch.autocast(device.type, enabled=narrow):
            packed = pack_padded_sequence(padded, sizes.cpu(), batch_first=True, enforce_sorted=False)
            encoded, _ = self.document_encoder(packed)
        hidden, _ = pad_packed_sequence(encoded, batch_first=True)  # (B, N, 2 hidden)
        link_e, link_c, tag_e, tag_c = F.relu(self.projections(hidden)).split(self.node, dim=-1)
        links = self.link(link_e) @ link_c.transpose(1, 2)  # (B, N, N): (W z^e + b)^T z^c
        weights = candidates(batch.segment_mask, self.pair_settings.window).float()
        if self.position:
            weights = weights * position_weights(sizes, links.shape[1], self.smoothing)
        # without the auxiliary tasks, emotions and causes come from the pairs alone
        emotion, cause = (
            (self.emotion_head(tag_e), self.cause_head(tag_c))
            if self.auxiliary
            else (tag_e[..., :0], tag_c[..., :0])
        )
        return LinkOutputs(emotion.float(), cause.float(), links.float(), weights)

    def losses(self, batch: ClauseBatch | DocumentRows) -> dict[str, Tensor]:
        """Equations 15 to 17: binary cross-entropy of the links, cross-entropy of the tags."""
        outputs: LinkOutputs = self(batch)
        among = outputs.weights > 0  # candidates
        links = link_loss(outputs.links, outputs.weights, batch.gold.pairs * among)
        losses = {"pair": self.reduce(links, among)}
        if self.auxiliary:
            tags = self.clause_losses(outputs, batch.gold, batch.segment_mask)
            losses |= {name: self.beta * loss for name, loss in tags.items()}
        return losses

    def scores(self, outputs: PairOutputs) -> dict[str, Tensor]:
        """See `ClausePairMethod.scores`."""
        scores = super().scores(outputs)
        chosen = self.pair_settings
        return scores | {"pair": top_pairs(scores["pair"], chosen.top, chosen.force_first)}

    def decode(self, batch: ClauseBatch | DocumentRows) -> list[Prediction]:
        """See `scores`."""
        if isinstance(batch, DocumentRows):
            return predictions_of(batch, self.scores(self(batch)))
        return super().decode(batch)

    def configure_optimizers(self) -> Any:
        """Adam with coupled weight decay on all but the embeddings, no schedule; with an encoder `make_optimiser`."""
        if self.encoder is not None:
            return make_optimiser(self, self.optimiser, self, self.encoder.encoder)
        embedding = self.embedding.weight
        decayed = [p for p in self.parameters() if p is not embedding and p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": self.optimiser.weight_decay}]
        if embedding.requires_grad:
            groups.append({"params": [embedding], "weight_decay": 0.0})
        # fused: one pass over the weights instead of ten
        return clippable(torch.optim.Adam(groups, lr=self.optimiser.lr, fused=True))
