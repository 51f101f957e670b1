"""A record with the file of its scores and history.

That file is `NAME.npz` for `NAME.json`, and `predictions/test.npz` for the `record.json` of a run folder.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ecpe_zoo.data.history import Rows
from ecpe_zoo.data.predictions import read_history
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import file_sha256
from ecpe_zoo.results.naming import settings_of
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.tasks import find_task


@dataclass(frozen=True, eq=False)
class Entry:
    """A record and its path.

    Args:
        path: Path of the record.
        record: Its content.
        id: Hash of the record's content: the same record in two places has one id.
    """

    path: Path
    record: RunRecord
    id: str

    @property
    def task(self) -> str:
        """The part of its metric ids before the first dot; "" for a failed run without metrics."""
        ids = (*self.record.metrics, *self.record.metrics_default, "")
        return ids[0].split(".", 1)[0]

    @property
    def fold(self) -> int:
        """1-based."""
        return self.record.corpus.fold

    @property
    def partial(self) -> bool:
        """Whether it scored only a part of the test documents, as a run with limited batches does."""
        return self.record.corpus.scored < self.record.corpus.test

    @property
    def finished(self) -> bool:
        """Whether it has a score: a collapsed run has one, a failed run has none."""
        return self.record.status != "failed" and self.score is not None

    @property
    def score(self) -> float | None:
        """The headline metric, as a fraction."""
        return self.metric(find_task(self.task).headline)

    @property
    def default_score(self) -> float | None:
        """The headline metric at the method's default threshold, as a fraction."""
        return next(iter(self.versions(find_task(self.task).headline, default=True).values()), None)

    @property
    def threshold(self) -> float | None:
        """The threshold of `metrics`; None for a task without one."""
        protocol = self.record.protocol
        return protocol.tuned_threshold if protocol.headline == "tuned" else protocol.default_threshold

    def metric(self, name: str) -> float | None:
        """A metric at the headline threshold, by its newest definition; None if the record does not have it.

        Args:
            name: Name without task and version: `pair_f1`.
        """
        return next(iter(self.versions(name).values()), None)

    def versions(self, name: str, default: bool = False) -> dict[str, float]:
        """A metric by the versions of its definition, the newest first: `v2`, `v1`.

        Args:
            name: Name without task and version.
            default: Whether the threshold is the method's default, not the headline's.
        """
        metrics = self.record.metrics_default if default else self.record.metrics
        prefix = f"{self.task}.{name}."
        found = {key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)}
        newest_first = sorted(found, key=lambda version: (len(version), version), reverse=True)
        return {version: found[version] for version in newest_first if "." not in version}

    @cached_property
    def predictions(self) -> Path:
        """The file of the scores before thresholds and of the history.

        Raises:
            ZooError: no such file, or one of another record.
        """
        places = (self.path.with_suffix(".npz"), self.path.parent / "predictions" / "test.npz")
        for place in places:
            if place.is_file():
                if (sha := file_sha256(place)) != self.record.predictions:
                    raise ZooError(
                        f"{place}: expected the predictions of {self.path.name} (sha256 "
                        f"{self.record.predictions[:12]}...), but got sha256 {sha[:12]}.... It belongs to another run, "
                        "or was changed."
                    )
                return place
        raise ZooError(
            f"{self.path}: expected its predictions in {places[0].name} or predictions/test.npz beside it, but "
            "found neither. Copy them together with the record."
        )

    @cached_property
    def history(self) -> Rows:
        """One row per validation: validation metrics and, if watched, test metrics; read when first used.

        Raises:
            ZooError: see `predictions`.
        """
        return read_history(self.predictions) if self.record.history is None else self.record.history

    @property
    def shown_history(self) -> Rows:
        """The history for pictures; empty without its file."""
        try:
            return self.history
        except ZooError:
            return []

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides a result, flat, without seed, fold and protocol; see `naming.settings_of`."""
        return settings_of(self.record)

    @cached_property
    def variant(self) -> str:
        """Hash of `settings`."""
        text = json.dumps(self.settings, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()
