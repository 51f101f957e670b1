"""The corpora that the zoo knows by name, and how one of them is loaded.

Adding a corpus is one entry of `CORPORA`, the rows of its files in `pins`, and a reader where its format is
new.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora import pins
from ecpe_zoo.corpora.corpus import (
    BUNDLED_FOLDER,
    ROOT_VARIABLE,
    SPLITS,
    Corpus,
    Prefixed,
    Split,
    SplitFiles,
    data_root,
)
from ecpe_zoo.corpora.description import ENDINGS, read_description
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.groupings import GROUPINGS, Grouped, Grouping
from ecpe_zoo.corpora.readers import (
    ECF_LABELS,
    EMOCONTEXT_LABELS,
    EMORYNLP_LABELS,
    GOEMOTIONS_LABELS,
    IEMOCAP_LABELS,
    ISEAR_LABELS,
    MELD_LABELS,
    RECCON_LABELS,
    XIA_DING_LABELS,
    OnError,
    Reader,
    read_ecf,
    read_emocontext,
    read_emorynlp,
    read_goemotions,
    read_iemocap,
    read_isear,
    read_meld,
    read_reccon,
    read_xia_ding,
    read_xia_ding_english,
)
from ecpe_zoo.errors import CorpusError, ZooError, first_few, unknown_choice

__all__ = [
    "BUNDLED_FOLDER",
    "BUNDLED_LABELS",
    "CORPORA",
    "ROOT_VARIABLE",
    "SPLITS",
    "Corpus",
    "LoadedCorpus",
    "Split",
    "SplitFiles",
    "data_root",
    "find_corpus",
    "load_corpus",
]


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


def _iemocap(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    return _numbered(read_iemocap, "train_data.json", "dev_data.json", "test_data.json")(fold)


def _isear(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    return {split: {"isear.csv": partial(read_isear, part=split)} for split in SPLITS}


def _goemotions(grouping: Grouping | None = None) -> SplitFiles:
    reader: Reader = read_goemotions if grouping is None else Grouped(read_goemotions, grouping)
    return lambda fold: {
        "train": {"train.tsv": reader},
        "validation": {"dev.tsv": reader},
        "test": {"test.tsv": reader},
    }


def _bundled_emotions(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    reader = partial(read_goemotions, labels=BUNDLED_LABELS, labels_file="emotions_labels.txt")
    return {
        "train": {"emotions_train.tsv": reader},
        "validation": {"emotions_dev.tsv": reader},
        "test": {"emotions_test.tsv": reader},
    }


BUNDLED_LABELS = ("anger", "disgust", "fear", "gratitude", "joy", "sadness", "surprise", "neutral")
_GOEMOTIONS = Corpus(
    id="goemotions",
    description="Reddit comments with 27 emotions and neutral, many at once (GoEmotions, Demszky et al. 2020)",
    languages=("en",),
    tasks=("emotions",),
    licence="Apache-2.0",
    splits=_goemotions(),
    labels=GOEMOTIONS_LABELS,
    repository="monologg/GoEmotions-pytorch",
    commit="b75f9d3a8b76bc1060687925b04ca98a1b8ea66b",
    files=pins.GOEMOTIONS,
    beside=("labels.txt",),
)


def _grouped(grouping: Grouping, description: str) -> Corpus:
    return replace(
        _GOEMOTIONS,
        id=f"goemotions-{grouping}",
        description=description,
        splits=_goemotions(grouping),
        labels=tuple(GROUPINGS[grouping]),
        stored="goemotions",
    )


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
    "bundled-emotions": Corpus(
        id="bundled-emotions",
        description="Invented English comments in GoEmotions' format: numbers on them say nothing about a method",
        languages=("en",),
        tasks=("emotions",),
        licence="Apache-2.0, part of this package",
        splits=_bundled_emotions,
        labels=BUNDLED_LABELS,
        beside=("emotions_labels.txt",),
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
        official="micro_f1_without_others",  # Chatterjee et al. 2019, section 5: happy, sad and angry
        repository="declare-lab/conv-emotion",
        commit="6128ca20e9c736605cce7e99d5d95db0356c35f5",
        files=pins.EMOCONTEXT,
    ),
    "iemocap": Corpus(
        id="iemocap",
        description="Acted dialogues of two, an emotion of most utterances (IEMOCAP, Busso et al. 2008): own files",
        languages=("en",),
        tasks=("erc",),
        licence="needs a licence from its owner, the University of Southern California",
        splits=_iemocap,
        labels=IEMOCAP_LABELS,
        own=True,
    ),
    "goemotions": _GOEMOTIONS,
    "goemotions-ekman": _grouped("ekman", "GoEmotions with Ekman's six emotions and neutral"),
    "goemotions-sentiment": _grouped("sentiment", "GoEmotions as positive, negative, ambiguous and neutral"),
    "isear": Corpus(
        id="isear",
        description="Reports of emotional events with the reported strength (ISEAR, Scherer and Wallbott 1994); "
        "no official split: a hash of the subject splits it 80/10/10",
        languages=("en",),
        tasks=("emotions",),
        licence="CC BY-NC-SA 3.0",
        splits=_isear,
        labels=ISEAR_LABELS,
        repository="sinmaniphel/py_isear_dataset",
        commit="948f4cf80161ea28e6dc5bfb4ad729f21ff47723",
        files=pins.ISEAR,
    ),
}


def find_corpus(name: str) -> Corpus:
    """The corpus with this name, or the one that a description file describes.

    Args:
        name: one of `CORPORA`, or a path that ends in .yaml, .yml or .json; see `description`.

    Raises:
        ZooError: there is none; the message lists the names.
        CorpusError: a description that cannot be used.
    """
    if name.endswith(ENDINGS):
        return read_description(Path(name))
    if name not in CORPORA:
        raise unknown_choice("a corpus", name, [*CORPORA, "the path of a description (.yaml, .json)"])
    return CORPORA[name]


def load_corpus(
    name: str, root: Path | None = None, fold: int = 1, on_error: OnError = "raise"
) -> LoadedCorpus:
    """Read one fold of a corpus.

    Args:
        name: see `find_corpus`.
        root: see `data_root`; a bundled corpus needs none.
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
    named = dict.fromkeys(file for files in splits.values() for file in files) | dict.fromkeys(corpus.beside)
    missing = [file for file in named if not (folder / file).is_file()]
    if missing:
        raise _missing(corpus, folder, missing)
    documents: dict[Split, tuple[Document, ...]] = {}
    counts: Counter[str] = Counter()
    hashes = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in named}
    homes: dict[str, Split] = {}
    for split, files in splits.items():
        listed: dict[str, Document] = {}
        for file, reader in files.items():
            reading = reader(folder / file, on_error)
            for reason, count in reading.counts.items():
                counts[f"{split}/{reason}"] += count
            for document in reading.documents:
                if document.id in homes:
                    found = f"{document.id} again, as in the {homes[document.id]} part"
                    raise CorpusError(folder / file, None, "every document id once in a corpus", found)
                homes[document.id] = split
                listed[document.id] = document
        documents[split] = tuple(listed.values())
    return LoadedCorpus(
        corpus=corpus.id,
        fold=fold,
        train=documents.get("train", ()),
        validation=documents.get("validation"),
        test=documents.get("test", ()),
        counts=dict(counts),
        files=hashes,
        labels=corpus.labels,
    )


def _missing(corpus: Corpus, folder: Path, missing: list[str]) -> ZooError:
    listed = first_few(missing, 4)
    if corpus.bundled:
        return ZooError(
            f"Expected {listed} in {folder}, but the package is incomplete. Install ecpe-zoo again."
        )
    if corpus.home is not None:
        return ZooError(
            f"Expected {listed} in {folder}, as the description of {corpus.id} says: no such file."
        )
    if corpus.own:
        return ZooError(
            f"Expected {listed} in {folder}, but found no such file. {corpus.id} {corpus.licence}: the zoo has "
            f"nothing to fetch. If you have the files, put them there; or, if they lie in DIR/{corpus.id}, say "
            f"`--data.root DIR` or set {ROOT_VARIABLE}=DIR."
        )
    found = "no such file there" if folder.is_dir() else "no such folder"
    return ZooError(
        f"Expected {listed} in {folder}, but found {found}. Run `ecpe-zoo data fetch {corpus.id}`; or, if "
        f"the files lie in DIR/{corpus.stored or corpus.id}, say `--data.root DIR` or set {ROOT_VARIABLE}=DIR. "
        f"By hand: they come from https://github.com/{corpus.repository} at commit {corpus.commit}."
    )
