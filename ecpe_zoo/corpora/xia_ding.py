"""Corpora in the format of the ECPE benchmark (Xia and Ding, ACL 2019): Chinese, a balanced part of it, and English.

    document_id number_of_clauses
     (emotion,cause), (emotion,cause)
    1,emotion category,emotion keyword,words of the clause
    2,null,null,words of the clause

Clauses are counted from 1. Category and keyword are gold annotation: they go into `Segment.emotions` and
`Segment.keyword`, which no model sees. Two emotions of one clause are joined by `&`. Words of a clause are
separated by spaces.

The balanced part (UECA-Prompt, Zheng et al., COLING 2022) has near uniform offsets between emotion and cause,
so that it shows what a method knows beyond position. Its category column repeats the keyword. The English
corpus are novels with the annotation of NTCIR-13 ECA, as pairs by Singh et al. (2021); its pair lines end in a
comma, and each of its folds has a validation part.
"""

from __future__ import annotations

from functools import partial

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Language, Segment
from ecpe_zoo.corpora.readers.blocks import Blocks, numbered
from ecpe_zoo.corpora.readers.lines import UTF8, Lines, shown

LABELS = ("happiness", "sadness", "fear", "anger", "disgust", "surprise")
"""The most frequent first; a clause may have two."""


def _clause(lines: Lines, index: int, number: int, labels: tuple[str, ...]) -> Segment:
    fields = lines[index].split(",", 3)  # a text may hold commas of its own
    if len(fields) != 4:
        expected = "4 fields `clause,category,keyword,words`"
        raise lines.error(index, expected, f"{len(fields)} in {shown(lines[index])}")
    numbered(lines, index, fields[0], number, "clause")
    category, keyword, text = (field.strip() for field in fields[1:])
    if not text:
        raise lines.error(index, f"words in clause {number}", "an empty clause")
    emotions = () if category in ("null", "") else tuple(dict.fromkeys(category.split("&")))
    for emotion in emotions:
        if labels and emotion not in labels:
            raise lines.error(index, f"an emotion of {', '.join(labels)}, or null", shown(emotion))
    return Segment(text, emotions=emotions, keyword=None if keyword in ("null", "") else keyword)


def clause_reader(
    language: Language,
    *,
    labels: tuple[str, ...] = (),
    numeric: bool = True,
    malformed: tuple[str, ...] = (),
    encoding: str = UTF8,
) -> Blocks:
    """A reader of this format.

    Args:
        language: Language of the documents.
        labels: All emotion categories; empty: any.
        numeric: Ids are numbers; otherwise words.
        malformed: Ids of documents that are known to be malformed; see `Blocks`.
        encoding: Encoding of the text.
    """
    return Blocks("clause", ",", partial(_clause, labels=labels), language, numeric, malformed, encoding)


_MALFORMED = {"69": "a pair beyond its 18 clauses"}  # of the balanced part

read_xia_ding = clause_reader("zh")
read_english = clause_reader("en")
read_balanced = clause_reader("zh", malformed=tuple(_MALFORMED))

_PARTS = ("fold{fold}_train.txt", "fold{fold}_test.txt")

CORPORA = (
    Corpus(
        id="xia-ding-2019",
        description="Chinese city news with emotion-cause pairs, the ECPE benchmark (Xia and Ding, ACL 2019)",
        languages=("zh",),
        tasks=("ecpe",),
        licence="none stated; released for research",
        splits=one_file_each(read_xia_ding, *_PARTS),
        labels=LABELS,
        folds=10,
        whole={"all_data_pair.txt": read_xia_ding},
        repository="NUSTM/ECPE",
        commit="c4cf99359c5b5f0726d712e5843f47c96683c020",
    ),
    Corpus(
        id="xia-ding-balanced",
        description="The part of xia-ding-2019 with near uniform cause offsets (UECA-Prompt, Zheng et al. 2022)",
        languages=("zh",),
        tasks=("ecpe",),
        licence="none stated; a subset of xia-ding-2019",
        splits=one_file_each(read_balanced, *_PARTS),
        folds=10,
        whole={"all_data_pair_ECPE_balance.txt": read_balanced},
        malformed=_MALFORMED,
        repository="yajus/UECA-Prompt",
        commit="b2adb662cbb5c7bae48847bb37308257debfc345",
    ),
    Corpus(
        id="ntcir-ecpe-en",
        description="English novels with emotion-cause pairs (NTCIR-13 ECA, Singh et al. 2021)",
        languages=("en",),
        tasks=("ecpe",),
        licence="none stated; released for research",
        splits=one_file_each(read_english, *_PARTS, "fold{fold}_val.txt"),
        labels=LABELS,
        folds=10,
        whole={"all_data_pair.txt": read_english},
        repository="Aaditya-Singh/E2E-ECPE",
        commit="b85d8dce70d90243fc7081fe878c60e785e713e8",
    ),
)
