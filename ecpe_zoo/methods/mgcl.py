"""MGCL: Multi-Granularity Clue Learning for emotion-cause pair extraction (no public code).

Four kinds of questions are asked about the document, and each clause is an answer or not: which are the
emotion clauses (EE), the cause clauses (CE), the causes of a given emotion clause (ESCE), the emotions of a given
cause clause (CSEE). A student answers with clause vectors; a teacher with the same weights answers with the mean
of the clause's token answers, so that it learns from clause labels which tokens are clues. The two teach each other,
and the student must keep its answer when the clues are masked: it must find clues in other clauses.

Equation and table numbers are the paper's. What it leaves open is an argument whose default is our
choice. Where the paper contradicts itself: the question occurs once in a row (eq. 4; eq. 5 repeats it), W of
eq. 9 takes 2d features, eq. 10 takes the gold label, eq. 11 pairs a clause-level question with tokens.
The prompts are ours (the paper prints English glosses), and no lexicon filters emotions.

Departures from the paper, and additions:

- `temperature_squared`: eq. 16 shows no factor t^2 (Hinton et al., 2015), without which t = 5 shrinks the gradients of
  eq. 12 to 15 to about a seventeenth. With it, the terms of the first epoch on xia-ding-2019 (fold 1, recurrent
  encoder) are on average: student .97, teacher .98, distillation .016, consistency .14; without it the last two would
  be .0007 and .006. All weights are logged.
- `ask_above`: the strict protocol tunes it on validation together with the threshold. The paper asks for
  causes of clauses with P(e) > .5 alone: other pairs cannot be found at any threshold.
- The edges of the clause graph: see `ClauseSettings`.
- Scores of `rethink: paper` are monotone: see `pairs_in_turns`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.clause_encoders import make_clause_encoder
from ecpe_zoo.layers.divergences import symmetric_kl
from ecpe_zoo.layers.masking import Replacement, corrupt
from ecpe_zoo.layers.multi_turn import Rethink
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.pooling import mean_by_group
from ecpe_zoo.layers.reductions import Reduction
from ecpe_zoo.layers.rows import ChunkedRows
from ecpe_zoo.methods.readers import TurnsMethod
from ecpe_zoo.methods.traces import Clues
from ecpe_zoo.options import ClauseSettings, EncoderSettings, OptimiserSettings
from ecpe_zoo.text.prompts import KINDS
from ecpe_zoo.text.queries import (
    QueryBatch,
    QueryRows,
)
from ecpe_zoo.text.token_encoder import TokenEncoder

Ablation = Literal["none", "sub-clause", "extra-clause", "distillation"]


class Reading(NamedTuple):
    """Answers to questions, as two-class logits (no, yes) in fp32.

    Args:
        student: Logits (R, N, 2) of the clauses.
        teacher: Logits (R, N, 2) of the clauses, averaged over their tokens.
        tokens: Logits (R, T, 2) of the tokens, by the teacher.
    """

    student: Tensor
    teacher: Tensor
    tokens: Tensor


class Reader(nn.Module):
    """Student and teacher in one.

    Args:
        encoder: Token encoder.
        clause_encoder: Encoder of the question and the clauses, as nodes.
    """

    def __init__(self, encoder: TokenEncoder, clause_encoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.clause_encoder = encoder, clause_encoder
        self.head = nn.Linear(2 * encoder.hidden_size, 2)

    def forward(
        self, tokens: Tensor, clause_of: Tensor, types: Tensor, lengths: Tensor, clauses: int
    ) -> Reading:
        """Read rows; see `QueryRows` for the arguments, `clauses` is N."""
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]  # (R, T)
        hidden = self.encoder(tokens, mask, types)  # (R, T, H)
        nodes = mean_by_group(hidden, clause_of, clauses + 1)  # (R, N + 1, H), eq. 7
        node_mask = torch.arange(clauses + 1, device=tokens.device) <= clause_of.amax(dim=1, keepdim=True)
        nodes = self.clause_encoder(nodes, node_mask)  # eq. 8
        with torch.autocast(tokens.device.type, enabled=False):
            nodes, hidden = nodes.float(), hidden.float()
            for_question, for_answer = self.head.weight.chunk(2, dim=1)  # (2, H) each
            question = F.linear(nodes[:, :1], for_question, self.head.bias)  # (R, 1, 2)
            student = question + F.linear(nodes[:, 1:], for_answer)  # eq. 9
            by_token = question + F.linear(hidden, for_answer)  # eq. 11
            teacher = mean_by_group(by_token, clause_of, clauses + 1)[:, 1:]
        return Reading(student, teacher, by_token)


class MGCL(TurnsMethod):
    """Multi-Granularity Clue Learning.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        clause_encoder: Encoder of the question and the clauses; `none` is the paper's "BERT only" (Table 4). The paper
            leaves its kind and edges open and calls its ablation "BERT + GCN".
        ablation: A row of Table 3, as section 5.3 describes it. `sub-clause` removes the distillation between
            student and teacher, `extra-clause` consistency with the corrupted text, `distillation` both. Cannot be
            combined with the four switches below.
        multi_instance: Whether there is a teacher; without it no clues are learned (Table 4).
        sub_clause_clue: Whether the teacher learns from the labels; no such row in the paper.
        extra_clause_clue: Whether the student reads the corrupted text too (eq. 15).
        cross_grained_distillation: Whether student and teacher teach each other (eq. 14).
        temperature: Temperature t of eq. 13.
        consistency_temperature: Temperature t of eq. 15; the paper uses the same symbol as in eq. 12.
        temperature_squared: Whether divergences are multiplied by t^2, against shrinking gradients; not in eq. 16.
        stop_gradients: Whether distillation trains only the second argument in each direction of eq. 14.
        clue_confidence: Alpha: tokens that the teacher considers clues with higher confidence are masked.
        confidence_temperature: Temperature of that confidence; without effect at alpha = 0.5.
        random_masking: Beta: share of the document's other tokens that are masked too.
        random_replacement: What these tokens become: `devlin` is [MASK] 80 %, another token 10 %, the same 10 %.
        masking_pass: Whether the confidence comes from the training pass (with dropout) or of one more pass
            in evaluation mode.
        consistency_target: Whose answer to the original text the student must keep in eq. 15; the paper's formula
            says the teacher's, its text and figure the student's.
        consistency_target_gradient: Whether eq. 15 also trains its target.
        consistency_warmup: Share of the steps over which the weight of eq. 15 rises from 0 to 1.
        corrupted_cross_entropy: Whether the answers to the corrupted text also learn from the labels.
        reduction: `task` averages over the clauses of one kind of question and sums over kinds (as in MM-R),
            `mean` averages over all clauses, `sum` sums over all.
        negatives: Number of additional ESCE and CSEE questions per document in training, about random clauses with
            no answer.
        mark_asked: Whether to mark the clause in question inside the document, by its token type; not in the paper.
        ask_above: Emotion probability above which ESCE is asked about a clause, until validation tunes it.
        ask_from: Lowest value that tuning tries; at `ask_above` or higher, nothing is tuned, nor with `rethink: mm-r`.
        ask_more: Maximum number of clauses per document between the tuned value and `ask_above` that ESCE is asked
            about, most probable first; it bounds the cost.
        rethink: `paper` lowers the score of a pair that CSEE does not confirm; `mm-r`, MM-R's released rule, lowers
            it once for each other emotion clause that CSEE returns and adds that clause's pair; `none` skips CSEE. See
            `pairs_in_turns`.
        gamma: Factor applied to a lowered pair.
        optimiser: Optimiser; rates, decay and warm-up are MM-R's, as the paper states none.
        token_slots: Maximum number of token slots per encoder pass, padding included; affects speed and memory only.
    """

    id: ClassVar[str] = "mgcl"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {
            "ablation",
            "multi_instance",
            "sub_clause_clue",
            "extra_clause_clue",
            "cross_grained_distillation",
            "mark_asked",
            "temperature_squared",
        }
    )

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        clause_encoder: ClauseSettings = ClauseSettings(),
        ablation: Ablation = "none",
        multi_instance: bool = True,
        sub_clause_clue: bool = True,
        extra_clause_clue: bool = True,
        cross_grained_distillation: bool = True,
        temperature: float = 5.0,
        consistency_temperature: float = 5.0,
        temperature_squared: bool = True,
        stop_gradients: bool = True,
        clue_confidence: float = 0.5,
        confidence_temperature: float = 1.0,
        random_masking: float = 0.15,
        random_replacement: Replacement = "devlin",
        masking_pass: Literal["train", "eval"] = "train",
        consistency_target: Literal["student", "teacher"] = "student",
        consistency_target_gradient: bool = False,
        consistency_warmup: float = 0.0,
        corrupted_cross_entropy: bool = False,
        reduction: Reduction = "task",
        negatives: int = 0,
        mark_asked: bool = False,
        ask_above: float = 0.5,
        ask_from: float = 0.1,
        ask_more: int = 2,
        rethink: Rethink = "paper",
        gamma: float = 0.7,
        optimiser: OptimiserSettings = OptimiserSettings(),
        token_slots: int = 8192,
    ) -> None:
        super().__init__()
        self.settings = EncoderSettings.of(self.hparams.encoder)
        self.clause_settings = ClauseSettings.of(self.hparams.clause_encoder)
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)
        switches = (multi_instance, sub_clause_clue, extra_clause_clue, cross_grained_distillation)
        if ablation != "none" and not all(switches):
            raise ZooError(
                f"Expected either --model.ablation {ablation} or a switch of a single loss (multi_instance, "
                "sub_clause_clue, extra_clause_clue, cross_grained_distillation), but got both."
            )
        distilled = ablation not in ("sub-clause", "distillation")
        consistent = ablation not in ("extra-clause", "distillation")
        self.multi_instance = multi_instance
        self.sub_clause_clue = multi_instance and sub_clause_clue
        self.extra_clause_clue = multi_instance and extra_clause_clue and consistent
        self.cross_grained_distillation = multi_instance and cross_grained_distillation and distilled
        self.temperature, self.consistency_temperature = temperature, consistency_temperature
        self.temperature_squared, self.stop_gradients = temperature_squared, stop_gradients
        self.clue_confidence, self.confidence_temperature = clue_confidence, confidence_temperature
        self.random_masking, self.random_replacement = random_masking, random_replacement
        self.masking_pass, self.consistency_target = masking_pass, consistency_target
        self.consistency_target_gradient = consistency_target_gradient
        self.consistency_warmup, self.reduction = consistency_warmup, reduction
        self.corrupted_cross_entropy = corrupted_cross_entropy
        self.negatives, self.mark_asked = negatives, mark_asked
        self.ask_by(ask_above, ask_from, ask_more, rethink)
        self.gamma = gamma
        self.chunked = ChunkedRows(token_slots)
        self.reader: Reader

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        encoder = self.make_reader_parts(from_checkpoint)
        self.reader = Reader(encoder, make_clause_encoder(encoder.hidden_size, self.clause_settings))
        plain = set(range(encoder.tokenizer.vocab_size)) - encoder.tokenizer.special_ids
        self.register_buffer("plain_ids", torch.tensor(sorted(plain)), persistent=False)

    def read(self, rows: QueryRows, tokens: Tensor) -> Reading:
        """Read rows with the tokens (R, T)."""
        return Reading(*self.chunked(self.reader, rows, tokens))

    def clause_logits(self, reading: Reading) -> Tensor:
        """The student's logits are the prediction."""
        return reading.student

    def losses(self, batch: QueryBatch) -> dict[str, Tensor]:
        """Eq. 16; all weights are 1."""
        rows = batch.rows
        reading = self.read(rows, rows.tokens)
        losses = {"student": self.cross_entropy(reading.student, rows)}  # eq. 10
        if self.sub_clause_clue:
            losses["teacher"] = self.cross_entropy(reading.teacher, rows)
        if self.cross_grained_distillation:
            t = self.temperature
            divergence = symmetric_kl(reading.teacher, reading.student, t, self.stop_gradients)  # eq. 12, 14
            losses["distillation"] = self._weighted("distillation", divergence, rows, t)
        if self.extra_clause_clue:
            corrupted = self.read(rows, self._corrupt(rows, reading)).student
            target = reading.student if self.consistency_target == "student" else reading.teacher
            target = target if self.consistency_target_gradient else target.detach()
            t = self.consistency_temperature
            divergence = symmetric_kl(corrupted, target, t)  # eq. 15
            rising = self._consistency_weight()
            losses["consistency"] = self._weighted("consistency", divergence, rows, t, rising)
            if self.corrupted_cross_entropy:
                losses["corrupted"] = self.cross_entropy(corrupted, rows)
        return losses

    def _weighted(
        self, name: str, divergence: Tensor, rows: QueryRows, temperature: float, weight: float = 1.0
    ) -> Tensor:
        """A divergence (R, N), reduced and weighted; the weight is logged as `train/<name>_weight`."""
        weight *= temperature**2 if self.temperature_squared else 1.0
        self.means.add({f"{name}_weight": divergence.new_tensor(weight)}, len(rows.queries))
        return self.reduce(divergence, rows) * weight

    @torch.no_grad()
    def _corrupt(self, rows: QueryRows, reading: Reading) -> Tensor:
        """Tokens (R, T) with clues and random tokens masked, except in the question and special tokens."""
        if self.masking_pass == "eval" and self.training:
            self.reader.eval()
            reading = self.read(rows, rows.tokens)
            self.reader.train()
        confidence = torch.softmax(reading.tokens / self.confidence_temperature, dim=-1)[..., 1]  # (R, T)
        own = rows.clause_of > 0
        clues = own & (confidence > self.clue_confidence)
        mask_id = self.reader.encoder.tokenizer.mask_id
        assert isinstance(self.plain_ids, Tensor)
        tokens, chosen = corrupt(
            rows.tokens, clues, own, self.random_masking, mask_id, self.plain_ids, self.random_replacement
        )
        shares = {"masked_share": chosen.sum() / own.sum(), "clue_share": clues.sum() / own.sum()}
        self.means.add(shares, len(rows.queries))
        return tokens

    def _consistency_weight(self) -> float:
        if not self.consistency_warmup:
            return 1.0
        rising = self.consistency_warmup * self.trainer.estimated_stepping_batches
        return float(min(1.0, self.global_step / max(rising, 1)))

    def configure_optimizers(self) -> Any:
        """AdamW with a linear warm-up schedule (stated), rates and decay as in MM-R."""
        return make_optimiser(self, self.optimiser, self.reader, self.reader.encoder)

    def predict_step(self, batch: QueryBatch, batch_idx: int, dataloader_idx: int = 0) -> list[Prediction]:
        """Predict, with `token_teacher_emotion` and `token_teacher_cause` (N, T) in addition to the other scores.

        [i, j] is the teacher's probability that token j of segment i answers EE or CE; T is the length of the
        document's longest segment as the encoder reads it, and the value is NaN if a segment has no such
        token.
        """
        predictions, reading = self.decode_with_reading(batch)
        if not self.multi_instance:
            return predictions
        scores = [dict(prediction.scores) for prediction in predictions]
        probabilities = torch.softmax(reading.tokens, dim=-1)[..., 1].detach().cpu().numpy()
        for row, query in enumerate(batch.rows.queries):
            document = batch.documents[query.document]
            table = np.full((document.size, max(map(len, document.clauses))), np.nan, dtype=np.float32)
            clause_of = batch.rows.clause_of[row].cpu().numpy()
            for index, clause in enumerate(document.clauses):
                table[index, : len(clause)] = probabilities[row, clause_of == index + 1]
            name = {"EE": "emotion", "CE": "cause"}[KINDS[query.kind]]
            scores[query.document][f"token_teacher_{name}"] = table
        return [p._replace(scores=score) for p, score in zip(predictions, scores, strict=True)]

    def clues(self, document: Document) -> Clues | None:
        """The teacher's probability that a token answers EE or CE (Table 5)."""
        if not self.multi_instance:
            return None
        batch = self.batch_of([document])
        (found,) = self.predict_step(batch, 0)
        return Clues(
            {f"teacher: {name}": found.scores[f"token_teacher_{name}"] for name in ("emotion", "cause")}
        )
