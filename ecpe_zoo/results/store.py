"""Finds records in folders and groups them by what was run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.escaping import visible, without_folder
from ecpe_zoo.options import EMBEDDED, RECURRENT, WORDS
from ecpe_zoo.results import statistics
from ecpe_zoo.results.choosing import chosen_on, not_strict
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.limits import limited
from ecpe_zoo.results.naming import arguments_of, declared_method
from ecpe_zoo.results.record import Overlap, RunRecord, read_record
from ecpe_zoo.results.rising import last_rise, rising_in_words
from ecpe_zoo.tasks import find_task


def each_record(paths: Iterable[Path], skip_unreadable: bool = False) -> Iterator[Entry]:
    """The records in files and folder trees, in order; a record that is in two places is yielded twice.

    Other JSON files are skipped: a record has a schema version, a method and metrics. A damaged file is an error if its
    name, or a file of predictions of the same name, shows that it was a record.

    Args:
        paths: Files, and folders with records.
        skip_unreadable: Whether to skip records that cannot be read.

    Raises:
        ZooError: a path that does not exist, or a record that cannot be read.
    """
    for path in paths:
        if not path.exists():
            raise ZooError(
                f"{path}: expected records (.json files or folders of them), but there is no such path."
            )
        for file in [path] if path.is_file() else sorted(path.rglob("*.json")):
            if any(part.startswith(".") for part in file.relative_to(path).parts):
                continue
            content: Any = None
            likely = file.name == "record.json" or file.with_suffix(".npz").exists()
            with suppress(OSError, ValueError, RecursionError):
                content = json.loads(file.read_text(encoding="utf-8"))
                if isinstance(content, dict):
                    likely = likely or {"schema_version", "method", "metrics"} <= content.keys()
            if likely or path.is_file():
                try:
                    entry = Entry(file, read_record(file), _record_id(file, content))
                except ZooError:
                    if not skip_unreadable:
                        raise
                else:
                    yield entry


def _record_id(path: Path, content: Mapping[str, Any] | None) -> str:
    """Hash of a record's content; layout and line ends do not matter."""
    if content is None:
        raise ZooError(
            f"{path}: expected a result record, but got JSON that is too deep or has too long a number."
        )
    kept = content.get("converted_from")
    return kept or hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_records(paths: Iterable[Path]) -> list[Entry]:
    """All records in files and folder trees, sorted by path; a record that is in two places counts once.

    Raises:
        ZooError: see `each_record`; no record at all; or two that say they are one, with different metrics.
    """
    listed = list(paths)
    found: dict[str, Entry] = {}
    for entry in each_record(listed):
        known = found.setdefault(entry.id, entry)
        if known.record.metrics != entry.record.metrics:
            raise ZooError(
                f"{entry.path}: expected the metrics of {known.path}, since both say that they were converted from one "
                "record, but got others. Keep the one that `ecpe-zoo results recompute` confirms."
            )
    if not found:
        raise ZooError(
            f"Expected records in {', '.join(map(str, listed))}, but found none. A fit writes record.json into its "
            "run's folder after its test."
        )
    return sorted(found.values(), key=lambda entry: str(entry.path))


FAILED = ".failed.json"
"""End of the file name of a failure's note, which takes the place of the record."""


class Failure(BaseModel):
    """Why a cell of a suite has no record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: str
    reason: str = Field(description="one line")
    exit_status: int | None = Field(description="negative: ended by that signal; None: it ended well")
    started: float = Field(description="Unix time")
    ended: float
    host: str
    command: list[str]
    config_hash: str
    commit: str | None
    last_lines: list[str] = Field(description="of the log")


def read_failure(path: Path) -> Failure | None:
    """The note of a failure; None if there is none or it cannot be read."""
    try:
        return Failure.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def find_failures(paths: Iterable[Path]) -> list[Failure]:
    """Notes of failed cells in folder trees, if no record followed."""
    notes = [file for path in paths for file in sorted(path.rglob(f"*{FAILED}"))]
    names = [(note, note.name.removesuffix(FAILED)) for note in notes]
    return [
        read_failure(note) or Failure.model_construct(cell=name, reason="a note that cannot be read")
        for note, name in names
        if not note.with_name(f"{name}.json").exists()
    ]


Files = tuple[tuple[str, str], ...]
"""File names with their sha256."""


@dataclass(frozen=True, eq=False)
class RunGroup:
    """The runs of one method in one variant, on one corpus, under one protocol: folds and seeds differ.

    Args:
        task: Task, as in metric ids.
        corpus: Its name.
        protocol: "strict" or "paper".
        method: Its id.
        variant: Hash of what decides a result, without seed and fold.
        entries: Its records, by fold and seed.
        content: Corpus files (name, sha256) that are others than those of most records on this corpus.
        again: Records left out of `entries` because they have the fold, the seed and all metrics of another one: a run
            that was repeated, or whose finished fit was resumed, has drawn nothing new.
    """

    task: str
    corpus: str
    protocol: str
    method: str
    variant: str
    entries: tuple[Entry, ...]
    content: Files = ()
    again: int = 0

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
        found = statistics.collapsed([run.score or 0.0 for run in self.finished])
        pairs = zip(self.finished, found, strict=True)
        return tuple(run for run, low in pairs if low or run.record.status == "collapsed")

    @cached_property
    def sound(self) -> RunGroup:
        """The group without its collapsed and failed runs."""
        return replace(self, entries=tuple(run for run in self.finished if run not in self.collapsed))

    @cached_property
    def rising(self) -> str:
        """That its finished runs ended while they still learned, in words; "" if they did not."""
        rises = [last_rise(entry) for entry in self.finished]
        return rising_in_words(sum(rises) / max(len(rises), 1), len(rises))

    @property
    def folds(self) -> tuple[int, ...]:
        """Folds with a finished run."""
        return tuple(self.by_fold())

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the finished runs."""
        return tuple(sorted({entry.record.seed for entry in self.finished}))

    @property
    def seedless(self) -> bool:
        """Whether its method draws nothing, so that one run counts for all seeds."""
        method = declared_method(self.first.record)
        return method is not None and method.seedless

    @property
    def partial(self) -> tuple[Entry, ...]:
        """Finished runs that scored only a part of the test documents."""
        return tuple(entry for entry in self.finished if entry.partial)

    @property
    def chosen_on(self) -> str:
        """Documents whose metric chose the tested weights of its runs; several where its runs differ."""
        return "; ".join(sorted({chosen_on(entry.record) for entry in self.entries}))

    @cached_property
    def not_strict(self) -> tuple[tuple[Entry, str], ...]:
        """Finished strict runs that were not chosen on a validation part, and why."""
        found = ((entry, not_strict(entry.record)) for entry in self.finished)
        return tuple((entry, reason) for entry, reason in found if reason)

    @property
    def limited(self) -> str:
        """What its finished runs did not read in training or validation, in words; see `limits.limited`."""
        return "; ".join(sorted({reason for entry in self.finished if (reason := limited(entry.record))}))

    @property
    def comparable(self) -> bool:
        """Whether its scores may be ranked: all documents were read, and chosen as its protocol says."""
        return not (self.partial or self.limited or self.content or self.not_strict)

    @property
    def overlap(self) -> Overlap | None:
        """Longer scored texts that training holds, summed over folds; None if no finished run counted them."""
        counted = {  # alike for all seeds of a fold
            entry.fold: overlap
            for entry in self.finished
            if (overlap := entry.record.corpus.overlap) is not None
        }
        if not counted:
            return None
        texts = sum(overlap.texts for overlap in counted.values())
        held = sum(overlap.held for overlap in counted.values())
        return Overlap(texts=texts, held=held, share=held / texts if texts else 0.0)

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

    @property
    def remarks(self) -> tuple[str, ...]:
        """What any table says of the group beside its numbers: too few epochs, repetitions, documents not read."""
        repeat = "repeats" if self.again == 1 else "repeat"
        again = f"{counted(self.again, 'record')} left out: {repeat} fold, seed and scores of another" * bool(
            self.again
        )
        unread = f"{self.limited}: not ranked" if self.limited else ""
        return tuple(filter(None, (self.rising, again, unread)))

    def values(
        self, metric: str | None = None, without_collapsed: bool = False, default: bool = False
    ) -> dict[tuple[int, Hashable], float]:
        """A metric of the finished runs by (fold, run); the headline metric by default.

        Where runs have several versions of its definition, it is the newest that all of them have.

        Args:
            metric: Its short name.
            without_collapsed: Leave collapsed runs out.
            default: Whether to score at the method's default threshold instead of the headline's.
        """
        name = metric or find_task(self.task).headline
        found = {run: versions for run in self.finished if (versions := run.versions(name, default))}
        newest = next(iter(found.values()), {})
        shared = next(
            (version for version in newest if all(version in some for some in found.values())), None
        )
        return {
            (run.fold, run.id): versions[shared] if shared else next(iter(versions.values()))
            for run, versions in found.items()
            if not (without_collapsed and run in self.collapsed)
        }

    def spread(
        self, metric: str | None = None, without_collapsed: bool = False, default: bool = False
    ) -> statistics.RunSpread | None:
        """Spread of a metric over the finished runs; see `values`. None if no run has it.

        The interval over folds counts in that they share training documents.
        """
        values = self.values(metric, without_collapsed, default)
        return statistics.over_runs(values, share_tested(self.finished)) if values else None


def group_records(entries: Sequence[Entry]) -> list[RunGroup]:
    """Group records by task, corpus, protocol, method and variant; and by the corpus' files if they differ.

    A failed run that has no metric has the task of its method's other runs, else of its method's class.
    """
    tasks = {entry.record.method: entry.task for entry in entries if entry.task}
    usual = _usual_files(entries)
    gathered: defaultdict[tuple[tuple[str, str, str, str, str], Files], list[Entry]] = defaultdict(list)
    for entry in entries:
        record, corpus = entry.record, entry.record.corpus
        task = entry.task or tasks.get(record.method) or _task_of(entry)
        other = sorted((name, sha) for name, sha in corpus.files.items() if usual[corpus.id, name] != sha)
        key = (task, corpus.id, record.protocol.name, record.method, entry.variant)
        gathered[key, tuple(other)].append(entry)
    groups = []
    for (group, content), runs in sorted(gathered.items()):
        listed = sorted(runs, key=lambda run: (run.fold, run.record.seed, run.id))
        alike: defaultdict[Hashable, list[Entry]] = defaultdict(list)
        for run in listed:
            alike[_outcome(run)].append(run)
        once = tuple(runs[0] if len(runs) == 1 else min(runs, key=_lacks) for runs in alike.values())
        groups.append(RunGroup(*group, once, content, len(listed) - len(once)))
    return groups


def _lacks(entry: Entry) -> tuple[bool, bool]:
    """What a record lacks that a repetition of it may have: the test scores of every epoch, its history."""
    rows = entry.shown_history
    return not any("watched_test" in row for row in rows), not rows


def _outcome(entry: Entry) -> Hashable:
    """What a repetition of the same run has in common with it; failed runs have nothing in common."""
    record = entry.record
    metrics = (*sorted(record.metrics.items()), None, *sorted(record.metrics_default.items()))
    return (entry.fold, record.seed, metrics) if entry.finished else entry.id


def _usual_files(entries: Iterable[Entry]) -> dict[tuple[str, str], str]:
    """(corpus, file name) -> the sha256 that most records have; in a tie, the first in order."""
    seen: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for entry in entries:
        for name, sha in entry.record.corpus.files.items():
            seen[entry.record.corpus.id, name][sha] += 1
    return {file: min(counts, key=lambda sha: (-counts[sha], sha)) for file, counts in seen.items()}


def _task_of(entry: Entry) -> str:
    """The task that a record's method has in this package; "unknown" if the package lacks it (or no longer has it)."""
    if declared_method(entry.record) is None:
        return "unknown"
    from ecpe_zoo.methods.loading import method_class  # slow, and rarely needed: a record without a metric

    return method_class(entry.record.config["model"]["class_path"]).task.id


def share_tested(entries: Iterable[Entry]) -> float:
    """Test documents over training documents, averaged over records, for `statistics.corrected_t_test`."""
    shares = [entry.record.corpus.test / max(1, entry.record.corpus.train) for entry in entries]
    return max(sum(shares) / len(shares), 1e-9)


def encoder_of(entry: Entry) -> str:
    """The encoder that a run used, in words; "own network" for a method that takes none, "none" for a rule.

    A pretrained encoder without its upper layers is another one: `multilingual-e5-small, first 6 layers`.
    """
    arguments, method = arguments_of(entry.record), declared_method(entry.record)
    if method is not None and method.seedless:
        return "none"
    if method is not None and "encoder.name" in method.idle(arguments):
        return "own network"
    name = without_folder(str(arguments.get("encoder.name") or arguments.get("encoder") or "own network"))
    layers = arguments.get("encoder.layers")
    cut = layers is not None and name not in (EMBEDDED, RECURRENT, WORDS)
    return visible(f"{name}, first {layers} layers" if cut else name)


def main_metric(record: RunRecord) -> tuple[str, float]:
    """Name and value of the metric that ranks its task."""
    for name, value in record.metrics.items():
        task, metric, _ = name.split(".", 2)
        if find_task(task).headline == metric:
            return name, value
    return next(iter(record.metrics.items()), ("", float("nan")))
