"""What `fuzz` mutates: a small file in each true format, and the call that reads it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecpe_zoo.annotation.inputs import Source
from ecpe_zoo.cli.resolver import Resolver
from ecpe_zoo.corpora.description import read_description
from ecpe_zoo.corpora.ecac import ConversationReader
from ecpe_zoo.corpora.ecf import read_ecf
from ecpe_zoo.corpora.emocontext import read_emocontext
from ecpe_zoo.corpora.emorynlp import read_emorynlp, read_scenes
from ecpe_zoo.corpora.goemotions import LABELS as GOEMOTIONS_LABELS
from ecpe_zoo.corpora.goemotions import read_goemotions, read_labels
from ecpe_zoo.corpora.iemocap import read_iemocap
from ecpe_zoo.corpora.isear import read_isear
from ecpe_zoo.corpora.meld import read_meld
from ecpe_zoo.corpora.reccon import read_reccon, read_reccon_iemocap
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.corpora.relabelled import read_intensities
from ecpe_zoo.corpora.xia_ding import read_xia_ding
from ecpe_zoo.data.predictions import Prediction, read_history, read_predictions, write_predictions
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.page import build_page
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.methods.rankcp import RANKCP
from ecpe_zoo.options import EncoderSettings
from ecpe_zoo.results.golden import read_tolerances
from ecpe_zoo.results.record import read_record
from ecpe_zoo.results.store import find_failures, find_records, group_records
from ecpe_zoo.runner.suite import read_suite
from ecpe_zoo.synthesis.answers import AnswerError, Cast, read_answer
from ecpe_zoo.synthesis.narratives import read_narratives
from ecpe_zoo.text.vectors import read_word_vectors
from experiments.fuzz_samples import (
    ANSWER,
    COMMENTS,
    DESCRIPTION,
    ECAC,
    ECF,
    EMOCONTEXT,
    EMORYNLP,
    FAILURE,
    HISTORY,
    IEMOCAP,
    INTENSITIES,
    ISEAR,
    JOINT,
    MELD,
    NARRATIVES,
    PAIRS,
    PAIRS_ONLY,
    PLAIN,
    RECCON,
    RECCON_IEMOCAP,
    ROWS,
    SCENES,
    SPLITS,
    TABLE,
    TALKS,
    TEXTS,
    XIA_DING,
)

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Format:
    """A format and its reader.

    Args:
        name: Name in the report.
        file: Name of the file that is written.
        read: The reader.
        content: Content of a valid file.
        tree: Values of a valid file, if they form a JSON tree.
        save: Function that writes a tree in a format other than JSON.
        beside: Further files in the folder, left unchanged.
    """

    name: str
    file: str
    read: Callable[[Path], object]
    content: bytes | None = None
    tree: Any = None
    save: Callable[[Any, Path], None] | None = None
    beside: Mapping[str, bytes] = field(default_factory=dict)


def _as_table(description: str, ending: str, path: Path) -> object:
    """A user's table, read by a valid description."""
    place = path.with_name("c.yaml")
    place.write_text(description + SPLITS % (ending, ending), encoding="utf-8")
    return load_corpus(str(place))


def _table(description: str, ending: str) -> Callable[[Path], object]:
    return partial(_as_table, description, ending)


def _config(path: Path) -> object:
    """The config of a fit, which is resolved and not run."""
    return _RESOLVER(["--config", str(path)])


_RESOLVER = Resolver()


def _answer(path: Path) -> object:
    try:
        return read_answer(path.read_text(encoding="utf-8", errors="replace"), Cast)
    except AnswerError:  # the model's fault, which is counted
        return None


def _board(folder: Path) -> object:
    """All outputs of a record."""
    entries = find_records([folder])
    boards = build_boards(entries, resamples=100)
    failures = [failure.cell for failure in find_failures([folder])]
    return build_page(boards, len(entries), folder.with_name("site"), failures=failures)


def _saved_record(tree: Any, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "a.json").write_text(json.dumps(tree), encoding="utf-8", errors="replace")


def _predictions(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """A valid file of predictions, and its header."""
    path = folder / "sound.npz"
    scores = {"pair": np.eye(2, dtype=np.float32), "emotion": np.zeros(2, np.float32)}
    history = [{"stage": "fit", "epoch": 0, "step": 1, "validation": {"pair_f1": 0.5}}]
    write_predictions(path, [Prediction("a", scores), Prediction("b", scores)], history)
    with np.load(path) as stored:
        return path.read_bytes(), json.loads(stored["head"].tobytes().decode())


def _save_head(content: bytes, tree: Any, path: Path) -> None:
    """A file of predictions with another header."""
    with np.load(io.BytesIO(content)) as stored:
        arrays = dict(stored)
    arrays["head"] = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _checkpoint() -> dict[str, Any]:
    """The content of a small checkpoint."""
    method = RANKCP(EncoderSettings("embedded", size=16, layers=1, heads=2))
    method.vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "I", "won"]
    method._build(from_checkpoint=True)
    content: dict[str, Any] = {
        "epoch": 0,
        "state_dict": dict(method.state_dict()),
        "hyper_parameters": dict(method.hparams),
        "pytorch-lightning_version": "2.6.0",
        "callbacks": {},
        "loops": {},
        "optimizer_states": [],
    }
    method.on_save_checkpoint(content)
    return content


def all_formats(folder: Path) -> list[Format]:
    """Every format.

    Args:
        folder: Folder for files that are made once.
    """
    record = json.loads(
        (ROOT / "experiments/golden/mgcl/bundled-ecpe-fold1-strict-seed0.json").read_text("utf-8")
    )
    predictions, head = _predictions(folder)
    checkpoint = _checkpoint()
    whole = io.BytesIO()
    torch.save(checkpoint, whole)
    suite = next(iter(sorted((ROOT / "experiments/suites").glob("*.yaml")))).read_bytes()
    files = {f"{part}{ending}": text for part in "ab" for ending, text in ((".csv", TABLE), (".jsonl", ROWS))}
    files["b.csv"] = TABLE.replace(b"won", b"lost").replace(b"1,", b"3,").replace(b"2,", b"4,")
    files["b.txt"] = b"b 1\n (1,1)\n1,joy,so,so it is\n"
    files["b.json"] = json.dumps([PAIRS[0] | {"id": "b"}]).encode()
    files["b.jsonl"] = ROWS.replace(b"won", b"lost")

    all_labels = "".join(f"{label}\n" for label in GOEMOTIONS_LABELS).encode()

    def lines(path: Path, kind: Any = None) -> object:
        return [entry.problem for entry in Source(path, kind)]

    return [
        Format("xia-ding", "a.txt", read_xia_ding, XIA_DING),
        Format("ecf", "a.txt", read_ecf, ECF),
        Format("reccon", "a.json", read_reccon, json.dumps(RECCON, indent=1).encode(), RECCON),
        Format("iemocap", "a.json", read_iemocap, json.dumps(IEMOCAP, indent=1).encode(), IEMOCAP),
        Format(
            "reccon-iemocap",
            "a.json",
            read_reccon_iemocap,
            json.dumps(RECCON_IEMOCAP).encode(),
            RECCON_IEMOCAP,
        ),
        Format("emorynlp-json", "a.json", read_scenes, json.dumps(SCENES, indent=1).encode(), SCENES),
        Format("ecac", "a.json", ConversationReader(), json.dumps(ECAC, indent=1).encode(), ECAC),
        Format("meld", "a.csv", read_meld, MELD),
        Format("emorynlp", "a.csv", read_emorynlp, EMORYNLP),
        Format("emocontext", "a.txt", read_emocontext, EMOCONTEXT),
        Format("goemotions", "a.tsv", read_goemotions, COMMENTS, beside={"labels.txt": all_labels}),
        Format("labels", "labels.txt", read_labels, b"joy\nanger\n"),
        Format("isear", "isear.csv", read_isear, ISEAR),
        Format("intensities", "a.jsonl", read_intensities, INTENSITIES),
        Format("narratives", "a.jsonl", lambda path: list(read_narratives(path)), NARRATIVES),
        Format("answer", "a.txt", _answer, ANSWER),
        Format("description", "c.yaml", lambda path: load_corpus(str(path)), DESCRIPTION, beside=files),
        Format(
            "description-json",
            "c.json",
            read_description,
            b"{}",
            {
                "tasks": ["emotions"],
                "labels": ["joy", "anger"],
                "format": {"text": "body", "label": "feeling"},
                "files": {"train": "a.csv", "test": "b.csv"},
            },
        ),
        Format("config", "c.yaml", _config, (ROOT / "configs" / "rankcp.yaml").read_bytes()),
        Format("table-csv", "a.csv", _table(PLAIN, ".csv"), TABLE, beside=files),
        Format("table-jsonl", "a.jsonl", _table(PLAIN, ".jsonl"), ROWS, beside=files),
        Format("table-talks", "a.csv", _table(TALKS, ".csv"), TABLE, beside=files),
        Format(
            "pairs-json", "a.json", _table(JOINT, ".json"), json.dumps(PAIRS).encode(), PAIRS, beside=files
        ),
        Format("pairs-blocks", "a.txt", _table(PAIRS_ONLY, ".txt"), XIA_DING, beside=files),
        Format("vectors", "w.txt", read_word_vectors, b"2 3\nhe 1 0 -0.5\ndog 0 1 2e-3\n"),
        Format("suite", "s.yaml", read_suite, suite),
        Format(
            "tolerances",
            "t.yaml",
            read_tolerances,
            (ROOT / "experiments/golden/tolerances.yaml").read_bytes(),
        ),
        Format("annotate-jsonl", "t.jsonl", lines, TEXTS),
        Format("annotate-csv", "t.csv", lines, b'id,text\n1,I won\n2,"No, no"\n'),
        Format("annotate-lines", "t.txt", lines, b"I won\n\nNo\n"),
        Format("record", "r.json", read_record, json.dumps(record, indent=1).encode(), record),
        Format("records", "r.json", lambda path: group_records(find_records([path])), b"{}", record),
        Format("board", "records", _board, tree=record, save=_saved_record),
        Format("board-history", "records", _board, tree=record | {"history": HISTORY}, save=_saved_record),
        Format("failure", "a.failed.json", lambda path: find_failures([path.parent]), b"{}", FAILURE),
        Format(
            "predictions", "p.npz", lambda path: (read_predictions(path), read_history(path)), predictions
        ),
        Format(
            "predictions-head",
            "p.npz",
            lambda path: (read_predictions(path), read_history(path)),
            tree=head,
            save=partial(_save_head, predictions),
        ),
        Format("checkpoint", "c.ckpt", load_method, whole.getvalue()),
        Format("checkpoint-tree", "c.ckpt", load_method, tree=checkpoint, save=torch.save),
    ]
