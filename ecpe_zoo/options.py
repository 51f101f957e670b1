"""Groups of options that travel together as one argument of a method. Records and commands read them without torch."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

from ecpe_zoo.errors import ZooError, at_least

EMBEDDED, RECURRENT, WORDS = "embedded", "recurrent", "words"

ClauseEncoderKind = Literal["gcn", "gat", "gated-gat", "lstm", "none"]
ClauseEdges = Literal["near", "complete"]
ReadAs = Literal["document", "clause"]
Pooling = Literal["mean", "cls", "attention"]
Schedule = Literal["linear", "constant", "halve"]


@dataclass(frozen=True)
class Options:
    """Base class of the groups."""

    @classmethod
    def of(cls, value: Self | Mapping[str, Any] | str, default: Self | None = None) -> Self:
        """Build the options from the plain values in configs and checkpoints.

        Args:
            value: Some of the options by name, or the first option alone.
            default: Options to use for what `value` leaves out.

        Raises:
            ZooError: An unknown option.

        >>> EncoderSettings.of("recurrent") == EncoderSettings.of({"name": "recurrent"})
        True
        """
        if isinstance(value, cls):
            return value
        known = [field.name for field in fields(cls)]
        given = {known[0]: value} if isinstance(value, str) else dict(value)  # type: ignore[arg-type]
        if unknown := [str(name) for name in given if name not in known]:
            raise ZooError(f"Expected options of {', '.join(known)}, but got {', '.join(unknown)}.")
        return cls(**given) if default is None else replace(default, **given)


@dataclass(frozen=True)
class EncoderSettings(Options):
    """Token encoder.

    Args:
        name: `embedded` (a small BERT with random weights), `recurrent` (a BiLSTM over word vectors), `words` (word
            vectors alone, for networks with layers of their own), or a Hugging Face name or folder.
        size: Size of a token vector; 128 for embedded and 300 for recurrent if not given; a pretrained one has its own.
        layers: Layers of embedded (2 if not given) and recurrent (1). A pretrained encoder keeps its lowest `layers`.
        heads: Attention heads of embedded.
        dropout: Dropout rate; the encoder's own if not given: 0.1, recurrent 0.5 (on word vectors and output).
        vectors: File of word vectors in word2vec text format, plain or .gz, for recurrent and words.
        vector_size: Size of these word vectors, with or without a file; 200 as in the ECPE papers.
        train_vectors: Whether the vectors from the file are trained.
        freeze_embeddings: Whether the token embeddings of a transformer are frozen. They are most of a
            multilingual model: 51 of the 73 million parameters of multilingual-e5-small with 133,000 pieces.
        freeze: Whether the encoder is frozen.
    """

    name: str = EMBEDDED
    size: int | None = None
    layers: int | None = None
    heads: int = 4
    dropout: float | None = None
    vectors: str | None = None
    vector_size: int = 200
    train_vectors: bool = True
    # null rather than false by default: a record from before the option existed equals one that does not set it
    freeze_embeddings: bool | None = None
    freeze: bool | None = None


@dataclass(frozen=True)
class ClauseSettings(Options):
    """Encoder of the clauses of a document, and of the question about them.

    Args:
        kind: `gcn`, `gat`, `gated-gat` (RANKCP's: attention between all clauses, scored on the tanh of the
            vectors, and a gate), `lstm`, or `none`.
        edges: Edges of gcn and gat. `near` connects clauses at most `window` apart, the question with every clause, and
            every node with itself. `complete` connects all nodes: gcn then adds the same vector to every node, and gat
            nearly so, which carries no context.
        window: Clauses on each side that `near` connects, at least 1.
        heads: Attention heads of gat and gated-gat; 4 as in RANKCP and MM-R.
        dropout: Dropout on the layer's output; 0.1 as in RANKCP and MM-R.
    """

    kind: ClauseEncoderKind = "gcn"
    edges: ClauseEdges = "near"
    window: int = 2
    heads: int = 4
    dropout: float = 0.1


@dataclass(frozen=True)
class ReadingSettings(Options):
    """How the clauses of a document become vectors.

    Args:
        read: `document` encodes all clauses in one pass, so that each token sees the entire document; `clause` encodes
            each clause alone.
        pool: Vector of a clause: the `mean` of its tokens, its start token (`cls`), or their weighted mean
            with learned weights (`attention`).
    """

    read: ReadAs = "document"
    pool: Pooling = "mean"


@dataclass(frozen=True)
class PairSettings(Options):
    """Candidate pairs, and which of them are predicted.

    Args:
        window: Largest distance in clauses between emotion and cause of a candidate; unlimited if not given. Gold
            pairs outside the window count as missed.
        position: Whether the score of a pair depends on the distance between its clauses.
        prior: Whether the bias of the pair head starts at the share of gold pairs among the candidates of the training
            documents. With a bias of 0 some methods predict no pair in their first twelve epochs.
        top: Largest number of pairs predicted per document; unlimited if not given.
        force_first: Whether the best candidate of each document is predicted whatever its score. This assumes that
            every document has a pair.
    """

    window: int | None = None
    position: bool = True
    prior: bool = True
    top: int | None = None
    force_first: bool = False

    def __post_init__(self) -> None:
        at_least("--model.pairs.window", self.window, 1)
        at_least("--model.pairs.top", self.top, 1)


@dataclass(frozen=True)
class OptimiserSettings(Options):
    """Optimiser and learning rate.

    Args:
        lr: Learning rate of everything except the encoder.
        encoder_lr: Learning rate of the encoder; `lr` if not given.
        weight_decay: Decay of weight matrices; embeddings, biases and norms have none.
        warmup_share: Share of a stage's steps (counting all its epochs) over which the rate rises from 0.
        schedule: Rate after warm-up: `linear` falls to 0 by the stage's end, `constant` stays (for stages that early
            stopping ends), `halve` halves after every epoch and has no warm-up.
    """

    lr: float = 1e-5
    encoder_lr: float | None = None
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    schedule: Schedule = "linear"

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_share <= 1:
            raise ZooError(
                f"Expected --model.optimiser.warmup_share from 0 to 1, but got {self.warmup_share}."
            )
        if self.schedule == "halve" and self.warmup_share:
            raise ZooError(
                "Expected --model.optimiser.warmup_share 0 with schedule halve, which has no warm-up, but got "
                f"{self.warmup_share}."
            )


GROUPS: dict[str, type[Options]] = {
    "encoder": EncoderSettings,
    "clause_encoder": ClauseSettings,
    "reading": ReadingSettings,
    "pairs": PairSettings,
    "optimiser": OptimiserSettings,
}
"""Arguments of methods whose values are groups of options."""

SINGLE: dict[str, dict[str, str]] = {
    "encoder": {
        "encoder_size": "size",
        "encoder_layers": "layers",
        "encoder_heads": "heads",
        "encoder_dropout": "dropout",
        "vectors": "vectors",
        "vector_size": "vector_size",
        "train_vectors": "train_vectors",
    },
    "clause_encoder": {
        "clause_edges": "edges",
        "clause_window": "window",
        "clause_heads": "heads",
        "clause_dropout": "dropout",
    },
    "optimiser": {
        "lr": "lr",
        "learning_rate": "lr",
        "encoder_lr": "encoder_lr",
        "weight_decay": "weight_decay",
        "warmup_share": "warmup_share",
        "schedule": "schedule",
    },
}
"""Group -> the single arguments of release 0.1.0 that it replaced -> the option each became."""

FIRST = {"encoder": "name", "clause_encoder": "kind"}
"""Group -> the option set by a plain string: `--model.encoder NAME`."""

_DID: dict[str, dict[str, Any]] = {
    "ecpe_zoo.methods.e2eecpe.E2EECPE": {"warmup_share": 0.0, "schedule": "constant"},
    "ecpe_zoo.methods.mgcl.MGCL": {"schedule": "linear"},
    "ecpe_zoo.methods.emo_pillars.EmoPillars": {"schedule": "linear"},
}
"""Class path -> the optimiser behaviour of release 0.1.0, which had no option for it."""


def nested(
    arguments: Mapping[str, Any], takes: Container[str] | None = None, class_path: str = ""
) -> dict[str, Any]:
    """Arrange a method's arguments so that the options of each group are nested under its name.

    Configs may give an encoder by name alone (`encoder: NAME`), and configs, records and checkpoints of release 0.1.0
    have one argument per option.

    Args:
        arguments: Values by name.
        takes: Flat names of the arguments that the method accepts (see `flat`); others stay where they are. None for a
            method that accepts all groups and no single argument of the same name.
        class_path: Class path of the method, whose optimiser had fewer options in release 0.1.0.

    >>> nested({"encoder": "embedded", "encoder_size": 64, "lr": 0.1, "beta": 1.0})
    {'encoder': {'name': 'embedded', 'size': 64}, 'optimiser': {'lr': 0.1}, 'beta': 1.0}
    >>> nested({"vectors": "w2v.txt", "lr": 0.1}, takes={"vectors", "optimiser.lr"})
    {'vectors': 'w2v.txt', 'optimiser': {'lr': 0.1}}
    """
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        group, option = place_of(name, takes)
        value = asdict(value) if isinstance(value, Options) else value
        if option:
            found[group] = found.get(group) or {}  # null, with options of the group given separately
            found[group].setdefault(option, value)
        elif isinstance(value, str) and (first := first_of(name, takes)):
            found[name] = {first: value} | found.get(name, {})
        elif isinstance(value, Mapping):
            found[name] = found.get(name, {}) | dict(value)
        else:
            found.setdefault(name, value)
    if any(place_of(name, takes)[0] == "optimiser" for name in arguments if name != "optimiser"):
        found["optimiser"] = _DID.get(class_path, {}) | found["optimiser"]
    return found


def place_of(name: str, takes: Container[str] | None = None) -> tuple[str, str]:
    """The group and the option of an argument; its own name and "" if it belongs to no group. See `nested` for `takes`.

    >>> place_of("encoder_size"), place_of("beta"), place_of("vectors", {"vectors"})
    (('encoder', 'size'), ('beta', ''), ('vectors', ''))
    """
    for group, options in SINGLE.items():
        if name in options and (takes is None or (name not in takes and f"{group}.{options[name]}" in takes)):
            return group, options[name]
    return name, ""


def first_of(name: str, takes: Container[str] | None = None) -> str:
    """The option of a group that is set by a plain string; "" if this is no such group."""
    first = FIRST.get(name, "")
    return first if first and (takes is None or f"{name}.{first}" in takes) else ""


def optional_group(annotation: object, default: Any) -> type[Options] | None:
    """The option group of an argument that defaults to null; None for any other argument.

    >>> optional_group("EncoderSettings | None", None).__name__
    'EncoderSettings'
    """
    words = re.findall(r"\w+", str(annotation)) if default is None else []
    return next((group for group in GROUPS.values() if group.__name__ in words), None)


def flat_default(name: str, annotation: object, default: Any) -> dict[str, Any]:
    """An argument's default, flattened: `encoder.size` -> None.

    A group that defaults to null is listed as null, followed by the defaults of its options. The option that a plain
    string sets has no default: no encoder is used.

    >>> flat_default("reading", "ReadingSettings | None", None)
    {'reading': None, 'reading.read': 'document', 'reading.pool': 'mean'}
    """
    if (group := optional_group(annotation, default)) is not None:
        first = {FIRST[name]: None} if name in FIRST else {}
        return {name: None} | flat({name: asdict(group()) | first})
    return flat({name: asdict(default) if isinstance(default, Options) else default})


def flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Flatten nested mappings, joining names with dots.

    >>> flat({"a": {"b": 1, "c": {}}})
    {'a.b': 1, 'a.c': {}}
    """
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{before}{name}.")
        elif value != {} or before:
            found[before + name] = value
    return found
