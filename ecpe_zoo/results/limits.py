"""Runs that read a part of their documents: options of the trainer that shorten a try."""

from __future__ import annotations

from ecpe_zoo.results.record import RunRecord

PARTS = {
    "overfit_batches": (0.0, "validated on its training batches"),
    "limit_train_batches": (1.0, "trained on a part of the documents"),
    "limit_val_batches": (1.0, "validated on a part of the documents"),
}
"""Option of the trainer -> the value that leaves nothing out, and what others do."""

NONE = {"limit_train_batches": "trained on no document", "limit_val_batches": "validated on no document"}
"""What 0 does."""


def limited(record: RunRecord) -> str:
    """What a run did not read, in words with the option; "" if nothing was left out.

    A test on a part of the documents is `Entry.partial`.

    >>> from types import SimpleNamespace as Record
    >>> limited(Record(config={"trainer": {"limit_train_batches": 5, "limit_val_batches": 1.0}}))
    'trained on a part of the documents (limit_train_batches 5)'
    """
    options, found = record.config.get("trainer") or {}, []
    for name, (whole, words) in PARTS.items():
        value = options.get(name)
        # 1 is a batch, 1.0 are all of them
        if value is not None and (value != whole or (isinstance(value, int) and value != 0)):
            found.append(f"{words if value else NONE.get(name, words)} ({name} {value})")
    return "; ".join(found)
