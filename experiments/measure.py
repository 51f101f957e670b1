"""One measurement of the benchmark, in a separate process so that its peak memory is its own.

    python -m experiments.measure < job.json

reads a `Job` and prints what was measured as the last line, in JSON.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning import Trainer, seed_everything

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.eacl import ANCHORS, EACL
from ecpe_zoo.methods.loading import arguments_of, method_class
from ecpe_zoo.methods.readers import ReaderMethod
from ecpe_zoo.options import nested
from ecpe_zoo.text.prompts import KINDS
from ecpe_zoo.text.queries import Query, QueryRows, TokenisedDocument, gold_queries
from experiments.counting import (
    Action,
    Clock,
    Job,
    Measured,
    Tally,
    matmul_rates,
    now,
    peak_bytes,
)


def make_method(job: Job) -> Method:
    """The method of a job, not built yet."""
    arguments = nested(job.init_args, arguments_of(job.class_path), job.class_path)
    return method_class(job.class_path)(**arguments)


def make_data(job: Job) -> EmotionDataModule:
    """The data module of a job."""
    arguments = dict(job.data)
    if arguments.get("root") is not None:
        arguments["root"] = Path(arguments["root"])
    return EmotionDataModule(**arguments)


def make_trainer(job: Job, clock: Clock | None, epochs: int) -> Trainer:
    """A trainer that does nothing but run the loop."""
    return Trainer(
        max_epochs=epochs,
        accelerator=job.accelerator,
        devices=1,
        precision=job.precision,
        callbacks=[clock] if clock else None,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def build(method: Method, data: EmotionDataModule) -> Tally:
    """Build the network for a prediction without a training before it."""
    data.setup("test")
    method.build_from(data.train_documents)
    return Tally(method)


def train(job: Job) -> Measured:
    """Time training steps, or complete epochs."""
    method, data, clock = make_method(job), make_data(job), Clock(job)
    make_trainer(job, clock, job.repeats or 1000).fit(method, data)
    clock.measured.peak_bytes = peak_bytes()
    units = method.training_units(data.train_documents)
    clock.measured.epoch_documents = len(units)
    clock.measured.epoch_tokens = sum(map(method.tokens, units))
    if isinstance(method, ReaderMethod):  # a question's row is a token sequence of its own
        collate, documents = method.collator(True), data.train_documents
        batches = (collate(documents[first : first + 16]) for first in range(0, len(documents), 16))
        passes = 2 if getattr(method, "extra_clause_clue", False) else 1  # MGCL reads the corrupted text too
        clock.measured.epoch_tokens = passes * sum(sum(batch.rows.lengths) for batch in batches)
    return clock.measured


def predict(job: Job) -> Measured:
    """Time predictions of the test documents."""
    method, data = make_method(job), make_data(job)
    clock = Clock(job, build(method, data))
    trainer = make_trainer(job, clock, 1)
    started = now()
    for _ in range(1 + max(job.repeats, 1)):  # the first warms up
        trainer.test(method, data, verbose=False)
        if not job.repeats and now() - started > job.seconds:
            break
    clock.measured.peak_bytes = peak_bytes()
    clock.measured.epoch_documents = len(data.documents("test"))
    return clock.measured


def anchors(job: Job) -> Measured:
    """Time stage two of EACL: vectors of some batches of utterances, then epochs over what is kept of them.

    `extra`: seconds of the vectors and of one epoch without them, both for an entire epoch's utterances.
    """
    method, data = make_method(job), make_data(job)
    assert isinstance(method, EACL)
    build(method, data)
    units = sorted(method.training_units(data.train_documents), key=method.tokens)
    size = int(job.data["batch_size"])
    starts = range(0, max(len(units) - size, 1), size)
    chosen = [units[start : start + size] for start in list(starts)[:: max(1, len(starts) // job.steps)]]
    method.enter(ANCHORS)
    method.kept = {}
    rule = method.configure_optimizers()
    collate = method.collator(True)
    autocast = torch.autocast(method.device.type, torch.bfloat16, enabled=job.precision == "bf16-mixed")
    measured = Measured(epoch_documents=len(units), documents=sum(map(len, chosen)))

    def once() -> float:
        start = now()
        for some in chosen:
            with autocast:
                loss = method.losses(collate(some))["anchors"]
            rule.zero_grad()
            loss.backward()
            rule.step()
        return (now() - start) * len(units) / measured.documents

    first, *others = [once() for _ in range(3)]
    measured.extra = {"vectors": first - min(others), "epoch": min(others)}
    measured.peak_bytes = peak_bytes()
    return measured


def query_by_query(job: Job) -> Measured:
    """The same questions in batches over documents, and one by one; both also with all rows padded to one width.

    The weights are random, so a threshold would select all clauses or none: the follow-up questions are those of
    a perfect model, about the gold clauses, in three turns.
    """
    method, data = make_method(job), make_data(job)
    assert isinstance(method, ReaderMethod)
    build(method, data)
    method.eval()
    documents = sorted(data.documents("test"), key=method.tokens)
    size = int(job.data["batch_size"])
    # documents of all lengths, as many as fill the batches
    chosen = documents[:: max(1, len(documents) // (size * job.steps))][: size * job.steps]
    longest = 0  # tokens of a row

    def ask(size: int, alone: bool, padded: bool) -> tuple[float, int]:
        nonlocal longest
        start, count = now(), 0
        for first in range(0, len(chosen), size):
            some = chosen[first : first + size]
            short = [method.builder.tokenise(document) for document in some]
            for turn in _turns(method, some, short):
                count += len(turn)
                for queries in [[query] for query in turn] if alone else [turn]:
                    rows = method.builder.rows(short, queries).to(method.device)
                    longest = max(longest, *rows.lengths)
                    rows = _padded(rows, longest) if padded else rows
                    method.read(rows, rows.tokens)
        return now() - start, count

    ways = {"batched": (size, False, False), "alone": (1, True, False)}  # the first finds the longest row
    ways |= {f"{name}_padded": (size, alone, True) for name, (size, alone, _) in ways.items()}
    extra = dict.fromkeys(ways, float("inf"))
    autocast = torch.autocast(method.device.type, torch.bfloat16, enabled=job.precision == "bf16-mixed")
    with torch.inference_mode(), autocast:
        for _ in range(max(job.repeats, 1)):
            for name, arguments in ways.items():
                seconds, count = ask(*arguments)
                extra |= {name: min(extra[name], seconds), "questions": float(count)}
    return Measured(documents=len(chosen), extra=extra, peak_bytes=peak_bytes())


def _padded(rows: QueryRows, width: int) -> QueryRows:
    """Rows of one width, whose padding is read like tokens; it costs as much as masked padding."""
    more = (0, width - rows.tokens.shape[1])
    return rows._replace(
        tokens=F.pad(rows.tokens, more),
        clause_of=F.pad(rows.clause_of, more, value=-1),
        types=F.pad(rows.types, more),
        lengths=(width,) * len(rows.lengths),
    )


def _turns(
    method: ReaderMethod, documents: Sequence[Document], short: Sequence[TokenisedDocument]
) -> list[list[Query]]:
    """EE and CE of all documents, then all ESCE, then all CSEE; turns without a question are left out."""
    asked = [
        query
        for index, (document, tokenised) in enumerate(zip(documents, short, strict=True))
        for query in gold_queries(index, document, len(tokenised.clauses), method.kinds)
    ]
    turns = [[q for q in asked if KINDS[q.kind] in kinds] for kinds in (("EE", "CE"), ("ESCE",), ("CSEE",))]
    return [turn for turn in turns if turn]


ACTIONS: dict[Action, Callable[[Job], Measured]] = {
    "train": train,
    "predict": predict,
    "query-by-query": query_by_query,
    "anchors": anchors,
}


def main() -> None:
    """Run the job that standard input holds."""
    job = Job(**json.load(sys.stdin))
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    os.environ["PL_GLOBAL_SEED"] = str(job.seed)  # the sampler's
    torch.set_num_threads(job.threads)
    seed_everything(job.seed, verbose=False)
    measured = ACTIONS[job.action](job)
    measured.rates = matmul_rates("cuda" if torch.cuda.is_initialized() else "cpu") | measured.rates
    print(json.dumps(asdict(measured)))


if __name__ == "__main__":
    main()
