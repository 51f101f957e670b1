"""Names of methods and ablations, as their papers write them, and of encoders.

Records are in `SUITE/METHOD-VARIANT/`: `mgcl-no-sub-clause` is `MGCL w/o sub-clause clue`. A method or a variant that
is not listed here is named after its class and its folder.
"""

from __future__ import annotations

from ecpe_zoo.results.store import RunGroup, encoder_of

METHODS = {
    "cd_mrc": "CD-MRC",
    "ecpe_2d": "ECPE-2D",
    "eqn-coeqn": "CoEQN",
    "eqn-cross-entropy": "Cross-entropy",
    "eqn-out-of-fold": "EQN, relabelled out of fold",
    "mm_r": "MM-R",
    "rule": "Rule",
    "two_stage-indep": "Indep",
    "two_stage-inter-ce": "Inter-CE",
    "two_stage-inter-ec": "Inter-EC",
}
"""Folder, or its beginning -> name, if it is not the name of the class."""

VARIANTS = {
    "encoder": " on the encoder",
    "in-sample": ", filter trained in sample",
    "kept-vectors": ", word vectors frozen",
    "light": ", light",
    "encoder-light": " on the encoder, light",
    "no-auxiliary": " w/o auxiliary",
    "no-distillation": " w/o cross-grained KD",
    "no-extra-clause": " w/o extra-clause clue",
    "no-position": " w/o position",
    "no-sub-clause": " w/o sub-clause clue",
    "student-only": ", student alone",
    "student-only-light": ", light, student alone",
    "trained-vectors": ", word vectors trained",
    "unfiltered": " w/o filter",
    "window-3": ", window of 3 clauses",
}
"""Rest of the folder -> what follows the name; as the papers' tables of ablations print it, if they do."""

OWN, RECURRENT = "own network", "recurrent"
ENCODERS = {
    OWN: "own network",
    RECURRENT: "BiLSTM",
    "all-MiniLM-L6-v2": "MiniLM",
    "multilingual-e5-small (4-bit)": "e5-small",
}
"""Encoder, as records name it -> in words. The first two read word vectors."""


def name_of(group: RunGroup) -> str:
    """The method's name, and the variant that its suite gave it."""
    class_path = str(group.first.record.config["model"]["class_path"])
    return name_in_words(group.method, class_path.rpartition(".")[2], group.first.path.parent.name)


def name_in_words(method: str, class_name: str, folder: str) -> str:
    """The name of the runs in a folder of a suite.

    >>> name_in_words("mgcl", "MGCL", "mgcl-no-sub-clause"), name_in_words("e2eecpe", "E2EECPE", "e2eecpe-wide")
    ('MGCL w/o sub-clause clue', 'E2EECPE, wide')
    >>> name_in_words("two_stage", "TwoStage", "two_stage-inter-ec-encoder")
    'Inter-EC on the encoder'
    """
    known = [stem for stem in METHODS if folder == stem or folder.startswith(f"{stem}-")]
    stem = max(known, key=len, default=method)
    rest = folder.removeprefix(stem).strip("-")
    name = METHODS.get(stem, class_name)
    return name + VARIANTS.get(rest, f", {rest.replace('-', ' ')}" if rest else "")


def bare(name: str) -> str:
    """The name without its encoder.

    >>> bare("E2EECPE on the encoder"), bare("MM-R, light"), bare("E2EECPE on the encoder, light")
    ('E2EECPE', 'MM-R', 'E2EECPE')
    """
    return name.removesuffix(VARIANTS["light"]).removesuffix(VARIANTS["encoder"])


def encoder_in_words(group: RunGroup) -> str:
    """The encoder of a group's runs."""
    encoder = encoder_of(group.first)
    name, *layers = encoder.split(", first ")
    return ", ".join([ENCODERS.get(name, name), *layers])
