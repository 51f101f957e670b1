"""`make bench`: speed and memory of every method, compared with the machine's rate.

    python -m experiments.bench [--threads N] [--method ID] [--data-root DIR] [--vectors FILE] [--encoder DIR]

Every method that has a config in `configs/` is measured with it, and on fold 1 of the corpus of its config in
`configs/paper/` if that is at hand. Methods that score clause pairs over an encoder are also measured with the
same encoder of a usual size. E2EECPE, MM-R, and EACL with the encoder that --encoder names
are compared with the public reference codes at the same sizes, as is fine-tuning of that encoder on goemotions. Each
measurement runs in its own process, which also measures the machine's rate: on a shared machine, trust the ratios
rather than the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from ecpe_zoo.declared import declared
from ecpe_zoo.files import replaced_when_complete
from ecpe_zoo.options import EMBEDDED
from experiments.counting import Action, Job, Measured

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
DATA_OPTIONS = ("corpus", "batch_size", "batch_tokens", "eval_batch_size", "eval_batch_tokens")


@dataclass(frozen=True)
class Goal:
    """A figure of a reference implementation, and our aim.

    Args:
        name: What is compared.
        unit: Unit of both.
        reference: Figure measured once with the public code on two cores of an AMD EPYC (Zen 4) machine with torch
            2.13; None if there is none.
        aim: Aim of this package on such a machine; None if the number is only shown.
        more_is_better: Whether higher is better; decides the mark after the number.
    """

    name: str
    unit: str
    reference: float | None
    aim: float | None
    more_is_better: bool = False

    def of(self, id: str) -> Goal:
        """The goal with a method's id in its name."""
        return replace(self, name=self.name.format(id))


# shl5133/E2EECPE at afdeff3: fold 1, 200-d vectors, 4 x 75 filters, BiLSTM 300, batches of 32
E2E_EPOCH = Goal("E2EECPE: training epoch, 1,750 documents", "s", 17.0, 5.0)
E2E_PREDICT = Goal("E2EECPE: prediction of 195 documents", "s", 0.65, 0.25)
E2E_MEMORY = Goal("E2EECPE: peak memory in training", "GB", 0.9, 0.7)
E2E_REAL = Goal("E2EECPE: real tokens among token slots", "%", 24.6, None)
# zhoucz97/ECPE-MM-R at 1f66981 with a two-layer, 768-wide BERT: 1.98 s for a step of two documents, each query
# padded to 324 tokens, one query at a time in prediction
MMR_EPOCH = Goal("MM-R's questions, fp32: training epoch (scaled)", "s", 1730.0, 950.0)
MMR_BF16 = Goal("MM-R's questions, bf16-mixed: training epoch (scaled)", "s", 1730.0, 550.0)
# Yu-Fangxu/EACL at 32233d1 with all-MiniLM-L6: 25 s for a step of 64 utterances, each padded to 256 tokens
EACL_EPOCH = Goal("EACL on meld, fp32: training epoch (scaled)", "s", 3900.0, 1000.0)
EACL_BF16 = Goal("EACL on meld, bf16-mixed: training epoch (scaled)", "s", 3900.0, 600.0)
EACL_VECTORS = Goal("EACL on meld: vectors for stage two, once", "s", None, None)
EACL_ANCHORS = Goal("EACL on meld: epoch of stage two", "s", None, 5.0)
# plain fine-tuning of all-MiniLM-L6 in batches of like length, 64 texts; fp32 padded to 50 tokens: 24, padded to the
# longest of a random batch of 16: 34
TEXTS = Goal("Texts of goemotions, fp32: training", "texts/s", 46.0, 55.0, more_is_better=True)
TEXTS_BF16 = Goal("Texts of goemotions, bf16-mixed: training", "texts/s", 81.0, 110.0, more_is_better=True)
TEXTS_READ = Goal("Texts of goemotions, fp32: prediction", "texts/s", None, 165.0, more_is_better=True)
TEXTS_READ_BF16 = Goal(
    "Texts of goemotions, bf16-mixed: prediction", "texts/s", None, 330.0, more_is_better=True
)
# no reference: the public codes of these methods read with bert-base-chinese
SHARE = Goal("{}: share of the machine's rate, fp32 training", "%", None, 55.0, more_is_better=True)
PADDING = Goal("{}: padding among token slots, training", "%", None, 8.0)
FASTER = Goal("{}: bf16-mixed against fp32 training", "x", None, 1.5, more_is_better=True)
MMR_PREDICT = Goal("MM-R's questions: in batches against one by one", "x", 1.0, 5.0, more_is_better=True)
MMR_PADDED = Goal("MM-R's questions: one by one, cost of padding to the longest", "x", None, None)
MMR_PADDED_BATCH = Goal("MM-R's questions: in batches, cost of padding to the longest", "x", None, None)


class MeasurementError(Exception):
    """A measurement failed; the message of its process has been printed."""


def measure(job: Job) -> Measured:
    """Run a job in its own process.

    Raises:
        MeasurementError: The process failed.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(job.threads),
        "MKL_NUM_THREADS": str(job.threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    process = subprocess.run(
        [sys.executable, "-m", "experiments.measure"],
        input=json.dumps(asdict(job)),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    if process.returncode:
        raise MeasurementError
    return Measured(**json.loads(process.stdout.strip().splitlines()[-1]))


def config_job(path: Path) -> Job:
    """The method and the data options of a config."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    data = {name: value for name, value in config["data"].items() if name in DATA_OPTIONS}
    return Job(config["model"]["class_path"], config["model"].get("init_args") or {}, data)


def real_corpus(id: str) -> str | None:
    """The corpus of a method's paper config; None without one."""
    path = CONFIGS / "paper" / f"{id}.yaml"
    found: str | None = (
        yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["corpus"] if path.is_file() else None
    )
    return found


def scores_pairs_over_an_encoder(class_path: str) -> bool:
    """Whether a method of the package has options of an encoder, of how it reads clauses, and of candidate pairs."""
    found = declared(class_path)
    return found is not None and found.defaults.keys() >= {"encoder.name", "reading.read", "pairs.window"}


class Report:
    """Prints rows as they come, and keeps them for the JSON file.

    Args:
        options: Options of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.console = Console(width=None if sys.stdout.isatty() else 140)
        self.rows: list[dict[str, Any]] = []
        self.goals: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self.table = Table(title="Speed and memory", caption=_CAPTION)
        for column in ("what", "documents/s", "tokens/s", "padding", "peak", "GFLOP/s", "machine", "share"):
            self.table.add_column(column, justify="left" if column == "what" else "right")
        self.comparison = Table(title="Beside the reference codes, at the same sizes")
        for column in ("what", "reference", "aim", "found", "machine", ""):
            self.comparison.add_column(column, justify="left" if column == "what" else "right")

    def job(self, job: Job) -> Job:
        """The job with what the command line says."""
        o = self.options
        return replace(
            job, threads=o.threads, steps=o.steps, seconds=o.seconds, accelerator=o.accelerator, seed=o.seed
        )

    def row(self, name: str, job: Job) -> Measured:
        """Measure and note.

        Raises:
            MeasurementError: The measurement failed; it is noted too.
        """
        self.console.print(f"[dim]measuring {name} ...[/dim]")
        try:
            m = measure(job)
        except MeasurementError:
            self.failed.append(name)
            self.table.add_row(name, "failed", *[""] * 6)
            self.write()
            raise
        self.rows.append(
            {"name": name, "job": asdict(job), "measured": asdict(m), "load": os.getloadavg()[0]}
        )
        if m.steps:
            rate, machine = m.flops / m.seconds / 1e9, m.rates[job.precision]
            self.table.add_row(
                name,
                f"{m.documents / m.seconds:.1f}",
                f"{m.real_tokens / m.seconds:,.0f}",
                f"{1 - m.real_tokens / m.slots:.1%}" if m.slots else "-",
                f"{m.peak_bytes / 1e9:.2f} GB",
                f"{rate:.1f}",
                f"{machine:.0f}",
                f"{rate / machine:.0%}",
            )
        self.write()
        return m

    def goal(self, goal: Goal, value: float, machine: float) -> None:
        """Note a comparison.

        Args:
            goal: What is compared.
            value: Measured value.
            machine: Rate of the machine during the measurement, in GFLOP/s.
        """
        reached = None
        if goal.aim is not None:
            reached = value >= goal.aim if goal.more_is_better else value <= goal.aim
        self.goals.append({**asdict(goal), "found": value, "reached": reached, "machine": machine})
        reference = "-" if goal.reference is None else f"{goal.reference:g} {goal.unit}"
        aim = "-" if goal.aim is None else f"{goal.aim:g} {goal.unit}"
        mark = {None: "", True: "reached", False: "missed"}[reached]
        self.comparison.add_row(
            goal.name, reference, aim, f"{value:.3g} {goal.unit}", f"{machine:.0f} GFLOP/s", mark
        )

    def print(self) -> None:
        """Print everything, and write the JSON file."""
        self.console.print(self.table)
        if self.goals:
            self.console.print(self.comparison)
        if self.failed:
            self.console.print(f"Failed, see above: {', '.join(self.failed)}")
        self.write()

    def write(self) -> None:
        """Write the JSON file with what there is so far: nothing is lost if a later measurement fails."""
        if self.options.json:
            measured = {"rows": self.rows, "goals": self.goals, "failed": self.failed}
            found = {"threads": self.options.threads, "load": os.getloadavg(), **measured}
            with replaced_when_complete(self.options.json) as part:
                part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


_CAPTION = (
    "tokens/s: of real tokens, once for each reading; machine: GFLOP/s of a 2048 x 2048 matrix product at the same "
    "precision in the same process (between single batches, else at the end); share: of it in the method's own products"
)


def compare_e2eecpe(report: Report, data: dict[str, Any], vectors: str | None) -> None:
    """At the sizes of the released code."""
    arguments = {"filters": 75, "vectors": vectors}
    base = report.job(Job("ecpe_zoo.methods.e2eecpe.E2EECPE", arguments, {**data, "batch_size": 32}))
    base = replace(base, repeats=report.options.repeats)
    trained = report.row("e2eecpe, 75 filters, training", replace(base, action="train"))
    predicted = report.row("e2eecpe, 75 filters, prediction", replace(base, action="predict"))
    # the first run of both warms up
    report.goal(E2E_EPOCH, min(trained.runs[1:] or trained.runs), trained.rates["32-true"])
    report.goal(E2E_PREDICT, min(predicted.runs[1:]), predicted.rates["32-true"])
    report.goal(E2E_MEMORY, trained.peak_bytes / 1e9, trained.rates["32-true"])
    report.goal(E2E_REAL, 100 * trained.real_tokens / trained.slots, trained.rates["32-true"])


def compare_encoded(report: Report, id: str, class_path: str, data: dict[str, Any], **sizes: int) -> None:
    """A clause-pair method over an encoder with the sizes of multilingual-e5-small, and candidates within a window."""
    small = {"name": EMBEDDED, "size": 16, "layers": 1, "heads": 2}
    arguments = {
        "encoder": {"name": EMBEDDED, "size": 384, "layers": 12, "heads": 12, **sizes},
        "pairs": {"window": 12},
    }
    base = report.job(Job(class_path, arguments, {**data, "batch_size": 8}))
    full = report.row(f"{id}, one encoder, fp32, training", base)
    # the same batches: the longer ones come at any time
    same = replace(base, precision="bf16-mixed", steps=full.steps, seconds=4 * report.options.seconds)
    narrow = report.row(f"{id}, one encoder, bf16, training", same)
    report.row(f"{id}, one encoder, fp32, prediction", replace(base, action="predict"))
    report.row(f"{id}, one encoder, bf16, prediction", replace(same, action="predict", seconds=base.seconds))
    # an entire epoch of the same batches, whose padding is that of any encoder
    epoch = replace(base, init_args=arguments | {"encoder": small}, repeats=1)
    read = report.row(f"{id}, small encoder, training epoch", epoch)
    rate, narrow_rate = full.rates["32-true"], narrow.rates["bf16-mixed"]
    report.goal(SHARE.of(id), full.flops / full.seconds / 1e7 / rate, rate)
    report.goal(PADDING.of(id), 100 * (1 - read.real_tokens / read.slots), rate)
    faster = FASTER.of(id)
    if narrow.rates["bf16-mixed"] < narrow.rates["32-true"]:  # a processor without bf16 instructions
        faster = replace(faster, aim=None)
    speeds = [found.real_tokens / found.seconds for found in (full, narrow)]
    report.goal(faster, speeds[1] / speeds[0], narrow_rate)


def compare_multi_turn(report: Report, data: dict[str, Any], **sizes: Any) -> None:
    """MM-R's questions by a two-layer BERT of full width, with characters of the corpus as vocabulary."""
    arguments: dict[str, Any] = {
        "encoder": "embedded",
        "encoder_size": 768,
        "encoder_layers": 2,
        "encoder_heads": 12,
        **sizes,
    }
    base = report.job(Job("ecpe_zoo.methods.mm_r.MMR", arguments, {**data, "batch_size": 2}))
    for goal, precision in ((MMR_EPOCH, "32-true"), (MMR_BF16, "bf16-mixed")):
        m = report.row(f"mm_r, {precision}, training", replace(base, precision=precision))
        report.goal(goal, m.seconds * m.epoch_tokens / m.real_tokens, m.rates[precision])
    job = replace(base, action="query-by-query", data={**data, "batch_size": 16}, steps=1, repeats=2)
    m = report.row("mm_r, prediction both ways", job)
    rate = m.rates["32-true"]
    report.goal(MMR_PREDICT, m.extra["alone"] / m.extra["batched"], rate)
    report.goal(MMR_PADDED, m.extra["alone_padded"] / m.extra["alone"], rate)
    report.goal(MMR_PADDED_BATCH, m.extra["batched_padded"] / m.extra["batched"], rate)


def compare_eacl(report: Report, data: dict[str, Any], encoder: str, **sizes: Any) -> None:
    """All utterances of meld with eight earlier turns each, by a real encoder."""
    job = Job("ecpe_zoo.methods.eacl.EACL", {"encoder": encoder, **sizes}, {**data, "batch_size": 64})
    base = report.job(job)
    for goal, precision in ((EACL_EPOCH, "32-true"), (EACL_BF16, "bf16-mixed")):
        m = report.row(f"eacl, meld, {precision}, training", replace(base, precision=precision))
        report.goal(goal, m.seconds * m.epoch_tokens / m.real_tokens, m.rates[precision])
    m = report.row("eacl, meld, stage two", replace(base, action="anchors", precision="bf16-mixed", steps=4))
    report.goal(EACL_VECTORS, m.extra["vectors"], m.rates["bf16-mixed"])
    report.goal(EACL_ANCHORS, m.extra["epoch"], m.rates["bf16-mixed"])


def compare_texts(report: Report, data: dict[str, Any], encoder: str, **sizes: Any) -> None:
    """Fine-tuning on goemotions by a real encoder, as EQN's baseline does it; a text has the corpus's mean length."""
    arguments = {"objective": "cross-entropy", "encoder": encoder, "pooling": "mean", **sizes}
    job = Job("ecpe_zoo.methods.eqn.EQN", arguments, {**data, "batch_size": 64})
    base, goals = (
        report.job(job),
        {"32-true": (TEXTS, TEXTS_READ), "bf16-mixed": (TEXTS_BF16, TEXTS_READ_BF16)},
    )
    for precision, (learned, read) in goals.items():
        m = report.row(f"texts, {precision}, training", replace(base, precision=precision))
        tokens = m.epoch_tokens / m.epoch_documents  # of a text
        report.goal(learned, m.real_tokens / tokens / m.seconds, m.rates[precision])
        m = report.row(
            f"texts, {precision}, prediction", replace(base, precision=precision, action="predict")
        )
        report.goal(read, m.real_tokens / tokens / m.seconds, m.rates[precision])


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m experiments.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each measurement")
    parser.add_argument("--method", action="append", help="only this one; may be given more than once")
    parser.add_argument("--data-root", type=Path, help="holds the real corpora; else ECPE_ZOO_DATA")
    parser.add_argument("--vectors", type=Path, help="word2vec file for the comparison of E2EECPE")
    parser.add_argument(
        "--encoder", type=Path, help="folder of a pretrained English encoder, for EACL and single texts"
    )
    parser.add_argument("--steps", type=int, default=40, help="most training steps of a measurement")
    parser.add_argument("--seconds", type=float, default=30.0, help="most seconds of single steps")
    parser.add_argument("--repeats", type=int, default=3, help="whole epochs and predictions, first one warm")
    parser.add_argument("--accelerator", default="cpu", help="as the trainer takes it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    parser.add_argument("--comparison-alone", action="store_true", help="leave out the methods' own configs")
    parser.add_argument("--no-comparison", action="store_true", help="only the methods' own configs")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Returns:
        0; a missed aim is shown, but is not an error. 1 if a measurement failed.
    """
    options = make_parser().parse_args(arguments)
    configs = {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}
    chosen = options.method or list(configs)
    if unknown := set(chosen) - set(configs):
        raise SystemExit(
            f"Expected --method to be one of {', '.join(configs)}, but got {', '.join(unknown)}."
        )
    named = options.data_root or os.environ.get("ECPE_ZOO_DATA")
    root = Path(named).expanduser().resolve() if named else None
    corpora = {id: corpus for id in configs if (corpus := real_corpus(id)) is not None}
    real = {id: name for id, name in corpora.items() if root is not None and (root / name).is_dir()}
    if options.data_root and not real:
        names = ", ".join(sorted(set(corpora.values())))
        raise SystemExit(f"Expected one of the folders {names} in {root}, but found none.")
    vectors = str(options.vectors.expanduser().resolve()) if options.vectors else None
    encoder = str(options.encoder.expanduser().resolve()) if options.encoder else None
    report = Report(options)
    actions: tuple[tuple[Action, str], ...] = (("train", "training"), ("predict", "prediction"))
    for id in [] if options.comparison_alone else chosen:
        job = report.job(config_job(configs[id]))
        for action, name in actions:
            with suppress(MeasurementError):
                report.row(f"{id}, {job.data['corpus']}, {name}", replace(job, action=action))
            if id in real:
                data = {**job.data, "corpus": real[id], "root": str(root)}
                with suppress(MeasurementError):
                    report.row(f"{id}, {real[id]}, {name}", replace(job, action=action, data=data))
    texts = [id for id in chosen if id in ("eqn", "emo_pillars")]
    for id in [] if options.no_comparison else chosen:
        if id not in real:
            continue
        # the paper protocol: all training documents
        data = {"corpus": real[id], "root": str(root), "protocol": "paper"}
        class_path = config_job(configs[id]).class_path
        if scores_pairs_over_an_encoder(class_path):
            with suppress(MeasurementError):
                compare_encoded(report, id, class_path, data)
        with suppress(MeasurementError):
            if id == "e2eecpe":
                compare_e2eecpe(report, data, vectors)
            elif id == "mm_r":
                compare_multi_turn(report, data)
            elif id == "eacl" and encoder:
                compare_eacl(report, data, encoder)
            elif id in texts[:1] and encoder:
                compare_texts(report, data, encoder)
    report.print()
    return int(bool(report.failed))


if __name__ == "__main__":
    raise SystemExit(main())
