"""The corpora that come with the package: invented texts in true formats, so that a config runs without a download.

`experiments/make_bundled_*.py` wrote the files in `bundled/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ecpe_zoo.corpora import meld
from ecpe_zoo.corpora.corpus import Corpus, Split, one_file_each
from ecpe_zoo.corpora.goemotions import read_goemotions
from ecpe_zoo.corpora.readers.lines import Reader
from ecpe_zoo.corpora.xia_ding import read_english, read_xia_ding

_LICENCE = "Apache-2.0, part of this package"
_BOTH_LANGUAGES: Mapping[Split, Mapping[str, Reader]] = {
    "train": {"zh_train.txt": read_xia_ding, "en_train.txt": read_english},
    "test": {"zh_test.txt": read_xia_ding, "en_test.txt": read_english},
}
LABELS = ("anger", "disgust", "fear", "gratitude", "joy", "sadness", "surprise", "neutral")
"""Of the comments."""

CORPORA = (
    Corpus(
        id="bundled-ecpe",
        description="Invented Chinese and English texts: numbers on them say nothing about a method",
        languages=("zh", "en"),
        tasks=("ecpe",),
        licence=_LICENCE,
        splits=lambda fold: _BOTH_LANGUAGES,
        labels=("happiness", "sadness", "anger", "fear"),
    ),
    Corpus(
        id="bundled-conversations",
        description="Invented English conversations in MELD's format: numbers on them say nothing about a method",
        languages=("en",),
        tasks=("erc",),
        licence=_LICENCE,
        splits=one_file_each(
            meld.read_meld,
            "conversations_train.csv",
            "conversations_test.csv",
            "conversations_dev.csv",
            renumbered=True,
        ),
        labels=meld.LABELS,
    ),
    Corpus(
        id="bundled-emotions",
        description="Invented English comments in GoEmotions' format: numbers on them say nothing about a method",
        languages=("en",),
        tasks=("emotions",),
        licence=_LICENCE,
        splits=one_file_each(
            partial(read_goemotions, labels=LABELS, labels_file="emotions_labels.txt"),
            "emotions_train.tsv",
            "emotions_test.tsv",
            "emotions_dev.tsv",
        ),
        labels=LABELS,
        beside=("emotions_labels.txt",),
    ),
)
