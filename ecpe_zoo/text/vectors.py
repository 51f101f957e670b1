"""Word vectors in the text format of word2vec."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecpe_zoo.corpora.readers.lines import shown
from ecpe_zoo.errors import CorpusError


def read_word_vectors(path: str | Path, encoding: str = "utf-8") -> tuple[list[str], Tensor]:
    """Read a word2vec text file, plain or .gz: a line of count and size, then one word with its values per line.

    Args:
        path: Path of the file.
        encoding: Encoding of the words.

    Returns:
        The words in file order (the first of repeated words wins) and their vectors (V, size), float32.

    Raises:
        CorpusError: The file is missing or damaged, a line has a wrong number of values, or a value is not a number,
            NaN or infinite.
    """
    path = Path(path)
    if not path.is_file():
        raise CorpusError(path, None, "a file of word vectors", "no such file", "Check --model.vectors.")
    words: dict[str, None] = {}
    rows: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        header = lines.readline().split()
        if len(header) != 2 or not all(field.isdigit() and len(field) < 10 for field in header):
            raise CorpusError(path, 1, "'count size', two numbers", repr(b" ".join(header[:4]))[1:])
        count, size = int(header[0]), int(header[1])
        for number, line in enumerate(lines, start=2):
            head, *values = line.rstrip(b" \r\n").split(b" ")
            if len(values) != size:
                raise CorpusError(path, number, f"a word and {size} values", f"{len(values)} values")
            try:
                with np.errstate(over="ignore"):  # values such as 1e39 become inf
                    row = np.array(values, dtype=np.float32)
                word = head.decode(encoding)
            except ValueError as error:
                raise CorpusError(
                    path, number, f"a word in {encoding} and {size} numbers", str(error)
                ) from None
            if not np.isfinite(row).all():
                found = values[int(np.isfinite(row).argmin())].decode(errors="replace")
                expected = f"{size} numbers within the range of 32 bits"
                raise CorpusError(path, number, expected, shown(found), "Leave the word out.")
            if word not in words:
                words[word] = None
                rows.append(row)
    if number - 1 != count if rows else count:
        raise CorpusError(
            path,
            None,
            f"{count} vectors, as its first line says",
            f"{number - 1 if rows else 0}",
            "The file may be cut short; fetch it again.",
        )
    return list(words), torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, size)
