r"""ISEAR (Scherer and Wallbott, 1994): self-reports of emotional events, fields between bars.

    ID|CITY|...|EMOT|...|INTS|...|Field1|...|MYKEY|SIT|STATE|
    11001|1|...|1|...|3|...|joy|...|0110011|During the period of falling in love, ... and á especially ...|1|

`Field1` is the emotion of the question, `SIT` the report, `INTS` how strong it was: 1 (not very) to 4
(very), 0 if that was not answered. The strength goes into `Segment.reported` as 2.5 times the number, from
2.5 to 10.0: the emotion applies fully however weakly it was felt.

Line ends inside a report became `á`, followed by `|` if the report has quotes; such a report has its
quotes as `\` and `\"` and one more at its end. All of that is put right and counted (`mended_texts`).
Answers without an event are left out and counted (`no_response`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.corpus import SPLITS, Corpus
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.lines import Lines, OnError, Reading, shown
from ecpe_zoo.corpora.readers.rows import Row, line_rows, single_rows
from ecpe_zoo.errors import CorpusError

LABELS = ("joy", "fear", "anger", "sadness", "disgust", "shame", "guilt")
"""In the order of the numbers in column EMOT."""
_STRENGTH = 2.5  # of intensity, 0 to 10, for each step of INTS
_END = re.compile(r'\|1("?)\|$')  # STATE, and the empty field after the last bar
_COLUMNS = ("ID", "EMOT", "INTS", "Field1", "MYKEY", "SIT")
# other letters that an old code page changed (`Wikstr÷m`, `180¦`)
_LETTERS = str.maketrans({"÷": "ö", "¦": "°"})
_NO_RESPONSE = re.compile(
    r"\W*(?:no (?:res?ponse|description|answer)\b|(?:nothing|none|blank|never)\W*$|not applicable|"
    r"does(?: not|n't) apply|(?:the )?same (?:as|event|for)\b|"
    r"(?:i )?(?:can ?not|do not) (?:remember|recall|know\W|think of)|"
    r"(?:honestly, )?(?:i have )?(?:never|not) (?:felt|experienced)\b)",
    re.IGNORECASE,
)
_LONGEST_REFUSAL = 100  # characters; a longer text is a report, whatever it starts with


def isear_part(subject: str) -> str:
    """The part of a subject: ISEAR has no official split, so a hash of the subject gives it one.

    All seven reports of a subject are in one part; about 80 % train, 10 % validate and 10 % test.

    >>> isear_part("11001")
    'train'
    """
    number = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:4]) % 10
    return {0: "test", 1: "validation"}.get(number, "train")


def read_isear(path: Path, on_error: OnError = "raise", *, part: str | None = None) -> Reading:
    """Read reports: a document of one segment, its id the key of the report.

    Args:
        path: The file.
        on_error: Whether to stop at the first malformed row or to leave it out and count it.
        part: Only the subjects of this part, see `isear_part`; rows whose subject cannot be read count in the
            training part. None reads all.

    Raises:
        CorpusError: The file does not follow its format.
    """
    rows = (row for row in _rows(path) if part is None or _part(row) == part)
    return single_rows(path, on_error, rows, _document, "rows of reports")


def _part(row: Row) -> str:
    return "train" if isinstance(row.found, CorpusError) else isear_part(row.found["ID"])


def _rows(path: Path) -> Iterator[Row]:
    lines = Lines(path)
    if not len(lines):
        raise CorpusError(path, None, f"a header with the columns {', '.join(_COLUMNS)}", "an empty file")
    header = lines[0].split("|")
    if header[-3:] != ["SIT", "STATE", ""] or not set(_COLUMNS) <= set(header):
        expected = f"a header with the columns {', '.join(_COLUMNS)} that ends in SIT|STATE|"
        raise lines.error(0, expected, shown(lines[0]))
    return line_rows(lines, partial(_fields, header=header), first=1)


def _fields(lines: Lines, index: int, header: list[str]) -> dict[str, str]:
    before = len(header) - 3  # fields before the report, which may hold bars
    fields = lines[index].split("|", before)
    end = _END.search(fields[-1])
    if len(fields) <= before or end is None:
        expected = f"{before} fields, the report, and |1| at the end"
        found = f"{lines[index].count('|') + 1} fields, the last of them {shown(fields[-1][-20:])}"
        raise lines.error(index, expected, found)
    report = fields[-1][: end.start()] + end[1]
    return dict(zip(header, [*fields[:before], report], strict=False))


def _document(row: Row, counts: Counter[str]) -> Document | None:
    name = row.text("MYKEY", "the key of a report")
    label = row.label(row.fields["Field1"].strip(), LABELS)
    number, strength = row.number("EMOT"), row.number("INTS")
    if not (1 <= number <= len(LABELS) and LABELS[number - 1] == label):
        raise row.error(f"the number of {label} in column EMOT", str(number))
    if strength > 4:
        raise row.error("a number from 0 to 4 in column INTS", str(strength))
    text = _mended(row.fields["SIT"])
    counts["mended_texts"] += text != row.fields["SIT"].strip()
    if not text:
        counts["empty_documents"] += 1
        return None
    if len(text) <= _LONGEST_REFUSAL and _NO_RESPONSE.match(text):
        counts["no_response"] += 1
        return None
    reported = {label: _STRENGTH * strength} if strength else None
    counts["intensity_not_reported"] += not strength
    return Document(name, (Segment(text, emotions=(label,), reported=reported),), language="en")


def _mended(text: str) -> str:
    r"""The report as it was typed.

    >>> _mended('I \\picked up\\" a girl and á|left her."')
    'I "picked up" a girl and left her.'
    """
    if "\\" in text:
        text = text.removesuffix('"').replace('\\"', '"').replace("\\", '"')
    text = re.sub(r"á(?:\s|\||$)|\|", " ", text)
    return " ".join(text.translate(_LETTERS).split())


_READERS = {split: {"isear.csv": partial(read_isear, part=split)} for split in SPLITS}

CORPORA = (
    Corpus(
        id="isear",
        description="Reports of emotional events with the reported strength (ISEAR, Scherer and Wallbott 1994); "
        "no official split: a hash of the subject splits it 80/10/10",
        languages=("en",),
        tasks=("emotions",),
        licence="CC BY-NC-SA 3.0",
        splits=lambda fold: _READERS,
        labels=LABELS,
        repository="sinmaniphel/py_isear_dataset",
        commit="948f4cf80161ea28e6dc5bfb4ad729f21ff47723",
    ),
)
