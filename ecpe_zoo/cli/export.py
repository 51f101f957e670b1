"""`ecpe-zoo export`: a trained method as a folder for the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ecpe_zoo.cli.screen import say
from ecpe_zoo.escaping import shell_quoted


def export(
    ckpt: Path,
    folder: Path,
    *,
    format: Literal["hf"] = "hf",
    root: Path | None = None,
) -> int:
    """Write a trained method into a folder for the Hugging Face hub: weights, config, tokenizer and model card.

    The folder holds JSON and safetensors, and all that annotate needs. The card is made from record.json in the
    checkpoint's run folder: data, protocol, scores with intervals, limits, and the licence of the data.

      ecpe-zoo export runs/.../checkpoints/best-....ckpt my-model
      ecpe-zoo annotate --ckpt_path my-model --input comments.csv --output emotions.jsonl
      hf upload USER/NAME my-model

    Args:
        ckpt: Checkpoint of ecpe-zoo fit.
        folder: New folder.
        format: Form of the folder.
        root: Folder of the corpora, which the interval of the score needs.

    Returns:
        0.
    """
    from ecpe_zoo.methods.exported import CARD, write_folder
    from ecpe_zoo.methods.loading import read_checkpoint
    from ecpe_zoo.results.card import evidence_beside, model_card
    from ecpe_zoo.results.identity import portable

    stored = read_checkpoint(ckpt)
    evidence = evidence_beside(ckpt, stored)
    card = model_card(stored, evidence, root)
    stored["hyper_parameters"] = portable(dict(stored["hyper_parameters"]))
    vocabulary = stored["ecpe_zoo"]["vocabulary"]
    if isinstance(vocabulary, dict):
        vocabulary["config"] = portable(vocabulary["config"])
    write_folder(folder, stored, card)
    if evidence.entry is None:
        say(f"WARNING: the card names no score: {evidence.missing}")
    say(f"{folder}: read {CARD} before you publish it")
    say(f"to try it: ecpe-zoo annotate --ckpt_path {shell_quoted(str(folder))} --input FILE")
    return 0


COMMANDS = export
