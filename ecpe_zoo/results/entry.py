"""A record with the file of its scores and history.

That file is `NAME.npz` for `NAME.json`, and `predictions/test.npz` for the `record.json` of a run folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
    """A record and its place.

    Args:
        path: path of the record.
        record: its content.
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
    def partial(self) -> bool:
        """It scored only a part of the test documents, as a run that was set to stop early does."""
        return self.record.corpus.scored < self.record.corpus.test

    @property
    def finished(self) -> bool:
        """It has a score; a collapsed run has one, a failed run has none."""
        return self.record.status != "failed" and self.score is not None

    @property
    def score(self) -> float | None:
        """The headline metric, as a fraction."""
        return self.metric(find_task(self.task).headline)

    @property
    def default_score(self) -> float | None:
        """The headline metric at the method's default threshold, as a fraction."""
        return self.default_metric(find_task(self.task).headline)

    def metric(self, name: str, version: str | None = None) -> float | None:
        """A metric by its short name at the headline threshold; None where the record has none.

        Args:
            name: without task and version: `pair_f1`.
            version: version of its definition; the newest by default, `ecpe.pair_f1.v2` over `ecpe.pair_f1.v1`.
        """
        if version is not None:
            return self.record.metrics.get(f"{self.task}.{name}.{version}")
        return _newest(self.record.metrics, self.task, name)

    def default_metric(self, name: str) -> float | None:
        """A metric by its short name at the method's default threshold; None if the record has none."""
        return _newest(self.record.metrics_default, self.task, name)

    def versions(self, name: str) -> list[str]:
        """The versions of a metric's definition that the record has, newest first."""
        return [key.rsplit(".", 1)[1] for key in _versions(self.record.metrics, self.task, name)]

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
        """A row a validation: validation metrics and, if they were watched, test metrics; read when first used.

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


def _versions(metrics: Mapping[str, float], task: str, name: str) -> list[str]:
    """The ids of a metric, newest version first."""
    versions = [key for key in metrics if key.startswith(f"{task}.{name}.") and key.count(".") == 2]
    return sorted(versions, key=lambda key: (len(key), key), reverse=True)


def _newest(metrics: Mapping[str, float], task: str, name: str) -> float | None:
    versions = _versions(metrics, task, name)
    return metrics[versions[0]] if versions else None
