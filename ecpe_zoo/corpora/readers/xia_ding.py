"""The format of the ECPE benchmark (Xia and Ding, ACL 2019).

    document_id number_of_clauses
     (emotion,cause), (emotion,cause)
    1,emotion category,emotion keyword,words of the clause
    2,null,null,words of the clause

Category and keyword are gold annotation: they go into `Segment.emotions` and `Segment.keyword`, which no
model sees. Two emotions of one clause are joined by `&`.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.document import Document, Language, Segment
from ecpe_zoo.corpora.readers.lines import (
    Lines,
    OnError,
    Reading,
    header,
    numbered,
    pair_line,
    read_blocks,
    segment_lines,
    shown,
)

XIA_DING_LABELS = ("happiness", "sadness", "fear", "anger", "disgust", "surprise")
"""The most frequent first; a clause may have two."""


def read_xia_ding(path: Path, on_error: OnError = "raise") -> Reading:
    """Read Chinese documents, their words separated by spaces.

    Raises:
        CorpusError: the file does not follow its format.
    """
    return read_blocks(path, on_error, ",", "clause", partial(_document, language="zh"))


def read_xia_ding_english(path: Path, on_error: OnError = "raise") -> Reading:
    """Read English documents in the same format.

    Raises:
        CorpusError: the file does not follow its format.
    """
    return read_blocks(path, on_error, ",", "clause", partial(_document, language="en"))


def _document(lines: Lines, block: range, counts: Counter[str], language: Language) -> Document:
    name, size = header(lines, block.start, "clause")
    pairs = pair_line(lines, block.start + 1, size, "clause", counts)
    clauses = segment_lines(lines, block, size, "clause")
    segments = tuple(_clause(lines, index, number) for number, index in enumerate(clauses, start=1))
    return Document(name, segments, pairs, language)


def _clause(lines: Lines, index: int, number: int) -> Segment:
    fields = lines[index].split(",", 3)  # a text may hold commas of its own
    if len(fields) != 4:
        expected = "4 fields `clause,category,keyword,words`"
        raise lines.error(index, expected, f"{len(fields)} in {shown(lines[index])}")
    numbered(lines, index, fields, number, "clause")
    category, keyword, text = (field.strip() for field in fields[1:])
    if not text:
        raise lines.error(index, f"words in clause {number}", "an empty clause")
    emotions = () if category in ("null", "") else tuple(dict.fromkeys(category.split("&")))
    return Segment(text, emotions=emotions, keyword=None if keyword in ("null", "") else keyword)
