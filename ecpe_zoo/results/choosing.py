"""What chose the weights that a record scored, and whether a strict record may be ranked as one."""

from __future__ import annotations

from ecpe_zoo.results.record import (
    LAST_EPOCH,
    TEST_FOLD,
    TRAINING_DOCUMENTS,
    VALIDATION_PART,
    RunRecord,
    documents_of,
)

_STATED = 3
"""First version of the record that states what happened; before, the config decides."""


def chosen_on(record: RunRecord) -> str:
    """The documents whose metric chose the tested weights; the values of `Protocol.selection`."""
    stated = record.protocol.selection
    metric = selection_metric(record)
    if record.schema_version >= _STATED or stated == LAST_EPOCH or metric is None:
        return stated
    return documents_of(metric, record.protocol.name)


def selection_metric(record: RunRecord) -> str | None:
    """The metric that chose the tested weights; None for none and where neither record nor config names it."""
    if record.schema_version >= _STATED:
        return record.protocol.selection_metric
    given = (record.config.get("trainer") or {}).get("callbacks") or []
    for callback in given if isinstance(given, list) else [given]:
        monitor = (callback.get("init_args") or {}).get("monitor")
        if str(callback.get("class_path", "")).endswith("ModelCheckpoint") and monitor is not None:
            return str(monitor)  # the code of that time tested the first checkpoint that had a monitor
    return (record.config.get("checkpoint") or {}).get("monitor")


def gold_read(record: RunRecord) -> str:
    """What read the gold of the test documents before they were scored, in words; "" if nothing did."""
    found = []
    if record.protocol.lexicon.startswith("rankcp_file"):
        found.append("its lexicon holds the gold emotion clauses of the test documents")
    if record.protocol.truncation.startswith("gold"):
        found.append("its truncation keeps the gold clauses of the test documents in view")
    return "; ".join(found)


def not_strict(record: RunRecord) -> str:
    """Why a record must not be ranked under its protocol, in words; "" if it may.

    Under either protocol it must not where gold of the test documents was read (`gold_read`), under `strict` not where
    something else than a validation part chose.
    """
    if reason := gold_read(record):
        return reason
    if record.protocol.name != "strict":
        return ""
    on, metric = chosen_on(record), selection_metric(record)
    by = f" ({metric})" if metric else ""
    if on == TEST_FOLD:
        return f"the test fold chose the epoch{by}"
    if on == LAST_EPOCH:
        return "no metric chose the epoch: the last one was scored"
    if on == TRAINING_DOCUMENTS:
        return f"the training documents chose the epoch{by}"
    if on != VALIDATION_PART:
        return f"nothing says which documents chose the epoch{by}"
    for stage in record.stages:
        if stage.chosen_by is not None and stage.chosen_by.documents == TEST_FOLD:
            return f"the test fold chose the epoch of stage {stage.name} ({stage.chosen_by.metric})"
    for read in _stopped_by(record):
        if documents_of(read, record.protocol.name) == TEST_FOLD:
            return f"early stopping read the test fold ({read})"
    return ""


def _stopped_by(record: RunRecord) -> list[str]:
    """Metrics that early stopping read."""
    if record.schema_version >= _STATED:
        return [choice.metric for stage in record.stages for choice in stage.stopped_by if choice.metric]
    monitor = (record.config.get("early_stopping") or {}).get("monitor")
    return [str(monitor)] if monitor else []
