"""A folder tree of records: find them, group them by what was run, and name what differs.

A record's predictions lie beside it, as `NAME.json` and `NAME.npz`, or as a run folder has them, `record.json` and
`predictions/test.npz`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.scoring import SCORINGS
from ecpe_zoo.results import statistics
from ecpe_zoo.results.record import METRIC_VERSION, RunRecord, read_record

if TYPE_CHECKING:  # torch takes seconds to import: only where a record needs it
    from ecpe_zoo.methods.base import Method

HEADLINES: dict[str, str] = {task: scoring.headline for task, scoring in SCORINGS.items()}
"""The metric that ranks, for each task."""

AVERAGES: dict[str, statistics.Average] = {"ecpe": "micro", "erc": "weighted", "emotions": "macro"}
"""How that metric's F1 is formed."""

TASK_NAMES = {
    "ecpe": "Emotion-cause pairs",
    "erc": "Emotions in conversation",
    "emotions": "Emotions of a text",
}

_NO_NUMBER = {
    "data": ("root", "num_workers", "predict_split", "corpus", "fold", "protocol"),
    "trainer": (
        "logger", "default_root_dir", "enable_progress_bar", "enable_model_summary", "log_every_n_steps",
        "profiler", "callbacks", "plugins", "enable_autolog_hparams", "model_registry",
    ),
    "early_stopping": ("strict", "verbose", "log_rank_zero_only"),
}  # fmt: skip
"""Options that change no number, and those that a group has fields of its own for."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A record and where it lies.

    Args:
        path: of the record.
        record: what it says.
        id: hash of the record's content: the same record in two places has one id.
    """

    path: Path
    record: RunRecord
    id: str

    @property
    def task(self) -> str:
        """The part of its metric ids before the first dot; of a failed run without metrics, "" if unknown."""
        for names in (self.record.metrics, self.record.metrics_default):
            for name in names:
                return name.split(".", 1)[0]
        return ""

    @property
    def fold(self) -> int:
        """1-based."""
        return self.record.corpus.fold

    @property
    def finished(self) -> bool:
        """It has a score; a collapsed run has one, a failed run has none."""
        return self.record.status != "failed" and self.score is not None

    @property
    def score(self) -> float | None:
        """The headline metric, as a fraction."""
        return self.metric(HEADLINES.get(self.task, ""))

    @property
    def default_score(self) -> float | None:
        """The headline metric at the method's default threshold, as a fraction."""
        return _newest(self.record.metrics_default, self.task, HEADLINES.get(self.task, ""))

    def metric(self, name: str) -> float | None:
        """A metric by its short name at the headline threshold; None where the record has none.

        The newest version of its definition wins: `ecpe.pair_f1.v2` over `ecpe.pair_f1.v1`.
        """
        return _newest(self.record.metrics, self.task, name)

    @property
    def predictions(self) -> Path:
        """Where the scores before thresholds are expected.

        Raises:
            ZooError: no such file.
        """
        places = (self.path.with_suffix(".npz"), self.path.parent / "predictions" / "test.npz")
        for place in places:
            if place.is_file():
                return place
        raise ZooError(
            f"{self.path}: expected its predictions in {places[0].name} or predictions/test.npz beside it, but "
            "found neither. Copy them together with the record."
        )

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides a result, flat, without seed, fold and protocol: `model.filters` -> 75.

        Left out are null options and arguments at their default, so that a record from before an argument was
        added stays with those from after it. Other files that were read count by content:
        `inputs.vectors.txt` -> sha256.
        """
        config = self.record.config
        model = config.get("model") or {}
        default, arguments = _defaults(str(model.get("class_path", ""))), model.get("init_args") or {}
        idle = _idle(str(model.get("class_path", "")), arguments)
        flat: dict[str, Any] = {
            f"model.{name}": value
            for name, value in arguments.items()
            if name not in idle and (name not in default or default[name] != value)
        }
        for section, left_out in _NO_NUMBER.items():
            default = _data_defaults() if section == "data" else {}
            for name, value in (config.get(section) or {}).items():
                if (
                    name not in left_out
                    and value is not None
                    and not (name in default and default[name] == value)
                ):
                    flat[f"{section}.{name}"] = value
        return flat | {f"inputs.{name}": sha for name, sha in self.record.inputs.items()}

    @cached_property
    def variant(self) -> str:
        """Hash of `settings`."""
        text = json.dumps(self.settings, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _newest(metrics: Mapping[str, float], task: str, name: str) -> float | None:
    versions = [key for key in metrics if key.startswith(f"{task}.{name}.") and key.count(".") == 2]
    return metrics[max(versions, key=lambda key: (len(key), key))] if versions else None


def record_id(path: Path) -> str:
    """Hash of a record as data: layout and line ends do not matter."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_records(paths: Iterable[Path]) -> list[Entry]:
    """All records in files and folder trees, sorted by path; a record that lies in two places counts once.

    Other JSON files are passed over: a record is one that names a schema version, a method and metrics.

    Raises:
        ZooError: a path that does not exist, a record that cannot be read, or no record at all.
    """
    listed = list(paths)
    found: dict[str, Entry] = {}
    for path in listed:
        if not path.exists():
            raise ZooError(
                f"{path}: expected records (.json files or folders of them), but there is no such path."
            )
        files = [path] if path.is_file() else sorted(path.rglob("*.json"))
        for file in files:
            if any(part.startswith(".") for part in file.relative_to(path).parts) or not (
                path.is_file() or _is_record(file)
            ):
                continue
            record = read_record(file)
            id = record_id(file)
            found.setdefault(id, Entry(file, record, id))
    if not found:
        raise ZooError(
            f"Expected records in {', '.join(map(str, listed))}, but found none. A fit writes record.json into its "
            "run's folder when its test is over."
        )
    return sorted(found.values(), key=lambda entry: str(entry.path))


class Failure(NamedTuple):
    """A cell of a suite that failed and left no record.

    Args:
        path: of the note that the runner left in the record's place.
        cell: its name.
        reason: one line.
    """

    path: Path
    cell: str
    reason: str


def find_failures(paths: Iterable[Path]) -> list[Failure]:
    """Notes of failed cells in folder trees, `NAME.failed.json`, where no record `NAME.json` came after."""
    found = []
    for path in paths:
        for file in sorted(path.rglob("*.failed.json")) if path.is_dir() else ():
            if file.with_name(file.name.replace(".failed.json", ".json")).exists():
                continue
            try:
                content = json.loads(file.read_text(encoding="utf-8"))
                found.append(Failure(file, str(content["cell"]), str(content["reason"])))
            except (OSError, ValueError, KeyError, TypeError):
                found.append(
                    Failure(file, file.name.removesuffix(".failed.json"), "a note that cannot be read")
                )
    return found


def _is_record(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return path.name == "record.json"  # then reading it says what is wrong
    return isinstance(content, dict) and {"schema_version", "method", "metrics"} <= content.keys()


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one method in one variant, on one corpus, under one protocol: folds and seeds differ.

    Args:
        task: "ecpe", "erc" or "emotions".
        corpus: its name.
        protocol: "strict" or "paper".
        method: its id.
        variant: hash of what decides a result, without seed and fold.
        entries: its records, by fold and seed.
    """

    task: str
    corpus: str
    protocol: str
    method: str
    variant: str
    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        """Any of the records: all agree in everything that names the group."""
        return self.entries[0]

    @property
    def finished(self) -> tuple[Entry, ...]:
        """Runs with a score, collapsed ones among them."""
        return tuple(entry for entry in self.entries if entry.finished)

    @property
    def failed(self) -> tuple[Entry, ...]:
        """Runs without a score."""
        return tuple(entry for entry in self.entries if not entry.finished)

    @cached_property
    def collapsed(self) -> tuple[Entry, ...]:
        """Runs that collapsed: their own status says so, or see `statistics.collapsed`."""
        runs = self.finished
        found = statistics.collapsed([run.score or 0.0 for run in runs]) if runs else []
        return tuple(
            run for run, low in zip(runs, found, strict=True) if low or run.record.status == "collapsed"
        )

    @property
    def folds(self) -> tuple[int, ...]:
        """Folds with a finished run."""
        return tuple(sorted({entry.fold for entry in self.finished}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the finished runs."""
        return tuple(sorted({entry.record.seed for entry in self.finished}))

    def by_fold(self) -> dict[int, list[Entry]]:
        """Finished runs of each fold."""
        folds: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in self.finished:
            folds[entry.fold].append(entry)
        return dict(sorted(folds.items()))

    @property
    def repeated(self) -> int:
        """Runs beyond the first of a fold and seed: the same cell, run again or by another commit."""
        return len(self.finished) - len({(entry.fold, entry.record.seed) for entry in self.finished})

    def values(
        self, metric: str | None = None, without_collapsed: bool = False
    ) -> dict[tuple[int, Hashable], float]:
        """A metric of the finished runs by (fold, run); the headline metric by default."""
        left_out = set(map(id, self.collapsed)) if without_collapsed else set()
        found: dict[tuple[int, Hashable], float] = {}
        for entry in self.finished:
            value = entry.score if metric is None else entry.metric(metric)
            if value is not None and id(entry) not in left_out:
                found[entry.fold, entry.id] = value
        return found

    def spread(
        self, metric: str | None = None, without_collapsed: bool = False
    ) -> statistics.RunSpread | None:
        """Spread of a metric over the finished runs; None where no run has it."""
        values = self.values(metric, without_collapsed)
        return statistics.over_runs(values) if values else None


def group_records(entries: Sequence[Entry]) -> list[Group]:
    """Group records by task, corpus, protocol, method and variant.

    A failed run that has no metric has the task of its method's other runs, else of its method's class.
    """
    tasks = {entry.record.method: entry.task for entry in entries if entry.task}
    gathered: defaultdict[tuple[str, str, str, str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        record = entry.record
        task = entry.task or tasks.get(record.method) or _task_of(entry)
        gathered[task, record.corpus.id, record.protocol.name, record.method, entry.variant].append(entry)
    return [
        Group(*key, tuple(sorted(runs, key=lambda run: (run.fold, run.record.seed, run.id))))
        for key, runs in sorted(gathered.items())
    ]


def _task_of(entry: Entry) -> str:
    """The task that a record's method has in this package; "unknown" where it is not there (any more)."""
    class_path = str((entry.record.config.get("model") or {}).get("class_path", ""))
    if not class_path.startswith(_OURS):
        return "unknown"
    from ecpe_zoo.methods.loading import method_class

    try:
        return str(method_class(class_path).task)
    except ZooError:
        return "unknown"


_OURS = "ecpe_zoo.methods."


@lru_cache
def _method(class_path: str) -> type[Method] | None:
    """A method of this package; None where it is not there (any more)."""
    if not class_path.startswith(_OURS):
        return None  # a record is data: it does not decide what is imported
    from ecpe_zoo.methods.loading import method_class

    try:
        return method_class(class_path)
    except ZooError:
        return None


@lru_cache
def _defaults(class_path: str) -> Mapping[str, Any]:
    method = _method(class_path)
    return {} if method is None else _defaults_of(method)


def _idle(class_path: str, arguments: Mapping[str, Any]) -> frozenset[str]:
    method = _method(class_path)
    return frozenset() if method is None else method.idle(arguments)


@lru_cache
def _data_defaults() -> Mapping[str, Any]:
    from ecpe_zoo.data.module import EmotionDataModule

    return _defaults_of(EmotionDataModule)


def _defaults_of(known: Callable[..., Any]) -> Mapping[str, Any]:
    parameters = inspect.signature(known).parameters.items()
    return {name: value.default for name, value in parameters if value.default is not value.empty}


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        value = json.dumps(value)
    text = str(value)
    return f"{name}={text[:8] if name.startswith('inputs.') else text}"


def labels(groups: Sequence[Group]) -> dict[int, str]:
    """A readable label for each group: the method and what differs between groups of the same method.

    Of a method's arguments those are named that differ between its groups (on one corpus) and from the method's
    default. Practice (data, trainer, early stopping) is named only where it is what tells two groups of one
    protocol apart. So the strict and the paper run of the same method share a label.

    Returns:
        `id(group)` -> `e2eecpe [filters=75, masked=false]`.
    """
    found: dict[int, str] = {}
    families: defaultdict[tuple[str, str, str], list[Group]] = defaultdict(list)
    for group in groups:
        families[group.task, group.corpus, group.method].append(group)
    for family in families.values():
        settings = [group.first.settings for group in family]
        names = sorted({name for setting in settings for name in setting})
        differing = [
            name for name in names
            if len({json.dumps(setting.get(name), sort_keys=True, default=str) for setting in settings}) > 1
        ]  # fmt: skip
        for group, setting in zip(family, settings, strict=True):
            mine = {name: setting[name] for name in differing if name in setting}
            # a file that an argument names stands there with its hash, and not once more
            files = {name: f"inputs.{value}" for name, value in mine.items() if f"inputs.{value}" in mine}
            named = [
                _shown(
                    name.removeprefix("model."),
                    f"{value} {mine[files[name]][:8]}" if name in files else value,
                )
                for name, value in mine.items()
                if name.startswith(("model.", "inputs.")) and name not in files.values()
            ]
            found[id(group)] = f"{group.method} [{', '.join(named)}]" if named else group.method
        _tell_apart(family, settings, differing, found)
    return found


def _tell_apart(
    family: Sequence[Group],
    settings: Sequence[dict[str, Any]],
    differing: Sequence[str],
    found: dict[int, str],
) -> None:
    """Add practice to the labels of groups that share protocol and label."""
    same: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, group in enumerate(family):
        same[group.protocol, found[id(group)]].append(place)
    for places in same.values():
        if len(places) < 2:
            continue
        practice = [
            name for name in differing
            if not name.startswith(("model.", "inputs."))
            and len({json.dumps(settings[place].get(name), default=str) for place in places}) > 1
        ]  # fmt: skip
        for place in places:
            group = family[place]
            said = ", ".join(
                _shown(name.removeprefix("data."), settings[place].get(name)) for name in practice
            )
            said = said or f"config {group.variant[:8]}"
            label = found[id(group)]
            found[id(group)] = f"{label[:-1]}, {said}]" if label.endswith("]") else f"{label} [{said}]"


def encoder_of(entry: Entry) -> str:
    """The encoder that a run used, in words; "own network" for a method that takes none."""
    arguments = (entry.record.config.get("model") or {}).get("init_args") or {}
    return str(arguments.get("encoder") or "own network")


def metric_id(task: str, name: str) -> str:
    """The versioned id of a metric.

    >>> metric_id("ecpe", "pair_f1")
    'ecpe.pair_f1.v1'
    """
    return f"{task}.{name}.{METRIC_VERSION}"
