"""The corpora that the zoo knows by name, and how one of them is loaded.

Adding a corpus is one entry of `CORPORA`, the rows of its files in `pins`, and a reader where its format is
new.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pooch

from ecpe_zoo.corpora import pins
from ecpe_zoo.corpora.document import Document, Language
from ecpe_zoo.corpora.pins import PinnedFile
from ecpe_zoo.corpora.readers import (
    ECF_LABELS,
    EMOCONTEXT_LABELS,
    EMORYNLP_LABELS,
    MELD_LABELS,
    RECCON_LABELS,
    XIA_DING_LABELS,
    OnError,
    Reader,
    Reading,
    read_ecf,
    read_emocontext,
    read_emorynlp,
    read_meld,
    read_reccon,
    read_xia_ding,
    read_xia_ding_english,
)
from ecpe_zoo.errors import CorpusError, ZooError, unknown_choice

Task = Literal["ecpe", "erc", "emotions"]
"""Emotion-cause pairs; one emotion of each utterance in a conversation; emotions of a text, many at once."""
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SplitFiles = Callable[[int], Mapping[Split, Mapping[str, Reader]]]
"""The files of each part and how each is read, for a fold."""

BUNDLED_FOLDER = Path(__file__).parent / "bundled"
ROOT_VARIABLE = "ECPE_ZOO_DATA"


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is known about a corpus before one of its files is read.

    Args:
        id: its name, and that of its folder below the root.
        description: one line.
        languages: of its documents.
        tasks: what it is annotated for.
        licence: as its publisher states it.
        splits: the files of each part and how each is read, for a fold; a corpus without an official
            validation part leaves it empty.
        labels: all emotion labels of its segments, in the order in which methods number them: that of the
            publisher's own files or code where there is one.
        folds: how many train/test folds it has.
        whole: files with all documents, which the audit reads and no method does.
        repository: `owner/name` of the published repository; empty for the bundled corpus.
        commit: of that repository.
        files: its pinned files; none for the bundled corpus, which comes with the package.
    """

    id: str
    description: str
    languages: tuple[Language, ...]
    tasks: tuple[Task, ...]
    licence: str
    splits: SplitFiles
    labels: tuple[str, ...] = ()
    folds: int = 1
    whole: Mapping[str, Reader] = field(default_factory=dict)
    repository: str = ""
    commit: str = ""
    files: tuple[PinnedFile, ...] = ()

    @property
    def bundled(self) -> bool:
        """It comes with the package, so that nothing has to be fetched."""
        return not self.files

    def folder(self, root: Path | None = None) -> Path:
        """Where its files lie; see `data_root`."""
        return BUNDLED_FOLDER if self.bundled else data_root(root) / self.id


@dataclass(frozen=True, slots=True)
class LoadedCorpus:
    """The documents of one fold, as the files have them.

    Args:
        corpus: the corpus's name.
        fold: 1-based.
        train: training documents.
        validation: of the official validation part; None where the corpus has none.
        test: test documents.
        counts: what the readers counted, as `part/reason`; `train/skipped_documents` for one.
        files: the sha256 of every file that was read, by name.
        labels: of the corpus; see `Corpus`.
    """

    corpus: str
    fold: int
    train: tuple[Document, ...]
    validation: tuple[Document, ...] | None
    test: tuple[Document, ...]
    counts: dict[str, int]
    files: dict[str, str]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prefixed:
    """A reader whose document ids get a prefix, for corpora that number each file from the start.

    A record keeps predictions by id, so an id is used once in a whole corpus.

    Args:
        reader: gives documents with the ids of the file.
        prefix: `train` makes `train-12` of 12.
    """

    reader: Reader
    prefix: str

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read the file; see the reader."""
        reading = self.reader(path, on_error)
        documents = tuple(replace(d, id=f"{self.prefix}-{d.id}") for d in reading.documents)
        return Reading(documents, reading.counts)


def _numbered(reader: Reader, train: str, validation: str, test: str) -> SplitFiles:
    """The files of a corpus that numbers each of them from the start."""
    files: dict[Split, str] = {"train": train, "validation": validation, "test": test}
    parts = {split: {name: Prefixed(reader, split)} for split, name in files.items()}
    return lambda fold: parts


def _bundled(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    return {
        "train": {"zh_train.txt": read_xia_ding, "en_train.txt": read_xia_ding_english},
        "test": {"zh_test.txt": read_xia_ding, "en_test.txt": read_xia_ding_english},
    }


def _xia_ding(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    return {
        "train": {f"fold{fold}_train.txt": read_xia_ding},
        "test": {f"fold{fold}_test.txt": read_xia_ding},
    }


def _reccon(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    return {
        "train": {"dailydialog_train.json": read_reccon},
        "validation": {"dailydialog_valid.json": read_reccon},
        "test": {"dailydialog_test.json": read_reccon},
    }


def _ecf(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    return {
        "train": {"train.txt": read_ecf},
        "validation": {"dev.txt": read_ecf},
        "test": {"test.txt": read_ecf},
    }


CORPORA: dict[str, Corpus] = {
    "bundled-ecpe": Corpus(
        id="bundled-ecpe",
        description="Invented Chinese and English texts: numbers on them say nothing about a method",
        languages=("zh", "en"),
        tasks=("ecpe",),
        licence="Apache-2.0, part of this package",
        splits=_bundled,
        labels=("happiness", "sadness", "anger", "fear"),
    ),
    "bundled-conversations": Corpus(
        id="bundled-conversations",
        description="Invented English conversations in MELD's format: numbers on them say nothing about a method",
        languages=("en",),
        tasks=("erc",),
        licence="Apache-2.0, part of this package",
        splits=_numbered(
            read_meld, "conversations_train.csv", "conversations_dev.csv", "conversations_test.csv"
        ),
        labels=MELD_LABELS,
    ),
    "xia-ding-2019": Corpus(
        id="xia-ding-2019",
        description="Chinese city news with emotion-cause pairs, the ECPE benchmark (Xia and Ding, ACL 2019)",
        languages=("zh",),
        tasks=("ecpe",),
        licence="none stated; released for research",
        splits=_xia_ding,
        labels=XIA_DING_LABELS,
        folds=10,
        whole={"all_data_pair.txt": read_xia_ding},
        repository="NUSTM/ECPE",
        commit="c4cf99359c5b5f0726d712e5843f47c96683c020",
        files=pins.XIA_DING_2019,
    ),
    "reccon": Corpus(
        id="reccon",
        description="DailyDialog conversations with causes of emotions (RECCON, Poria et al. 2021)",
        languages=("en",),
        tasks=("ecpe", "erc"),
        licence="none stated; released for research",
        splits=_reccon,
        labels=RECCON_LABELS,
        repository="declare-lab/RECCON",
        commit="579ea8a726f6705f7a3a02f7535b8f5595ec35aa",
        files=pins.RECCON,
    ),
    "ecf": Corpus(
        id="ecf",
        description="Friends conversations with emotion-cause pairs (ECF, Wang et al. 2023)",
        languages=("en",),
        tasks=("ecpe", "erc"),
        licence="GPL-3.0 repository",
        splits=_ecf,
        labels=ECF_LABELS,
        repository="NUSTM/MECPE",
        commit="359c97c74416aecd6b9e62738db10a37b4aa0104",
        files=pins.ECF,
    ),
    "meld": Corpus(
        id="meld",
        description="Friends conversations with an emotion of each utterance (MELD, Poria et al. 2019)",
        languages=("en",),
        tasks=("erc",),
        licence="GPL-3.0",
        splits=_numbered(read_meld, "train_sent_emo.csv", "dev_sent_emo.csv", "test_sent_emo.csv"),
        labels=MELD_LABELS,
        repository="declare-lab/MELD",
        commit="2d2011b409d3ca2d7e94460cd007d434b1d0a102",
        files=pins.MELD,
    ),
    "emorynlp": Corpus(
        id="emorynlp",
        description="Friends scenes with an emotion of each utterance (EmoryNLP, Zahiri and Choi 2018)",
        languages=("en",),
        tasks=("erc",),
        licence="Apache-2.0 (EmoryNLP)",
        splits=_numbered(
            read_emorynlp, "emorynlp_train_final.csv", "emorynlp_dev_final.csv", "emorynlp_test_final.csv"
        ),
        labels=EMORYNLP_LABELS,
        repository="declare-lab/MELD",
        commit="2d2011b409d3ca2d7e94460cd007d434b1d0a102",
        files=pins.EMORYNLP,
    ),
    "emocontext": Corpus(
        id="emocontext",
        description="Chats of three turns, the emotion of the last (EmoContext, SemEval-2019 task 3)",
        languages=("en",),
        tasks=("erc", "emotions"),
        licence="MIT repository; SemEval-2019 task 3",
        splits=_numbered(read_emocontext, "train.txt", "valid.txt", "test.txt"),
        labels=EMOCONTEXT_LABELS,
        repository="declare-lab/conv-emotion",
        commit="6128ca20e9c736605cce7e99d5d95db0356c35f5",
        files=pins.EMOCONTEXT,
    ),
}


def find_corpus(name: str) -> Corpus:
    """The corpus with this name.

    Raises:
        ZooError: there is none; the message lists the names.
    """
    if name not in CORPORA:
        raise unknown_choice("a corpus", name, CORPORA)
    return CORPORA[name]


def data_root(root: Path | None = None) -> Path:
    """The folder that holds the corpora: the argument, else ECPE_ZOO_DATA, else the user's cache."""
    if root is not None:
        return Path(root).expanduser()
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named).expanduser()
    return Path(pooch.os_cache("ecpe-zoo"))


def load_corpus(
    name: str, root: Path | None = None, fold: int = 1, on_error: OnError = "raise"
) -> LoadedCorpus:
    """Read one fold of a corpus.

    Args:
        name: one of `CORPORA`.
        root: see `data_root`; the bundled corpus needs none.
        fold: 1-based; 1 for a corpus without folds.
        on_error: stop at the first malformed document, or leave it out and count it.

    Raises:
        ZooError: unknown name or fold, or files that are not there; the message says how to get them.
        CorpusError: a file that does not follow its format.

    >>> load_corpus("bundled-ecpe").corpus
    'bundled-ecpe'
    """
    corpus = find_corpus(name)
    if not 1 <= fold <= corpus.folds:
        raise ZooError(f"Expected a fold from 1 to {corpus.folds} of {name!r}, but got {fold}.")
    folder, splits = corpus.folder(root), corpus.splits(fold)
    missing = [file for files in splits.values() for file in files if not (folder / file).is_file()]
    if missing:
        raise _missing(corpus, folder, missing)
    documents: dict[Split, tuple[Document, ...]] = {}
    counts: Counter[str] = Counter()
    hashes: dict[str, str] = {}
    for split, files in splits.items():
        listed: dict[str, Document] = {}
        for file, reader in files.items():
            reading = reader(folder / file, on_error)
            hashes[file] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
            for reason, count in reading.counts.items():
                counts[f"{split}/{reason}"] += count
            for document in reading.documents:
                if document.id in listed:
                    expected = f"every document id once in the {split} files"
                    raise CorpusError(
                        folder / file, None, expected, f"{document.id} again, as in another file"
                    )
                listed[document.id] = document
        documents[split] = tuple(listed.values())
    return LoadedCorpus(
        corpus=name,
        fold=fold,
        train=documents.get("train", ()),
        validation=documents.get("validation"),
        test=documents.get("test", ()),
        counts=dict(counts),
        files=hashes,
        labels=corpus.labels,
    )


def _missing(corpus: Corpus, folder: Path, missing: list[str]) -> ZooError:
    listed = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
    if corpus.bundled:
        return ZooError(
            f"Expected {listed} in {folder}, but the package is incomplete. Install ecpe-zoo again."
        )
    found = "no such file there" if folder.is_dir() else "no such folder"
    return ZooError(
        f"Expected {listed} in {folder}, but found {found}. Run `ecpe-zoo data fetch {corpus.id}`; or, if "
        f"the files lie in DIR/{corpus.id}, say `--data.root DIR` or set {ROOT_VARIABLE}=DIR. By hand: they "
        f"come from https://github.com/{corpus.repository} at commit {corpus.commit}."
    )
