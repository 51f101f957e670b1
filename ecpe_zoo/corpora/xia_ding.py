"""The ECPE benchmark of Chinese city news (Xia and Ding, ACL 2019), and a balanced part of it.

    document_id number_of_clauses
     (emotion,cause), (emotion,cause)
    1,emotion category,emotion keyword,words of the clause
    2,null,null,words of the clause

Category and keyword are gold annotation: they go into `Segment.emotions` and `Segment.keyword`, which no
model sees. Two emotions of one clause are joined by `&`. Words of a clause are separated by spaces.

The balanced part (UECA-Prompt, Zheng et al., COLING 2022) has near uniform offsets between emotion and cause,
so that it shows what a method knows beyond position. Its category column repeats the keyword, and one
document has a pair beyond its clauses, which is left out and counted (`outside_pairs`).
"""

from __future__ import annotations

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Segment
from ecpe_zoo.corpora.readers.lines import Blocks, Lines, numbered, shown

LABELS = ("happiness", "sadness", "fear", "anger", "disgust", "surprise")
"""The most frequent first; a clause may have two."""


def clause(lines: Lines, index: int, number: int) -> Segment:
    """One line `clause,category,keyword,words`.

    Raises:
        CorpusError: it does not follow the format.
    """
    fields = lines[index].split(",", 3)  # a text may hold commas of its own
    if len(fields) != 4:
        expected = "4 fields `clause,category,keyword,words`"
        raise lines.error(index, expected, f"{len(fields)} in {shown(lines[index])}")
    numbered(lines, index, fields[0], number, "clause")
    category, keyword, text = (field.strip() for field in fields[1:])
    if not text:
        raise lines.error(index, f"words in clause {number}", "an empty clause")
    emotions = () if category in ("null", "") else tuple(dict.fromkeys(category.split("&")))
    return Segment(text, emotions=emotions, keyword=None if keyword in ("null", "") else keyword)


read_xia_ding = Blocks("clause", ",", clause, "zh")
read_english = Blocks("clause", ",", clause, "en")
read_balanced = Blocks("clause", ",", clause, "zh", outside=True)

CORPORA = (
    Corpus(
        id="xia-ding-2019",
        description="Chinese city news with emotion-cause pairs, the ECPE benchmark (Xia and Ding, ACL 2019)",
        languages=("zh",),
        tasks=("ecpe",),
        licence="none stated; released for research",
        splits=one_file_each(read_xia_ding, "fold{fold}_train.txt", "fold{fold}_test.txt"),
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
        splits=one_file_each(read_balanced, "fold{fold}_train.txt", "fold{fold}_test.txt"),
        folds=10,
        whole={"all_data_pair_ECPE_balance.txt": read_balanced},
        repository="yajus/UECA-Prompt",
        commit="b2adb662cbb5c7bae48847bb37308257debfc345",
    ),
)
