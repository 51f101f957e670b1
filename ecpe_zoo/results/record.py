"""The result record: everything that says how a number was made, in one immutable JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

from ecpe_zoo.declared import declared
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import created_when_complete
from ecpe_zoo.options import nested
from ecpe_zoo.results.forms import in_one_line, wrong_form

METRIC_VERSION = "v1"


class Part(BaseModel):
    """Base of the parts of a record: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


NOTABLE_OVERLAP = 0.01
"""Share of the longer scored texts above which results and boards name the overlap."""


class Overlap(Part):
    """Train-test overlap in single texts; see `corpora.overlap`."""

    texts: int = Field(description="scored texts of five words or more")
    held: int = Field(description="of those, equal to a judged training text up to blanks and letter case")
    share: float = Field(description="held / texts; 0 if there is no text")

    @property
    def notable(self) -> bool:
        """Whether results should name it."""
        return self.share > NOTABLE_OVERLAP

    @property
    def in_words(self) -> str:
        """The overlap as part of a sentence."""
        return (
            f"training holds {self.held:,} of the {self.texts:,} scored texts of five words or more "
            f"({100 * self.share:.1f} %)"
        )


class Corpus(Part):
    """The documents that were used."""

    id: str
    fold: int
    files: dict[str, str] = Field(description="file name -> sha256")
    train: int = Field(description="documents trained on")
    validation: int
    test: int = Field(description="documents expected")
    scored: int = Field(description="test documents scored")
    twins_left_out: list[str] = Field(description="training documents equal to a test or validation document")
    near_left_out: list[str] = Field(
        default=[], description="training documents close to one of another part"
    )
    overlap: Overlap | None = Field(
        default=None, description="scored texts that training holds; None if not counted"
    )
    left_out: dict[str, int] = Field(description="what the reader left out or skipped, by reason")


VALIDATION_PART, TEST_FOLD, TRAINING_DOCUMENTS = "validation part", "test fold", "training documents"
LAST_EPOCH = "none: the last epoch"
UNKNOWN_DOCUMENTS = "unknown"


def documents_of(metric: str | None, protocol: str) -> str:
    """The documents that a logged metric is computed on; `LAST_EPOCH` for no metric.

    >>> documents_of("val/pair_f1", "strict"), documents_of("val/pair_f1", "paper")
    ('validation part', 'test fold')
    >>> documents_of("watched_test/pair_f1", "strict"), documents_of("train/loss", "strict")
    ('test fold', 'training documents')
    >>> documents_of(None, "strict"), documents_of("score", "strict")
    ('none: the last epoch', 'unknown')
    """
    if metric is None:
        return LAST_EPOCH
    part = metric.split("/")[0] if "/" in metric else ""
    if part == "val":
        return TEST_FOLD if protocol == "paper" else VALIDATION_PART
    if part in ("test", "test_default", "watched_test"):
        return TEST_FOLD
    return TRAINING_DOCUMENTS if part == "train" else UNKNOWN_DOCUMENTS


class Choice(Part):
    """A metric that chose an epoch, or that early stopping read."""

    metric: str | None = Field(description="logged name; None if nothing chose and the last epoch was kept")
    mode: Literal["max", "min"] | None = Field(description="whether the highest or the lowest is best")
    documents: str = Field(description="that the metric is computed on; see `Protocol.selection`")


class Protocol(Part):
    """What chose epoch and threshold, and how often the test documents were scored."""

    name: Literal["strict", "paper"]
    selection: str = Field(
        description="documents whose metric chose the weights that were tested: validation part, test fold, training "
        "documents, unknown (a metric of another name), or none: the last epoch"
    )
    selection_metric: str | None = Field(
        default=None, description="that metric; None for the last epoch and before version 3"
    )
    default_threshold: float | None = Field(description="None if the highest score decides")
    tuned_threshold: float | None
    tuned_on: str | None
    tuned_options: dict[str, float] = Field(
        default={}, description="what was tuned together with the threshold"
    )
    headline: Literal["default", "tuned"] = Field(description="threshold of `metrics`")
    lexicon: Literal["none", "rankcp_file (holds the gold emotion clauses)", "train_words"] = Field(
        default="none", description="filter on predicted emotion clauses"
    )
    truncation: Literal["lengths", "gold (keeps the first gold pair in view)"] = Field(
        default="lengths", description="what decides which text of a long document is read"
    )
    truncated_segments: int
    test_reads: int = Field(description="times that this run's test documents were scored before the last")
    validation_share: float
    split_seed: int
    split_version: Literal[1, 2] = 1


class Stage(Part):
    """A stage of training."""

    name: str
    epochs: int
    steps: int
    seconds: float = Field(description="wall clock, including its preparation")
    trainable_parameters: int
    chosen_by: Choice | None = Field(default=None, description="of its weights; None before version 3")
    stopped_by: list[Choice] = Field(default=[], description="metrics that early stopping read, if any")


class Machine(Part):
    """Hardware, versions and cost."""

    seconds: float = Field(description="wall clock of training, validation included")
    peak_memory_bytes: int
    parameters: int
    trainable_parameters: int
    hardware: str
    precision: str
    world_size: int
    threads: int
    versions: dict[str, str]


class Code(Part):
    """The code that ran."""

    version: str
    commit: str | None
    dirty: bool | None


class RunRecord(Part):
    """One run: a method, its config, a corpus, a protocol, a fold and a seed.

    Version 2 added `stages` and tasks without a threshold. Since version 3 `selection` is read from the checkpoint
    that was tested; before, it was the protocol's intention (`choosing.chosen_on` corrects it by the config). Version 4
    moved the history to the file of the test scores. Converted records keep their version.
    """

    schema_version: Literal[1, 2, 3, 4] = 4
    converted_from: str | None = Field(
        default=None, description="id of the record in the layout of an earlier version; it keeps this id"
    )
    method: str
    config: dict[str, Any]
    config_hash: str = Field(description="of what decides a result, as the code of that time understood it")
    inputs: dict[str, str] = Field(
        description="other files read (word vectors, a local encoder): path's last part -> sha256"
    )
    corpus: Corpus
    protocol: Protocol
    seed: int
    epoch: int | None = Field(
        description="0-based epoch of the checkpoint that was scored; None: the weights at the end of training"
    )
    epochs: int = Field(description="epochs trained, in all stages together")
    steps: int
    stages: list[Stage] = Field(default=[], description="in order; empty in records of version 1")
    metrics: dict[str, FiniteFloat] = Field(description="versioned id -> value, at the headline's threshold")
    metrics_default: dict[str, FiniteFloat] = Field(description="the same at the method's default threshold")
    history: list[dict[str, Any]] | None = Field(
        default=None,
        description="a row a validation; None: it is in the file of the test scores (`store.Entry.history` reads both)",
    )
    predictions: str = Field(description="sha256 of the file of all test scores, which holds the history too")
    machine: Machine
    code: Code
    status: Literal["ok", "collapsed", "failed"]

    def write(self, path: Path) -> None:
        """Write the record, completely or not at all.

        Raises:
            ZooError: the file exists: a record is never overwritten.
        """
        absent = {name for name in ("history", "converted_from") if getattr(self, name) is None}
        text = laid_out(json.loads(self.model_dump_json(exclude=absent)))
        try:
            with created_when_complete(path) as part:
                part.write_text(text, encoding="utf-8")
        except FileExistsError as error:
            raise ZooError(
                f"{path}: a record is there already and is never overwritten. Use another folder."
            ) from error

    @field_validator("config")
    @classmethod
    def _grouped(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Arguments of release 0.1.0 as options of groups; see `options.nested`."""
        model = config.get("model")
        if isinstance(model, dict) and isinstance(model.get("init_args"), dict):
            class_path = str(model.get("class_path", ""))
            if (method := declared(class_path)) is not None:
                arguments = nested(model["init_args"], method.defaults, class_path)
                return config | {"model": model | {"init_args": arguments}}
        return config


def laid_out(content: Mapping[str, Any]) -> str:
    """A record as compact JSON that can be compared line by line.

    >>> print(laid_out({"seed": 1, "metrics": {"a": 0.5, "b": {"c": 1}}}), end="")
    {
    "seed":1,
    "metrics":{
    "a":0.5,
    "b":{"c":1}}}
    """
    plain = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))

    def lines(items: Mapping[str, str]) -> str:
        return "{\n" + ",\n".join(f"{plain(name)}:{text}" for name, text in items.items()) + "}"

    parts = {
        name: lines({inner: plain(item) for inner, item in value.items()})
        if isinstance(value, Mapping) and value
        else plain(value)
        for name, value in content.items()
    }
    return lines(parts) + "\n"


def read_record(path: Path) -> RunRecord:
    """Read a record.

    Raises:
        ZooError: no such file, no record of a known version, or names that could do harm; see `forms`.
    """
    try:
        record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ZooError(f"{path}: expected a result record, but got: {error.strerror}.") from error
    except (ValueError, RecursionError, AttributeError, TypeError, OverflowError) as error:
        raise ZooError(f"{path}: expected a result record, but got: {in_one_line(error)}.") from error
    if problem := wrong_form(record):
        raise ZooError(
            f"{path}: expected {problem}. Records come from `ecpe-zoo fit`: ask for the original file."
        )
    return record


def versioned(task: str, metrics: dict[str, float]) -> dict[str, float]:
    """Metrics by id (task, name, version of the definition); undefined values are left out.

    >>> versioned("ecpe", {"pair_f1": 0.5})
    {'ecpe.pair_f1.v1': 0.5}
    """
    return {
        f"{task}.{name}.{METRIC_VERSION}": value for name, value in metrics.items() if math.isfinite(value)
    }
