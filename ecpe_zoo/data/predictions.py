"""Predictions: all scores of a document, before any threshold, keyed by document id.

Every metric, at any threshold, can be recomputed from a predictions file without the model. The file of a record also
stores the run's history.
"""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.data.history import Rows, pack_history, unpack_history
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import replaced_when_complete

Array = npt.NDArray[np.float32]


class Prediction(NamedTuple):
    """A method's prediction for one document.

    Args:
        id: Id of the document.
        scores: Arrays in float32 by name, whose leading axes are the segments of the entire document; segments lost
            to truncation score 0. ECPE methods give `pair` (N, N), where [i, j] says that
            segment j causes the emotion of segment i, and, if they have such heads, `emotion` (N,) and
            `cause` (N,); all in [0, 1]. Emotion methods give `emotions` (N, C), a score in [0, 1] for each label,
            and NaN in the rows of segments that are not judged.
        truncated: Number of segments that the model did not see completely.
        labels: C emotion labels, in the order of the scores.
    """

    id: str
    scores: Mapping[str, Array]
    truncated: int = 0
    labels: tuple[str, ...] = ()


STEPS = 10_000
"""Rounded scores are multiples of 1 / STEPS."""

_LEVELS = (np.arange(STEPS + 1) / STEPS).astype(np.float32)


def rounded(prediction: Prediction) -> Prediction:
    """The prediction as it is scored: `pair`, `emotion` and `cause` are rounded up to four decimals.

    They are only compared with thresholds: rounding changes no comparison with a threshold of up to four decimals.

    >>> made = rounded(Prediction("d", {"cause": np.array([0.5, 0.50001], dtype=np.float32)}))
    >>> [round(float(score), 6) for score in made.scores["cause"]]
    [0.5, 0.5001]
    """
    scores = dict(prediction.scores)
    for name in scores.keys() & {"pair", "emotion", "cause"}:
        up = np.take(_LEVELS, np.searchsorted(_LEVELS, scores[name]), mode="clip")
        scores[name] = np.where((scores[name] >= 0) & (scores[name] <= 1), up, scores[name])
    return prediction._replace(scores=scores)


FORMATS = ("ecpe-zoo predictions 2", "ecpe-zoo predictions 1")
"""The first format is written; files in the second have all scores in float32 and no history."""

DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    lzma.LZMAError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a damaged file of arrays can raise."""


def write_predictions(
    path: Path, predictions: Iterable[Prediction], history: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write predictions to a compressed .npz file: one flat array per score, with ids and shapes.

    The file appears only when it is complete. Scores from `rounded` take two bytes each before compression.

    Args:
        path: Path of the file.
        predictions: Predictions for any number of documents.
        history: History of the run; see `data.history`.

    Raises:
        ValueError: Predictions have different labels.
    """
    listed = list(predictions)
    labels = {p.labels for p in listed}
    if len(labels) > 1:
        raise ValueError(
            f"Expected all predictions of a file to have the same labels, but got {len(labels)} lists."
        )
    names = sorted({name for prediction in listed for name in prediction.scores})
    shapes = {
        name: [list(p.scores[name].shape) if name in p.scores else None for p in listed] for name in names
    }
    columns, values = pack_history(history)
    head = {
        "format": FORMATS[0],
        "ids": [p.id for p in listed],
        "truncated": [p.truncated for p in listed],
        "shapes": shapes,
        "labels": list(labels.pop()) if labels else [],
        "history": columns,
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    arrays: dict[str, npt.NDArray[Any]] = {"head": np.frombuffer(text.encode(), dtype=np.uint8)}
    for name in names:
        flat = np.concatenate([np.float32(p.scores[name]).ravel() for p in listed if name in p.scores])
        places = np.searchsorted(_LEVELS, flat)
        exact = bool((np.take(_LEVELS, places, mode="clip") == flat).all())
        arrays[f"scores/{name}"] = places.astype(np.uint16) if exact else flat
    arrays["history"] = values
    with replaced_when_complete(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_LZMA) as file:
        for name, array in arrays.items():  # like numpy.savez, but with stronger compression
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Mapping[str, npt.NDArray[Any]]]]:
    """The header and arrays of a file; any failure to read its content becomes a ZooError about the file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            head = json.loads(stored["head"].tobytes().decode())
            if head.get("format") not in FORMATS:
                raise ValueError(f"the format {head.get('format')!r}, not {FORMATS[0]!r}")
            yield head, stored
    except DAMAGE as error:
        raise ZooError(f"{path}: expected a predictions file of ecpe-zoo, but got: {error}") from error


def read_predictions(path: Path) -> list[Prediction]:
    """Read a file written by `write_predictions`.

    Raises:
        ZooError: The file is not a predictions file.
    """
    with _opened(path) as (head, stored):
        scores: list[dict[str, Array]] = [{} for _ in head["ids"]]
        for name, shapes in head["shapes"].items():
            flat = stored[f"scores/{name}"]
            flat = _LEVELS[flat] if flat.dtype == np.uint16 else flat
            start = 0
            for found, shape in zip(scores, shapes, strict=True):
                if shape is not None:
                    size = int(np.prod(shape))
                    found[name] = flat[start : start + size].reshape(shape)
                    start += size
        labels = tuple(head.get("labels", ()))  # absent in files of early releases
        rows = zip(head["ids"], scores, head["truncated"], strict=True)
        return [Prediction(id, score, truncated, labels) for id, score, truncated in rows]


def read_history(path: Path) -> Rows:
    """Read the history from a file written by `write_predictions`.

    Raises:
        ZooError: The file is not a predictions file, or has no history.
    """
    with _opened(path) as (head, stored):
        return unpack_history(head["history"], stored["history"])
