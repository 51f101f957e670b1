"""Convert records of the first layout: compact JSON, the history and rounded scores in the file beside it.

    python -m experiments.convert_records RECORDS [RECORDS ...] [--root DIR]

A record is replaced only if the new files have every history value, every metric (computed again from the scores; needs
the corpus) and every other field of the old ones; otherwise it stays as it is. Converted records are skipped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from ecpe_zoo.data.predictions import read_predictions, rounded, write_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import file_sha256, replaced_when_complete
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.evidence import metrics_again
from ecpe_zoo.results.record import laid_out
from ecpe_zoo.results.store import each_record
from experiments import run

MOVED = {"history", "predictions", "converted_from"}


def convert(entry: Entry, root: Path | None) -> None:
    """Replace a record and its predictions.

    Raises:
        ZooError: predictions or corpus are missing, or something would change.
    """
    scores = [rounded(prediction) for prediction in read_predictions(entry.predictions)]
    content = json.loads(entry.path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        write_predictions(path.with_suffix(".npz"), scores, content.pop("history"))
        content |= {"predictions": file_sha256(path.with_suffix(".npz")), "converted_from": entry.id}
        path.write_text(laid_out(content), encoding="utf-8")
        (new,) = each_record([path])
        same = {
            "the history": new.history == entry.history,
            "the metrics": not entry.finished or metrics_again(new, root) == metrics_again(entry, root),
            "another field": new.record.model_dump(exclude=MOVED) == entry.record.model_dump(exclude=MOVED),
        }
        for what, equal in same.items():
            if not equal:
                raise ZooError(f"{entry.path}: {what} would change. The record stays as it is.")
        for source, target in ((new.predictions, entry.predictions), (path, entry.path)):
            with replaced_when_complete(target) as part:
                part.write_bytes(source.read_bytes())


def main(arguments: list[str] | None = None) -> int:
    """Convert records.

    Returns:
        1 if a record could not be converted.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.convert_records", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("records", type=Path, nargs="+", help="records, or folders of them")
    parser.add_argument("--root", type=Path, help="where each corpus has a folder")
    options = parser.parse_args(arguments)
    entries = [entry for entry in each_record(options.records) if entry.record.history is not None]
    failed = 0
    for entry in entries:
        try:
            convert(entry, options.root)
        except ZooError as error:
            failed += 1
            print(error)
    print(f"{len(entries) - failed} records converted, {failed} not")
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(run(main))
