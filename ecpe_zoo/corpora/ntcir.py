"""The English ECPE benchmark: novels with the annotation of NTCIR-13 ECA, as pairs by Singh et al. (2021).

The format is that of `xia_ding`; a pair line ends in a comma (` (2, 2),`). Each fold has a validation part.
"""

from __future__ import annotations

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.xia_ding import LABELS, read_english

CORPORA = (
    Corpus(
        id="ntcir-ecpe-en",
        description="English novels with emotion-cause pairs (NTCIR-13 ECA, Singh et al. 2021)",
        languages=("en",),
        tasks=("ecpe",),
        licence="none stated; released for research",
        splits=one_file_each(
            read_english, "fold{fold}_train.txt", "fold{fold}_test.txt", "fold{fold}_val.txt"
        ),
        labels=LABELS,
        folds=10,
        whole={"all_data_pair.txt": read_english},
        repository="Aaditya-Singh/E2E-ECPE",
        commit="b85d8dce70d90243fc7081fe878c60e785e713e8",
    ),
)
