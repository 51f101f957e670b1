"""Which documents train, choose and test: the two protocols, and documents that are nearly the same.

Under `strict` nothing of a test text is trained on, and nothing of a validation text either: the same running
text appears twice in real corpora, and a clause-wise copy of a test document in the training part is a leak.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import LoadedCorpus
from ecpe_zoo.errors import ZooError, unknown_choice

Protocol = Literal["strict", "paper"]
SPLIT_SEED = 20190701
SplitVersion = Literal[1, 2]
SPLIT_VERSION: SplitVersion = 2
"""How `strict` splits. 2 draws the validation part of each fold by a hash of fold and id, and leaves out training
documents that are near-duplicates of held-out ones. 1, of the first release, drew nearly the same part in neighbouring
folds and left out exact twins alone."""
NEAR_CLAUSE_CHARACTERS = 5
"""Shorter clauses ("he said", a date) are shared by documents that have nothing to do with each other."""
NEAR_SHARE = 0.5
_FEWEST = 2  # one common line ("Oh my God !") makes no duplicates of two short conversations
_COMMON = 50  # a text in more documents than this is a formula and would make the search quadratic


@dataclass(frozen=True, slots=True)
class Partition:
    """The three parts that a run uses.

    Args:
        train: Documents that the weights are fitted to.
        validation: Documents that choose epoch and threshold.
        test: Documents that are scored at the end.
        twins_left_out: Ids of training documents with the same text as a test or validation document, and of
            validation documents with the same text as a test document, which are in no part.
        near_left_out: Likewise, of documents that are no exact twins but near-duplicates (`near_duplicates`).
    """

    train: tuple[Document, ...]
    validation: tuple[Document, ...]
    test: tuple[Document, ...]
    twins_left_out: tuple[str, ...]
    near_left_out: tuple[str, ...] = ()


def bare(text: str) -> str:
    """The text without blanks: the same however its words were separated."""
    return "".join(text.split())


def running_text(document: Document) -> str:
    """The text without borders between segments and without spaces: the same however a document was cut."""
    return "".join(bare(segment.text) for segment in document.segments)


def near_duplicates(documents: Sequence[Document]) -> list[tuple[int, int]]:
    """Positions of document pairs with the same text, or that share at least half of their longer clauses.

    Half of the clauses of the shorter document, counting distinct clauses of at least
    `NEAR_CLAUSE_CHARACTERS` characters. Where very many documents have one text ("ok"), each is paired with the
    first of them only.

    >>> from ecpe_zoo.corpora.document import document_from_texts as build
    >>> near_duplicates([build("1", ["今天 下雨", "他 很 难过"]), build("2", ["今天", "下雨 他 很 难过"])])
    [(0, 1)]
    """
    found: set[tuple[int, int]] = set()
    texts: defaultdict[str, list[int]] = defaultdict(list)
    holders: defaultdict[str, list[int]] = defaultdict(list)
    sizes: list[int] = []
    for position, document in enumerate(documents):
        texts[running_text(document)].append(position)
        distinct = {bare(segment.text) for segment in document.segments}
        clauses = sorted(clause for clause in distinct if len(clause) >= NEAR_CLAUSE_CHARACTERS)
        sizes.append(len(clauses))
        for clause in clauses:
            holders[clause].append(position)
    for positions in texts.values():
        if len(positions) <= _COMMON:
            found.update(combinations(positions, 2))
        else:
            found.update((positions[0], other) for other in positions[1:])
    shared: Counter[tuple[int, int]] = Counter()
    for positions in holders.values():
        if len(positions) <= _COMMON:
            shared.update(combinations(positions, 2))
    for (one, other), count in shared.items():
        if count >= max(_FEWEST, NEAR_SHARE * min(sizes[one], sizes[other])):
            found.add((one, other))
    return sorted(found)


def groups(documents: Sequence[Document]) -> list[list[int]]:
    """Positions of documents that must stay in one part: near-duplicates, and their near-duplicates."""
    from scipy.sparse import coo_array  # slow to import
    from scipy.sparse.csgraph import connected_components

    pairs = np.array(near_duplicates(documents), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(documents), len(documents)))
    members: defaultdict[int, list[int]] = defaultdict(list)
    for position, group in enumerate(connected_components(graph, directed=False)[1].tolist()):
        members[group].append(position)
    return list(members.values())


def partition(
    loaded: LoadedCorpus,
    protocol: Protocol = "strict",
    validation_share: float = 0.1,
    split_seed: int = SPLIT_SEED,
    version: SplitVersion = SPLIT_VERSION,
) -> Partition:
    """Split a loaded corpus as a protocol says.

    Args:
        loaded: One fold of a corpus.
        protocol: `strict` takes the official validation part, else a share of the training documents, and leaves out
            twins and near-duplicates of held-out documents, however short their text is: "ok" may be said twice
            without a leak, but nobody can tell, and what it costs is counted. `paper` trains on all training
            documents and validates on the test documents, as the published code did.
        validation_share: Share of the training documents, if there is no official validation part.
        split_seed: Seed of that choice, which depends on nothing but the documents, the fold and this number.
        version: See `SPLIT_VERSION`.

    Raises:
        ZooError: Unknown protocol or version, or a share that is not between 0 and 1.
    """
    if protocol == "paper":
        return Partition(loaded.train, loaded.test, loaded.test, ())
    if protocol != "strict":
        raise unknown_choice("a protocol", protocol, ("strict", "paper"))
    if not loaded.train:  # a description of files to predict
        return Partition((), loaded.validation or (), loaded.test, ())
    if not 0 < validation_share < 1:
        raise ZooError(f"Expected a validation share between 0 and 1, but got {validation_share}.")
    if version not in (1, 2):
        raise ZooError(f"Expected --data.split_version to be 1 or 2, but got {version}.")
    # official parts stay as published but for exact twins: templated corpora are near-duplicates throughout
    rule: SplitVersion = version if loaded.validation is None else 1
    train, twins, near = _without(loaded.train, loaded.test, rule)
    if loaded.validation is None:
        if len(train) < 2:
            raise ZooError(
                f"Expected at least two training documents, one of them for validation, but got {len(train)}. Add "
                "some, or name a file of validation documents in the description."
            )
        wanted = max(1, round(validation_share * len(train)))
        if version == 1:
            held_out = _held_out_in_order(train, wanted, split_seed)
        else:
            held_out = _held_out(train, wanted, f"{split_seed}:{loaded.fold}")
        validation = tuple(document for document in train if document.id in held_out)
        train = tuple(document for document in train if document.id not in held_out)
        return Partition(train, validation, loaded.test, twins, near)
    validation, more_twins, more_near = _without(loaded.validation, loaded.test, rule)
    train, most_twins, most_near = _without(train, validation, rule)
    return Partition(
        train, validation, loaded.test, twins + most_twins + more_twins, near + most_near + more_near
    )


def _without(
    documents: Sequence[Document], held_out: Sequence[Document], version: SplitVersion
) -> tuple[tuple[Document, ...], tuple[str, ...], tuple[str, ...]]:
    """The documents that no held-out document resembles, the ids of exact twins, and of near-duplicates (version 2)."""
    texts = {running_text(document) for document in held_out}
    twins = {index for index, document in enumerate(documents) if running_text(document) in texts}
    near: set[int] = set()
    if version == 2:
        count = len(documents)
        pairs = near_duplicates([*documents, *held_out])
        near = {one for one, other in pairs if one < count <= other} - twins
    return (
        tuple(document for index, document in enumerate(documents) if index not in twins | near),
        tuple(documents[index].id for index in sorted(twins)),
        tuple(documents[index].id for index in sorted(near)),
    )


def _held_out(documents: Sequence[Document], wanted: int, salt: str) -> set[str]:
    """Ids of about so many documents, groups of near-duplicates kept together, by a hash of salt and id."""
    drawn = [hashlib.sha256(f"{salt}:{document.id}".encode()).digest() for document in documents]
    ordered = sorted(groups(documents), key=lambda group: min(drawn[position] for position in group))
    return _first(ordered, documents, wanted)


def _held_out_in_order(documents: Sequence[Document], wanted: int, seed: int) -> set[str]:
    """The same as split version 1 drew it: one shuffle of the groups in the order of their ids."""
    ordered = sorted(documents, key=lambda document: document.id)  # the order of the file decides nothing
    shuffled = groups(ordered)
    random.Random(seed).shuffle(shuffled)
    return _first(shuffled, ordered, wanted)


def _first(listed: list[list[int]], documents: Sequence[Document], wanted: int) -> set[str]:
    """Ids of the documents of the first groups; a group for which there is no room any more is passed over."""
    taken: set[str] = set()
    for group in listed:
        if len(taken) + len(group) <= wanted:
            taken.update(documents[position].id for position in group)
    return taken
