"""A trained method as a folder of plain files, in the forms in which the Hugging Face hub keeps models.

=================  ================================================================================================
config.json        method, options, facts, stage, what the training texts were like; config of a pretrained encoder
model.safetensors  weights, and the tuned threshold
tokenizer.json     tokenizer of a pretrained encoder
vocabulary.json    words of a method without one
README.md          model card, for people: it is not read
=================  ================================================================================================

Nothing in such a folder is executed. It holds all that a prediction needs, and nothing of the state of training.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.escaping import visible
from ecpe_zoo.settings import shown

FORMAT = 1
"""Of the folder; a later one may hold what this code would not understand."""

CONFIG, WEIGHTS, TOKENIZER, VOCABULARY = (
    "config.json", "model.safetensors", "tokenizer.json", "vocabulary.json",
)  # fmt: skip
FILES = (CONFIG, WEIGHTS, TOKENIZER, VOCABULARY)
"""All that is read."""

CARD = "README.md"

Stored = dict[str, Any]
"""`ecpe_zoo`, `hyper_parameters` and `state_dict`, as in a checkpoint of `fit`."""

_ON_HUB = re.compile(r"hf:/{1,2}(?P<name>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")
"""One slash: a Path has dropped the other."""


def write_folder(folder: Path, stored: Mapping[str, Any], card: str) -> None:
    """Write a trained method; the folder is complete or not there.

    Args:
        folder: New, or empty.
        stored: Content of a checkpoint of `fit`, as `loading.read_checkpoint` gives it.
        card: Model card.

    Raises:
        ZooError: the folder has files; or the method keeps something that JSON cannot hold.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ZooError(f"Expected {folder} to be a new folder, but it is there already. Give another name.")
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.part")
    part.mkdir(parents=True)
    try:
        _write(part, stored)
        (part / CARD).write_text(card, encoding="utf-8")
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(folder: Path, stored: Mapping[str, Any]) -> None:
    kept = dict(stored["ecpe_zoo"])
    vocabulary, file = kept.pop("vocabulary"), None
    config: dict[str, Any] = {
        "library_name": "ecpe-zoo",
        "architectures": [kept["class_path"].rpartition(".")[2]],
        "ecpe_zoo": {"format": FORMAT, "version": version("ecpe-zoo"), **kept},
        "hyper_parameters": stored["hyper_parameters"],
    }
    if isinstance(vocabulary, Mapping):  # a `PretrainedSource`
        file = TOKENIZER
        (folder / TOKENIZER).write_text(vocabulary["tokenizer"], encoding="utf-8", newline="")
        config["encoder"] = {name: vocabulary[name] for name in ("config", "facts")}
    elif vocabulary is not None:
        file = VOCABULARY
        _write_json(folder / VOCABULARY, vocabulary)
    config["ecpe_zoo"]["vocabulary"] = file
    _write_json(folder / CONFIG, config)
    weights = {name: value.detach().clone().contiguous() for name, value in stored["state_dict"].items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def _write_json(path: Path, value: Any) -> None:
    """Write plain values.

    Raises:
        ZooError: read again they would be others.
    """
    indent = 2 if isinstance(value, Mapping) else 0
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == _listed(value)
    except (TypeError, ValueError) as error:
        raise ZooError(f"{path.name}: expected plain values to export, but got: {error}.") from error
    if not same:
        raise ZooError(
            f"{path.name}: expected values that JSON can hold, but got names that are no texts. Mend the method's "
            "`facts` or options."
        )
    try:
        path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
    except UnicodeEncodeError:  # half characters, which only escapes can write
        path.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")


def _listed(value: Any) -> Any:
    """A value with lists in place of tuples, as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _listed(item) for name, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def read_folder(folder: Path) -> Stored:
    """Read an exported folder; the caller checks what the values are.

    Raises:
        ZooError: no such folder, one of a run or another program, of a later version, or with damaged files.
    """
    best = [*folder.glob("checkpoints/best-*.ckpt"), *folder.glob("best-*.ckpt")]
    if best and not (folder / CONFIG).exists():
        last = max(best, key=lambda path: path.stat().st_mtime)  # that of the last stage
        raise ZooError(
            f"{folder}: expected a checkpoint file or a folder of `ecpe-zoo export`, but got the folder of a run. "
            f"Name its checkpoint: {last}"
        )
    config = _json(folder / CONFIG)
    kept = config.get("ecpe_zoo") if isinstance(config, dict) else None
    if not isinstance(kept, dict) or not isinstance(kept.get("format"), int):
        raise ZooError(
            f"{folder / CONFIG}: expected a model of `ecpe-zoo export`, but got one of another program."
        )
    if not 1 <= kept["format"] <= FORMAT:
        raise ZooError(
            f"{folder / CONFIG}: expected format {FORMAT} at most, but got {kept['format']}: it is of a later "
            "version. Update ecpe-zoo."
        )
    file = kept.get("vocabulary")
    if file not in (None, TOKENIZER, VOCABULARY):
        raise ZooError(
            f"{folder / CONFIG}: {unknown_choice('the vocabulary', file, (TOKENIZER, VOCABULARY))}"
        )
    vocabulary: Any = None
    if file == VOCABULARY:
        vocabulary = _json(folder / VOCABULARY)
    elif file == TOKENIZER:
        encoder = config.get("encoder")
        if not isinstance(encoder, dict):
            raise ZooError(
                f"{folder / CONFIG}: expected the config of the encoder, but got {shown(encoder)}."
            )
        vocabulary = {**encoder, "tokenizer": _text(folder / TOKENIZER)}
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        reason = visible((str(error).splitlines() or [type(error).__name__])[0])
        raise ZooError(f"{folder / WEIGHTS}: expected whole weights, but got: {reason}.") from error
    own = {name: value for name, value in kept.items() if name not in ("format", "version")}
    return {
        "ecpe_zoo": own | {"vocabulary": vocabulary},
        "hyper_parameters": config.get("hyper_parameters"),
        "state_dict": weights,
    }


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ZooError(
            f"{path}: expected a file of an exported folder, but got: {reason}. Give the whole folder, as "
            "`ecpe-zoo export` wrote it."
        ) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "too deep or too long a number").lower()
        raise ZooError(f"{path}: expected JSON, but got a damaged file: {reason}.") from error


def folder_hash(folder: Path) -> str:
    """Hash of all files of an exported folder that are read."""
    found = hashlib.blake2b(digest_size=16)
    for name in FILES:
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                found.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def local(path: Path | str) -> Path:
    """The file or folder on this machine: a name like `hf://USER/NAME@REVISION` is fetched from the hub first.

    Only `FILES` are fetched; what is in the hub's cache already is taken from there.

    Raises:
        ZooError: no name of a model, or one that cannot be fetched.
    """
    text = str(path)
    if not text.startswith("hf:/"):
        return Path(path)
    named = _ON_HUB.fullmatch(text)
    if named is None:
        raise ZooError(f"Expected hf://USER/NAME or hf://USER/NAME@REVISION, but got {text!r}.")
    import huggingface_hub

    try:
        found = huggingface_hub.snapshot_download(
            named["name"], revision=named["revision"], allow_patterns=list(FILES)
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = visible((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise ZooError(
            f"hf://{named['name']}: expected a model that can be fetched, but got: {reason} Check the name and the "
            "network (a private one needs `hf auth login`), or give a local folder."
        ) from error
    return Path(found)
