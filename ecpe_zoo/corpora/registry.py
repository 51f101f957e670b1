"""The corpora that the zoo knows by name, and how one of them is loaded.

Adding a corpus is one module with its reader and its entry, and one line in `MODULES`; the published files of
a corpus are listed in pins.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ecpe_zoo.corpora.corpus import (
    BUNDLED_FOLDER,
    ENDINGS,
    ROOT_VARIABLE,
    SPLITS,
    Corpus,
    Split,
    SplitFiles,
    data_root,
)
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.readers.lines import OnError, Reading
from ecpe_zoo.errors import CorpusError, ZooError, first_few, unknown_choice
from ecpe_zoo.files import file_sha256

__all__ = [
    "BUNDLED_FOLDER",
    "CORPORA",
    "ENDINGS",
    "ROOT_VARIABLE",
    "SPLITS",
    "Corpus",
    "LoadedCorpus",
    "Split",
    "SplitFiles",
    "check_ids",
    "corpus_files",
    "data_root",
    "find_corpus",
    "load_corpus",
]

MODULES = (
    "bundled",
    "xia_ding",
    "reccon",
    "ecf",
    "ecac",
    "meld",
    "emorynlp",
    "emocontext",
    "iemocap",
    "goemotions",
    "isear",
)

CORPORA: dict[str, Corpus] = {
    corpus.id: corpus for module in MODULES for corpus in import_module(f"ecpe_zoo.corpora.{module}").CORPORA
}


@dataclass(frozen=True, slots=True)
class LoadedCorpus:
    """The documents of one fold, as the files have them.

    Args:
        corpus: The corpus's name.
        fold: 1-based.
        train: Training documents.
        validation: Documents of the official validation part; None if the corpus has none.
        test: Test documents.
        counts: What the readers counted, as `part/reason`; `train/skipped_documents` for one.
        files: The sha256 of every file that was read, by name.
        labels: Labels of the corpus; see `Corpus`.
    """

    corpus: str
    fold: int
    train: tuple[Document, ...]
    validation: tuple[Document, ...] | None
    test: tuple[Document, ...]
    counts: dict[str, int]
    files: dict[str, str]
    labels: tuple[str, ...] = ()


def find_corpus(name: str) -> Corpus:
    """The corpus with this name, or the one that a description file describes.

    Args:
        name: One of `CORPORA`, or a path that ends in .yaml, .yml or .json; see `description`.

    Raises:
        ZooError: There is none; the message lists the names. Or a description that cannot be used.
    """
    if name.endswith(ENDINGS):
        from ecpe_zoo.corpora.description import read_description  # needs pydantic, which takes a while

        return read_description(Path(name))
    if name not in CORPORA:
        raise unknown_choice("a corpus", name, [*CORPORA, "the path of a description (.yaml, .json)"])
    return CORPORA[name]


def load_corpus(
    name: str, root: Path | None = None, fold: int = 1, on_error: OnError = "raise"
) -> LoadedCorpus:
    """Read one fold of a corpus.

    Args:
        name: See `find_corpus`.
        root: See `data_root`; a bundled corpus needs none.
        fold: 1-based; 1 for a corpus without folds.
        on_error: Whether to stop at the first malformed document or to leave it out and count it.

    Raises:
        ZooError: Unknown name or fold, or files that are not there; the message says how to get them.
        CorpusError: A file that does not follow its format.

    >>> load_corpus("bundled-ecpe").corpus
    'bundled-ecpe'
    """
    hashes = corpus_files(name, root, fold)
    corpus = find_corpus(name)
    folder = corpus.folder(root)
    readings = {
        split: {file: reader(folder / file, on_error) for file, reader in files.items()}
        for split, files in corpus.splits(fold).items()
    }
    check_ids(folder, readings)
    counts: Counter[str] = Counter()
    documents: dict[Split, tuple[Document, ...]] = {}
    for split, read in readings.items():
        documents[split] = tuple(document for reading in read.values() for document in reading.documents)
        for reading in read.values():
            counts.update({f"{split}/{reason}": count for reason, count in reading.counts.items()})
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


def check_ids(folder: Path, readings: Mapping[Split, Mapping[str, Reading]]) -> None:
    """Check that the files of a fold use every document id once: a record keeps predictions by id.

    Args:
        folder: Folder of the files.
        readings: Readings of each part, by file.

    Raises:
        CorpusError: Two documents have one id.
    """
    homes: dict[str, tuple[Split, str]] = {}
    for split, read in readings.items():
        for file, reading in read.items():
            for document in reading.documents:
                if document.id in homes:
                    part, first = homes[document.id]
                    found = f"{document.id} again, as in the {part} part ({first})"
                    hint = "Give the documents of all files ids of their own (or none, in a table: leave `id` out)"
                    raise CorpusError(folder / file, None, "every document id once in a corpus", found, hint)
                homes[document.id] = split, file


def corpus_files(name: str, root: Path | None = None, fold: int = 1) -> dict[str, str]:
    """Hashes of the files that a fold is read from, by name; without reading documents.

    Raises:
        ZooError: No such corpus or fold, or files that are not there.
    """
    corpus = find_corpus(name)
    if not 1 <= fold <= corpus.folds:
        raise ZooError(f"Expected a fold from 1 to {corpus.folds} of {name!r}, but got {fold}.")
    folder, names = corpus.folder(root), corpus.read_in(fold)
    if missing := [file for file in names if not (folder / file).is_file()]:
        raise _missing(corpus, folder, missing)
    return {file: file_sha256(folder / file) for file in names}


def _missing(corpus: Corpus, folder: Path, missing: list[str]) -> ZooError:
    listed = first_few(missing, 4)
    elsewhere = (
        f"if they are in DIR/{corpus.stored or corpus.id}, set {ROOT_VARIABLE}=DIR, or say `--data.root DIR` in "
        "a run and `--root DIR` elsewhere"
    )
    if corpus.bundled:
        found = "but the package is incomplete. Install ecpe-zoo again."
    elif corpus.home is not None:
        found = f"as the description of {corpus.id} says: no such file."
    elif corpus.own:
        found = (
            f"but found no such file. {corpus.id} {corpus.licence}: the zoo has nothing to fetch. If you have the "
            f"files, put them there; or, {elsewhere}."
        )
    else:
        found = (
            f"but found no such {'file there' if folder.is_dir() else 'folder'}. Run `ecpe-zoo data fetch "
            f"{corpus.id}`; or, {elsewhere}. By hand: they come from https://github.com/{corpus.repository} at commit "
            f"{corpus.commit}."
        )
    return ZooError(f"Expected {listed} in {folder}, {found}")
