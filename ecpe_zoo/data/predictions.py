"""Predictions: all scores of a document before any threshold, keyed by document id.

Every metric, at any threshold, can be recomputed from a file of these without the model.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import replaced_when_complete

Array = npt.NDArray[np.float32]


class Prediction(NamedTuple):
    """What a method says of one document.

    Args:
        id: the document's id.
        scores: name -> float32 array whose leading axes are segments of the whole document, whatever a
            truncation lost (lost segments score 0). ECPE methods give `pair` (N, N), where [i, j] says that
            segment j causes the emotion of segment i, and, where they have such heads, `emotion` (N,) and
            `cause` (N,); all in [0, 1]. Emotion methods give `emotions` (N, C), a score in [0, 1] for each label,
            and NaN in the rows of segments that are not judged.
        truncated: segments that did not reach the model whole.
        labels: the C emotion labels, in the order of the scores.
    """

    id: str
    scores: Mapping[str, Array]
    truncated: int = 0
    labels: tuple[str, ...] = ()


FORMAT = "ecpe-zoo predictions 1"


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions to a compressed .npz file: one flat array for each score, with ids and shapes.

    The file appears under its name only when it is complete.

    Raises:
        ValueError: predictions with different labels.
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
    head = {
        "format": FORMAT,
        "ids": [p.id for p in listed],
        "truncated": [p.truncated for p in listed],
        "shapes": shapes,
        "labels": list(labels.pop()) if labels else [],
    }
    arrays: dict[str, npt.NDArray[np.generic]] = {
        f"scores/{name}": np.concatenate(
            [np.asarray(p.scores[name], dtype=np.float32).ravel() for p in listed if name in p.scores]
        )
        for name in names
    }
    arrays["head"] = np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), dtype=np.uint8)
    with replaced_when_complete(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_predictions(path: Path) -> list[Prediction]:
    """Read what `write_predictions` wrote.

    Raises:
        ZooError: the file is not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            head = json.loads(stored["head"].tobytes().decode())
            flat = {name: stored[f"scores/{name}"] for name in head["shapes"]}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ZooError(f"{path}: expected a predictions file of ecpe-zoo, but got: {error}") from error
    if head.get("format") != FORMAT:
        raise ZooError(f"{path}: expected format {FORMAT!r}, but got {head.get('format')!r}")
    scores: list[dict[str, Array]] = [{} for _ in head["ids"]]
    for name, shapes in head["shapes"].items():
        start = 0
        for index, shape in enumerate(shapes):
            if shape is not None:
                size = int(np.prod(shape))
                scores[index][name] = flat[name][start : start + size].reshape(shape)
                start += size
    labels = tuple(head.get("labels", ()))  # absent in files of the first releases
    return [
        Prediction(id, score, truncated, labels)
        for id, score, truncated in zip(head["ids"], scores, head["truncated"], strict=True)
    ]
