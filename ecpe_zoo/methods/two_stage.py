"""Indep, Inter-CE and Inter-EC: Emotion-Cause Pair Extraction, a New Task to Emotion Analysis in Texts.

Xia and Ding, ACL 2019. Stage one finds emotion clauses and cause clauses. Stage two keeps or drops each pair of a found
emotion and a found cause. The released code is NUSTM/ECPE.

==================  ========================================  ========================================================
argument            default                                   released code
==================  ========================================  ========================================================
`candidates`        out-of-fold: stage two trains on pairs    in-sample: stage one predicts documents that it has
                    from models that did not train on their   memorised, so that stage two sees few of the wrong pairs
                    documents                                 that it has to filter at test
`add_gold`          False                                     False: never trained on gold pairs that stage one missed
`own_encoders`      False: one encoder for both branches      True
`distance`          trained, up to 12 clauses apart: random   fixed: 201 random vectors that are never trained
                    vectors do not show which are near
`pair_dropout`      None: as in stage one; 0.5 is too much    0.5 on word vectors (0.2 in stage one)
                    for a transformer
`pairs.prior`       True                                      False
`optimiser`         decay of 1e-5 on all matrices             1e-5 times half the squared weights of the classifiers
==================  ========================================  ========================================================

Faults of the released code, and how they are fixed here:

- The test fold chooses the epoch of stage one (best mean F1 of emotions and causes), and thereby the training pairs of
  stage two; then the epoch of stage two, and another for its accuracy. Here validation chooses both epochs (the test
  fold under `--data.protocol paper`), and one checkpoint gives all scores.
- The annotated emotion words enter the vocabulary. Here it contains words of the texts and of the vectors file.
- Stage two averages its loss over pairs and both classes, which halves it. Here it is the mean over pairs.
- Attention takes exp without subtracting the maximum, and is 0 / 0 for an empty clause; see `AttentionPool`.
- log(softmax) on padding is multiplied by 0, which is NaN for log 0. Here losses mask logits.
- Clauses are cut after 30 words, and more than 75 clauses raise. Here only the encoder's limit applies.
- Pairs are numbers (document, emotion and cause in decimals) that coincide from 100 clauses on. Here they are tuples.
- The last incomplete batch of an epoch is dropped, and settings run twice without a seed.

Other departures: a softmax over two classes is a sigmoid of their difference, and the link passes one probability.
Validation tunes the threshold of stage two, where the code takes the argmax. Batches of stage two hold documents with
all their candidates. `recurrent` also applies dropout to its output and adds the mean word to each word. Weights start
as in torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.layers.decoding import top_pairs
from ecpe_zoo.layers.losses import masked_bce
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.pair_set import PairSet, candidates
from ecpe_zoo.layers.segment_encoder import SegmentEncoder
from ecpe_zoo.layers.two_branch import First, Link, TwoBranch
from ecpe_zoo.layers.two_stage_networks import ClauseNetwork, Clauses, Distance, PairNetwork, make_position
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.ecpe import make_readers, predictions_of, vocabulary_of
from ecpe_zoo.methods.out_of_fold import fold_stages, learned_in, predicting_stages, scores_so_far, stage_seed
from ecpe_zoo.methods.stages import Between, Stage
from ecpe_zoo.methods.traces import Tag
from ecpe_zoo.metrics.pairs import CLAUSE_THRESHOLD, above
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings
from ecpe_zoo.text.candidate_rows import PairBatch, PairCollator
from ecpe_zoo.text.document_rows import DocumentCollator, DocumentRows, tagged
from ecpe_zoo.text.encoders import Vocabulary

Form = Literal["indep", "inter-ce", "inter-ec"]
Candidates = Literal["out-of-fold", "in-sample"]

FORMS: dict[Form, tuple[Link, First]] = {
    "indep": ("none", "emotion"),
    "inter-ce": ("probs", "cause"),
    "inter-ec": ("probs", "emotion"),
}
CLAUSES, PAIRS = "clauses", "pairs"
"""Stage one and stage two. Out-of-fold, `fold-1`, `fold-2` ... precede them."""

STAGE_TWO = frozenset(
    {"candidates", "folds", "add_gold", "distance", "pair_dropout", "pair_epochs"}
    | {"pairs.position", "pairs.prior"}
)
"""Options used only by stage two."""

CLAUSE_F1 = "val/clause_f1"
"""Mean F1 of emotions and causes, which chooses the epoch of stage one."""


def product(prediction: Prediction) -> set[Pair]:
    """All pairs of a found emotion clause and a found cause clause."""
    emotions, causes = (above(prediction.scores[name], CLAUSE_THRESHOLD) for name in ("emotion", "cause"))
    return {(emotion, cause) for (emotion,) in emotions for (cause,) in causes}


class TwoStage(Method):
    """Emotion and cause clauses first, then a filter of their pairs.

    Args:
        encoder: Token encoder: `recurrent` over words, `embedded`, or a Hugging Face name or folder. Each stage trains
            its own.
        reading: How clauses become vectors.
        form: `inter-ec` feeds emotion probabilities to the cause branch, `inter-ce` cause probabilities to the
            emotion branch, `indep` none.
        filter: Whether to train stage two. Without it, every found emotion is paired with every found cause.
        candidates: Training pairs of stage two: predicted `out-of-fold`, by models not trained on their
            documents, or `in-sample`, by stage one itself.
        folds: Number of models that predict out-of-fold; each trains on the documents of the other folds.
        add_gold: Whether stage two also trains on the gold pairs missing from them.
        own_encoders: Whether the emotion and the cause branch each have their own encoder.
        hidden: Units of the LSTMs over clauses in each direction.
        distance: Whether distance embeddings are `trained`, or `fixed` at random values.
        pair_dropout: Dropout rate of stage two's encoder; the rate of `encoder` if not given.
        pair_epochs: Maximum epochs of stage two; the trainer's if not given.
        pairs: Candidates and decoding. A window applies to the found pairs too.
        threshold: Score that a predicted pair exceeds. Without a filter, a pair scores the lower of its probabilities.
        optimiser: Optimiser of each stage.
    """

    id: ClassVar[str] = "two_stage"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"form", "filter", "candidates", "add_gold", "own_encoders", "distance"}
        | {"encoder.train_vectors", "pairs.position"}
    )

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("recurrent", 200, dropout=0.2, train_vectors=False),
        reading: ReadingSettings = ReadingSettings("clause", "attention"),
        form: Form = "inter-ec",
        filter: bool = True,
        candidates: Candidates = "out-of-fold",
        folds: int = 2,
        add_gold: bool = False,
        own_encoders: bool = False,
        hidden: int = 100,
        distance: Distance = "trained",
        pair_dropout: float | None = None,
        pair_epochs: int | None = None,
        pairs: PairSettings = PairSettings(),
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(5e-3, None, 1e-5, 0.0, "constant"),
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ("a form", form, get_args(Form)),
            ("candidates", candidates, get_args(Candidates)),
            ("a distance", distance, get_args(Distance)),
        ):
            if value not in choices:
                raise unknown_choice(name, value, choices)
        if folds < 2:
            raise ZooError(
                f"Expected --model.folds of at least 2, but got {folds}. For one, use --model.candidates in-sample."
            )
        self.settings = EncoderSettings.of(self.hparams.encoder)
        self.reading = ReadingSettings.of(self.hparams.reading)
        self.pair_settings = PairSettings.of(self.hparams.pairs)
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)
        self.form, self.filter, self.candidates, self.folds = form, filter, candidates, folds
        self.add_gold, self.own_encoders, self.hidden = add_gold, own_encoders, hidden
        self.distance, self.pair_dropout, self.pair_epochs = distance, pair_dropout, pair_epochs
        self.threshold = threshold
        self.found: dict[str, set[Pair]] | None = None  # candidates of the training documents, in stage two

    @classmethod
    def idle(cls, options: Mapping[str, Any]) -> frozenset[str]:
        """Options of stage two without it, of folds if in-sample, and of distances without positions."""
        if not options.get("filter", True):
            return STAGE_TWO
        idle = {"folds"} if options.get("candidates") == "in-sample" else set()
        return frozenset(idle if options.get("pairs.position", True) else idle | {"distance"})

    # --- text to batch

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """See `make_encoder_vocabulary`."""
        return vocabulary_of(documents, self.settings)

    def tokens(self, document: Document) -> int:
        """Tokens of all clauses, special ones included."""
        return self.documents.slots(document)

    def collator(self, training: bool) -> DocumentCollator | PairCollator:
        """Documents, with their candidates in training of stage two."""
        if training and self.stage == PAIRS and self.found is not None:
            return PairCollator(self.documents, self.found)
        return self.documents

    # --- network

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        assert self.vocabulary is not None
        encoders = []
        for _ in range(2 if self.own_encoders else 1):
            encoder, self.documents = make_readers(
                self.settings, self.reading, self.vocabulary, from_checkpoint
            )
            encoders.append(encoder)
        branches = TwoBranch(encoders[0].size, self.hidden, *FORMS[self.form])
        self.clause_network = ClauseNetwork(encoders, branches)
        self.pair_network: PairNetwork | None = None
        if self.filter:
            settings = self.settings
            if self.pair_dropout is not None:
                settings = replace(settings, dropout=self.pair_dropout)
            encoder, _ = make_readers(settings, self.reading, self.vocabulary, from_checkpoint)
            self.pair_network = PairNetwork(encoder, make_position(self.pair_settings, self.distance))
        # parameters frozen by an option stay frozen in their stage
        self.trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}

    def on_stage(self, stage: str) -> None:
        """Each stage trains its own network."""
        mine = "pair_network." if stage == PAIRS else "clause_network."
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name in self.trained and name.startswith(mine))

    def forward(self, batch: DocumentRows) -> Clauses:
        """Clause logits of stage one."""
        found: Clauses = self.clause_network(batch)
        return found

    # --- losses

    def losses(self, batch: DocumentRows | PairBatch) -> dict[str, Tensor]:
        """Mean binary cross-entropy: of emotion and cause clauses in stage one, of candidates in stage two.

        Without candidates from `prepare`, stage two uses all pairs.
        """
        rows = batch.rows if isinstance(batch, PairBatch) else batch
        if self.stage != PAIRS:
            found: Clauses = self(rows)
            return {
                "emotion": masked_bce(found.emotion, rows.gold.emotion, rows.segment_mask),
                "cause": masked_bce(found.cause, rows.gold.cause, rows.segment_mask),
            }
        assert self.pair_network is not None
        among = candidates(rows.segment_mask, self.pair_settings.window)
        if isinstance(batch, PairBatch):
            among = among & batch.among
        pairs = PairSet.among(among)
        if not len(pairs.document):  # no pair to learn from; every parameter still has a gradient
            trained = (parameter.sum() for parameter in self.parameters() if parameter.requires_grad)
            return {"pair": 0.0 * torch.stack(list(trained)).sum()}
        return {"pair": masked_bce(self.pair_network(rows, pairs), pairs.flat(rows.gold.pairs))}

    def configure_optimizers(self) -> Any:
        """AdamW; see `make_optimiser`."""
        encoders = [part for part in self.modules() if isinstance(part, SegmentEncoder)]
        tokens = nn.ModuleList(encoder.encoder for encoder in encoders)
        return make_optimiser(self, self.optimiser, self, tokens)

    # --- stages

    def stages(self) -> tuple[Stage, ...]:
        """Stage one, preceded by a model per fold if out-of-fold, and stage two."""
        first = Stage(CLAUSES, monitor=CLAUSE_F1)
        if not self.filter:
            return (first,)
        folds = fold_stages(self.folds) if self.candidates == "out-of-fold" else ()
        models = (first._replace(name=name, watched=False) for name in folds)
        return *models, first, Stage(PAIRS, self.pair_epochs)

    def prepare(self, between: Between) -> None:
        """Start each model of stage one from new weights, and find the training pairs of stage two."""
        if not self.filter:
            return
        documents = between.data.documents("train")
        by = dict.fromkeys((document.id for document in documents), CLAUSES)
        if self.candidates == "out-of-fold":
            by = predicting_stages(documents, self.folds)
        predictions = scores_so_far(between, documents, by)
        if between.stage == PAIRS:
            self.found = {prediction.id: product(prediction) for prediction in predictions}
            between.data.replace_training(self._learned(documents, between.resumed))
            return
        if between.earlier and not between.resumed:
            self.renew(stage_seed(between.stage))
        held = between.stage != CLAUSES
        between.data.replace_training(learned_in(between.stage, documents, by) if held else None)

    def _learned(self, documents: Sequence[Document], resumed: bool) -> list[Document] | None:
        """The documents with candidates; sets the bias of the pair head to the logit of their share of gold pairs."""
        assert self.found is not None
        assert self.pair_network is not None
        window = self.pair_settings.window
        gold = {document.id: document.pairs or frozenset[Pair]() for document in documents}
        missed = sum(len(pairs - self.found[id]) for id, pairs in gold.items())
        for id, pairs in gold.items():
            every = self.found[id] | (set(pairs) if self.add_gold else set())
            self.found[id] = {pair for pair in every if window is None or abs(pair[0] - pair[1]) <= window}
        count = sum(map(len, self.found.values()))
        right = sum(len(pairs & self.found[id]) for id, pairs in gold.items())
        if not count:
            rank_zero_warn(
                "Stage one found no pair of emotion and cause in the training documents, so that stage two learns "
                "nothing. Train stage one longer: --trainer.max_epochs."
            )
            return None
        rank_zero_info(
            f"Stage two trains on {count:,} pairs, {right:,} of them gold. Stage one missed {missed:,} of "
            f"{sum(map(len, gold.values())):,} gold pairs of the training documents."
        )
        if self.pair_settings.prior and not resumed:
            share = torch.tensor((right + 1) / (count + 2))  # never 0 or 1
            with torch.no_grad():
                self.pair_network.pair_head.bias.fill_(float(torch.logit(share)))
        return [document for document in documents if self.found[document.id]]

    # --- predictions

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> list[Prediction]:
        """Predict; without pairs while stage one trains, so that emotions and causes choose the epoch."""
        predictions = self.decode(batch)
        if self.stage == PAIRS or self.trainer.state.fn != "fit":
            return predictions
        return [
            p._replace(scores={name: p.scores[name] for name in ("emotion", "cause")}) for p in predictions
        ]

    def decode(self, batch: DocumentRows) -> list[Prediction]:
        """Probabilities of clauses, and of pairs of found clauses; 0 for all other pairs.

        Stage one alone scores a pair with the lower of its two probabilities.
        """
        emotion, cause, grid = self._scored(batch)
        chosen = self.pair_settings
        scores = {"pair": top_pairs(grid, chosen.top, chosen.force_first), "emotion": emotion, "cause": cause}
        return predictions_of(batch, scores)

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor]:
        """See `Traceable.traced_scores`."""
        return list(self._scored(tagged(self.batch_of(documents), tag))[2])

    def _scored(self, batch: DocumentRows) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of emotion clauses (B, N), cause clauses (B, N) and pairs (B, N, N)."""
        emotion, cause = (torch.sigmoid(logits) for logits in self(batch))
        possible = candidates(batch.segment_mask, self.pair_settings.window)
        lower = torch.minimum(emotion[:, :, None], cause[:, None, :])  # (B, N, N)
        grid = lower * possible
        if self.stage == PAIRS:
            assert self.pair_network is not None
            pairs = PairSet.among(possible & (lower > CLAUSE_THRESHOLD))
            logits = self.pair_network(batch, pairs) if len(pairs.document) else emotion.new_zeros(0)
            grid = pairs.grid(torch.sigmoid(logits))
        return emotion, cause, grid
