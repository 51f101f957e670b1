"""Exported folders: the same predictions as the checkpoint, and nothing of a folder is trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as BackendTokenizer
from transformers import BertConfig, BertModel

from ecpe_zoo import load_method
from ecpe_zoo.annotation.annotator import reads_words
from ecpe_zoo.annotation.run import file_hash
from ecpe_zoo.cli.main import main
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.exported import FILES, folder_hash, read_folder, write_folder
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.methods.rankcp import RANKCP
from ecpe_zoo.options import EncoderSettings
from tests.annotation.making import built, save, some_documents
from tests.methods.contract import CONTRACT


def scores(method: Method) -> list[tuple[str, dict[str, np.ndarray[Any, Any]], tuple[str, ...]]]:
    bare = [document.without_gold() for document in some_documents(method.task.id)]
    with torch.no_grad():
        return [(p.id, dict(p.scores), tuple(p.labels)) for p in method.decode(method.collator(False)(bare))]


@pytest.mark.parametrize("id", sorted(CONTRACT))
def test_a_folder_predicts_what_its_checkpoint_predicts(id: str, tmp_path: Path) -> None:
    method = built(id)
    method.profile = {"corpus": "bundled-ecpe", "unknown": {"train": 0.1}, "scripts": {"Han": 1.0}}
    path = save(method, tmp_path / "a.ckpt", tuned=0.37)
    write_folder(tmp_path / "folder", read_checkpoint(path), "# card\n")
    assert {file.name for file in (tmp_path / "folder").iterdir()} <= {*FILES, "README.md"}
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []
    ours, theirs = load_method(path), load_method(tmp_path / "folder")
    assert type(theirs) is type(ours)
    assert not theirs.training
    assert (theirs.tuned, theirs.stage, theirs.profile) == (0.37, ours.stage, ours.profile)
    assert (theirs.vocabulary, theirs.facts, theirs.hparams) == (ours.vocabulary, ours.facts, ours.hparams)
    for (one, first, names), (other, second, labels) in zip(scores(ours), scores(theirs), strict=True):
        assert (one, names, first.keys()) == (other, labels, second.keys())
        for name in first:
            assert first[name].tobytes() == second[name].tobytes()


def test_the_tokenizer_of_a_pretrained_encoder_is_a_file_of_its_own(tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    texts = [s.text for document in some_documents("ecpe") for s in document.segments]
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set("".join(texts)) - {" "})]
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(marks), **sizes)).save_pretrained(encoder)
    (encoder / "vocab.txt").write_text("\n".join(marks), encoding="utf-8")
    (encoder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    method = RANKCP(encoder=EncoderSettings(str(encoder), dropout=0.0))
    method.build_from(some_documents("ecpe"))
    path, folder = save(method.eval(), tmp_path / "a.ckpt"), tmp_path / "folder"
    assert main(["export", str(path), str(folder)]) == 0
    ours = load_method(path)
    shutil.rmtree(encoder)  # nothing of it is needed, and its place is named nowhere
    assert str(tmp_path) not in (folder / "config.json").read_text("utf-8")
    theirs = load_method(folder)
    assert isinstance(ours.vocabulary, dict)
    assert isinstance(theirs.vocabulary, dict)
    assert theirs.vocabulary["tokenizer"] == ours.vocabulary["tokenizer"]
    assert BackendTokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size() == len(marks)
    assert not reads_words(theirs)
    for (_, first, _), (_, second, _) in zip(scores(ours), scores(theirs), strict=True):
        assert all(first[name].tobytes() == second[name].tobytes() for name in first)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported folder."""
    place = tmp_path_factory.mktemp("exported")
    write_folder(place / "m", read_checkpoint(save(built("rankcp"), place / "a.ckpt")), "card")
    return place / "m"


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def refused(path: Path | str) -> str:
    with pytest.raises(ZooError) as refusal:
        load_method(path)
    message = str(refusal.value)
    assert "\n" not in message
    assert "\x1b" not in message
    assert str(path) in message
    return message


def config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text("utf-8"))
        change(content)
        (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")

    return apply


def cut(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return apply


def not_a_number(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(n for n, v in weights.items() if v.dim() == 2)
    weights[name][0, 0] = torch.nan
    save_file(weights, folder / "model.safetensors")


def fewer(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.popitem()
    save_file(weights, folder / "model.safetensors")


def emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut config": (cut("config.json"), "expected JSON"),
    "cut vocabulary": (cut("vocabulary.json"), "expected JSON"),
    "cut weights": (cut("model.safetensors"), "expected whole weights"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "expected whole weights"),
    "no vocabulary": (lambda f: (f / "vocabulary.json").unlink(), "No such file"),
    "no config": (lambda f: (f / "config.json").unlink(), "No such file"),
    "empty": (emptied, "No such file"),
    "not UTF-8": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "config.json"),
    "deep": (lambda f: (f / "config.json").write_text("[" * 100_000), "too deep"),
    "a list": (lambda f: (f / "config.json").write_text("[1]"), "of another program"),
    "of another program": (
        lambda f: (f / "config.json").write_text('{"model_type": "bert"}'),
        "of another program",
    ),
    "of a later version": (config(lambda c: c["ecpe_zoo"].update(format=99)), "Update ecpe-zoo"),
    "another file": (config(lambda c: c["ecpe_zoo"].update(vocabulary="../x")), "to be one of"),
    "no encoder": (config(lambda c: c["ecpe_zoo"].update(vocabulary="tokenizer.json")), "of the encoder"),
    "another method": (
        config(lambda c: c["ecpe_zoo"].update(class_path="ecpe_zoo.methods.mgcl.MGCL")),
        "xpected",
    ),
    "code of others": (config(lambda c: c["ecpe_zoo"].update(class_path="os.X")), "If you trust it"),
    "a list of options": (config(lambda c: c.update(hyper_parameters=[1])), "options by name"),
    "a hostile profile": (
        config(lambda c: c["ecpe_zoo"].update(texts={"corpus": "a", "unknown": {"\x1b": 1}, "scripts": {}})),
        "shares by name",
    ),
    "not a number": (not_a_number, "contain NaN"),
    "a weight less": (fewer, "are missing"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_does_not_fit_is_one_line(damage: str, folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "m")
    change, message = DAMAGE[damage]
    change(copy)
    assert message in refused(copy)


def test_the_folder_of_a_run_is_answered_with_its_checkpoint(tmp_path: Path) -> None:
    best = tmp_path / "checkpoints" / "best-anchors-epoch001-step9.ckpt"
    best.parent.mkdir()
    best.touch()
    for given in (tmp_path, best.parent):
        assert f"but got the folder of a run. Name its checkpoint: {best}" in refused(given)


def test_what_is_there_is_kept(folder: Path, tmp_path: Path) -> None:
    stored = read_folder(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    with pytest.raises(ZooError, match="is there already"):
        write_folder(tmp_path / "mine", stored, "")
    stored["ecpe_zoo"]["facts"] = {1: "a name that JSON would make a text"}
    with pytest.raises(ZooError, match="names that are no texts"):
        write_folder(tmp_path / "new", stored, "")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "a.txt").read_text() == "mine"


def test_the_hash_sees_every_file_that_is_read(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "m")
    assert file_hash(copy) == folder_hash(copy) == folder_hash(folder)
    (copy / "README.md").write_text("other")
    assert folder_hash(copy) == folder_hash(folder)
    config(lambda c: c["ecpe_zoo"].update(stage="x"))(copy)
    assert folder_hash(copy) != folder_hash(folder)


@pytest.mark.parametrize("form", [str, Path])
def test_a_name_on_the_hub_is_fetched(
    form: Callable[[str], Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str | None, list[str]]] = []

    def fetch(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        calls.append((name, revision, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert load_method(form("hf://me/my-model.1")).id == "rankcp"
    load_method(form("hf://me/my-model.1@refs/pr/2"))
    assert calls == [("me/my-model.1", revision, list(FILES)) for revision in (None, "refs/pr/2")]


def test_without_a_network_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("Cannot find the files on disk\nand more \x1b[2J")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert "or give a local folder" in refused("hf://me/model")
    for name in ("hf://model", "hf://me/model@", "hf://me/../x/y", "hf://me/a b"):
        with pytest.raises(ZooError, match="hf://USER/NAME@REVISION"):
            load_method(name)
