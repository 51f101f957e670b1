"""Questions about documents as rows of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document, Language
from ecpe_zoo.errors import ZooError
from ecpe_zoo.text.prompts import KINDS, QUESTIONS, Kind, fit_lengths
from ecpe_zoo.text.sources import mark, no_source
from ecpe_zoo.text.tokenizers import Tokenizer


class Query(NamedTuple):
    """One question.

    Args:
        document: Index of the document in its batch.
        kind: Index into `KINDS`.
        asked: Index of the clause that the question repeats, -1 for none.
    """

    document: int
    kind: int
    asked: int = -1


class TokenisedDocument:
    """A document as token ids, truncated to the encoder's limit.

    A plain class, so that Lightning leaves it alone when it moves a batch between devices.

    Attributes:
        id: Id of the document.
        language: Language of its questions.
        clauses: Token ids of each clause that is read: the first clauses, each with at least one token.
        size: Number of clauses of the entire document.
        cut: Number of clauses that are truncated or lost.
    """

    def __init__(self, id: str, language: Language, clauses: list[list[int]], size: int, cut: int) -> None:
        self.id, self.language, self.clauses, self.size, self.cut = id, language, clauses, size, cut


class QueryRows(NamedTuple):
    """Rows `[CLS] question [SEP] clause_1 [SEP] clause_2 ... clause_n`, padded at the end.

    Args:
        tokens: Token ids (R, T).
        clause_of: Clause (R, T) of each token: 0 for the question, 1..N for the clauses, -1 for special tokens and
            padding.
        types: Token types (R, T): 0 for [CLS], question and its [SEP], 1 for the document.
        kinds: Index (R,) into `KINDS`.
        labels: Labels (R, N): 1 for an answer, 0 for another clause, -1 after the last clause; all -1 without gold.
        queries: The questions, one per row.
        lengths: Number of tokens of each row.
        sizes: Number of clauses of each row.
    """

    tokens: Tensor
    clause_of: Tensor
    types: Tensor
    kinds: Tensor
    labels: Tensor
    queries: list[Query]
    lengths: tuple[int, ...]
    sizes: tuple[int, ...]

    def to(self, device: torch.device) -> QueryRows:
        """The rows with their tensors on a device."""
        return self._replace(
            tokens=self.tokens.to(device),
            clause_of=self.clause_of.to(device),
            types=self.types.to(device),
            kinds=self.kinds.to(device),
            labels=self.labels.to(device),
        )


class QueryBatch(NamedTuple):
    """Documents and their first questions.

    Args:
        ids: Ids of the documents.
        documents: Tokenised documents, for further questions.
        rows: All training questions, or EE and CE of each document.
    """

    ids: list[str]
    documents: list[TokenisedDocument]
    rows: QueryRows

    @property
    def cut(self) -> tuple[int, ...]:
        """Number of clauses of each document that are truncated or lost."""
        return tuple(document.cut for document in self.documents)


class QueryBuilder:
    """Builds rows with one tokenizer.

    Args:
        tokenizer: Tokenizer of the texts.
        max_tokens: Maximum tokens of a row; None for no limit.
        mark_asked: Whether the clause in question is marked inside the document by the question's token type.

    Raises:
        ZooError: Rows have no room for a question and a clause.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int | None, mark_asked: bool = False) -> None:
        self.tokenizer, self.max_tokens, self.mark_asked = tokenizer, max_tokens, mark_asked
        self.questions: dict[Language, dict[Kind, tuple[list[int], list[int]]]] = {
            language: {
                kind: (tokenizer.encode(before), tokenizer.encode(behind))
                for kind, (before, behind) in kinds.items()
            }
            for language, kinds in QUESTIONS.items()
        }
        self.longest = {
            language: max(len(before) + len(behind) for before, behind in kinds.values())
            for language, kinds in self.questions.items()
        }
        fewest = max(self.longest.values()) + 4  # [CLS], a clause of one token in the question, [SEP], clause
        if max_tokens is not None and max_tokens < fewest:
            raise ZooError(f"Expected an encoder that takes at least {fewest} tokens, but got {max_tokens}.")

    def tokenise(self, document: Document) -> TokenisedDocument:
        """Token ids of a document, from its text alone."""
        # a text without tokens is still a clause
        whole = [self.tokenizer.encode(s.text) or [self.tokenizer.mask_id] for s in document.segments]
        longest = self.longest[document.language]
        kept = fit_lengths([len(clause) for clause in whole], longest, self.max_tokens)
        clauses = [clause[:count] for clause, count in zip(whole, kept, strict=True) if count]
        cut = sum(count < len(clause) for clause, count in zip(whole, kept, strict=True))
        return TokenisedDocument(document.id, document.language, clauses, len(document), cut)

    def slots(self, document: Document) -> int:
        """Number of tokens of the row that asks for all emotion clauses."""
        tokenised = self.tokenise(document)
        before, behind = self.questions[document.language]["EE"]
        return 1 + len(before) + len(behind) + sum(len(clause) + 1 for clause in tokenised.clauses)

    def rows(
        self,
        documents: Sequence[TokenisedDocument],
        queries: Iterable[Query],
        gold: Sequence[Document] | None = None,
    ) -> QueryRows:
        """Build the rows of questions.

        Args:
            documents: Documents of the batch.
            queries: Questions about them, on clauses that are read.
            gold: The same documents with pairs, for the labels.
        """
        asked = list(queries)
        laid = [self._lay_out(documents[query.document], query) for query in asked]
        lengths = tuple(len(tokens) for tokens, _, _ in laid)
        sizes = tuple(len(documents[query.document].clauses) for query in asked)
        width, most = max(lengths, default=0), max(sizes, default=0)
        pad = self.tokenizer.pad_id

        def table(column: int, fill: int) -> Tensor:
            rows = [row[column] + [fill] * (width - len(row[column])) for row in laid]
            return torch.tensor(rows, dtype=torch.long).reshape(len(laid), width)

        labels = torch.full((len(asked), most), -1)
        for row, (query, size) in enumerate(zip(asked, sizes, strict=True)):
            if gold is not None:
                labels[row, :size] = 0
                labels[row, [i for i in answers(gold[query.document], query) if i < size]] = 1
        return QueryRows(
            table(0, pad),
            table(1, -1),
            table(2, 0),
            torch.tensor([query.kind for query in asked]),
            labels,
            asked,
            lengths,
            sizes,
        )

    def sources(self, documents: Sequence[TokenisedDocument], rows: QueryRows) -> Tensor:
        """Document, clause and number of each token (R, T, 3), those of clauses that a question repeats too."""
        found = no_source(rows.tokens.shape)
        for row, (query, clauses) in enumerate(zip(rows.queries, rows.clause_of.tolist(), strict=True)):
            read = ((at, query.document, clause - 1) for at, clause in enumerate(clauses) if clause > 0)
            mark(found, row, read)
            if query.asked >= 0:
                document = documents[query.document]
                start = 1 + len(self.questions[document.language][KINDS[query.kind]][0])
                end = start + len(document.clauses[query.asked])
                mark(found, row, ((at, query.document, query.asked) for at in range(start, end)))
        return found

    def _lay_out(self, document: TokenisedDocument, query: Query) -> tuple[list[int], list[int], list[int]]:
        before, behind = self.questions[document.language][KINDS[query.kind]]
        repeated = document.clauses[query.asked] if query.asked >= 0 else []
        question = [*before, *repeated, *behind]
        tokens = [self.tokenizer.cls_id, *question]
        clause_of = [-1] + [0] * len(question)
        types = [0] * (len(tokens) + 1)  # with the [SEP] after the question
        for index, clause in enumerate(document.clauses):
            tokens += [self.tokenizer.sep_id, *clause]
            clause_of += [-1] + [index + 1] * len(clause)
            kind = 0 if self.mark_asked and index == query.asked else 1
            types += [kind] * len(clause) + [1]  # with the [SEP] after the clause, if there is one
        return tokens, clause_of, types[: len(tokens)]


def answers(document: Document, query: Query) -> set[int]:
    """Gold answers to a question."""
    pairs = document.pairs or frozenset()
    match KINDS[query.kind]:
        case "EE":
            return {emotion for emotion, _ in pairs}
        case "CE":
            return {cause for _, cause in pairs}
        case "ESCE":
            return {cause for emotion, cause in pairs if emotion == query.asked}
        case "CSEE":
            return {emotion for emotion, cause in pairs if cause == query.asked}


def open_queries(document: int, kinds: Sequence[Kind] = KINDS) -> list[Query]:
    """The questions that depend on no other answer: EE and CE, or those of them in `kinds`."""
    return [Query(document, KINDS.index(kind)) for kind in ("EE", "CE") if kind in kinds]


def gold_queries(index: int, document: Document, read: int, kinds: Sequence[Kind] = KINDS) -> list[Query]:
    """Training questions: EE, CE, ESCE about each gold emotion clause, CSEE about each gold cause clause.

    Args:
        index: Index of the document in its batch.
        document: Document with pairs.
        read: Number of clauses left by truncation; there are no questions about lost ones.
        kinds: Kinds of questions that the method asks.
    """
    follow = [
        Query(index, KINDS.index(kind), i)
        for kind, gold in _asked_of(document, kinds)
        for i in sorted(gold)
        if i < read
    ]
    return [*open_queries(index, kinds), *follow]


def negative_queries(
    index: int,
    document: Document,
    read: int,
    count: float,
    kinds: Sequence[Kind] = KINDS,
    random: torch.Generator | None = None,
) -> list[Query]:
    """Training questions without an answer, about random clauses.

    Args:
        index: Index of the document in its batch.
        document: Document with pairs.
        read: Number of clauses left by truncation.
        count: Number of ESCE questions about clauses without emotion, and of CSEE questions about clauses that cause
            none. A fraction is the probability of one more of each.
        kinds: Kinds of questions that the method asks.
        random: Generator of the draws; torch's own if not given.
    """
    queries: list[Query] = []
    for kind, gold in _asked_of(document, kinds):
        others = [i for i in range(read) if i not in gold]
        most = int(count)
        if count > most:
            most += int(torch.rand((), generator=random) < count - most)
        drawn = torch.randperm(len(others), generator=random)[:most].tolist() if most else []
        queries += [Query(index, KINDS.index(kind), others[i]) for i in sorted(drawn)]
    return queries


def _asked_of(document: Document, kinds: Sequence[Kind]) -> list[tuple[Kind, frozenset[int]]]:
    """The questions that repeat a clause, with the clauses that have an answer."""
    gold: dict[Kind, frozenset[int]] = {
        "ESCE": frozenset(document.emotion_indices),
        "CSEE": frozenset(document.cause_indices),
    }
    return [(kind, clauses) for kind, clauses in gold.items() if kind in kinds]


class QueryCollator:
    """Batches documents with all questions from gold pairs, or with EE and CE.

    Args:
        builder: Builder of the rows.
        training: Whether the documents have gold.
        negatives: See `negative_queries`; drawn from the documents of each batch, which change between epochs. A
            generator shared by batches would run ahead of training, and a resumed run would draw differently.
        kinds: Kinds of questions that the method asks.
    """

    def __init__(
        self, builder: QueryBuilder, training: bool, negatives: float = 0, kinds: Sequence[Kind] = KINDS
    ) -> None:
        self.builder, self.training, self.negatives, self.kinds = builder, training, negatives, kinds

    def __call__(self, documents: Sequence[Document]) -> QueryBatch:
        """Build the batch."""
        tokenised = [self.builder.tokenise(document) for document in documents]
        random = torch.Generator().manual_seed(crc32("\n".join(d.id for d in documents).encode()))
        queries: list[Query] = []
        for index, (document, short) in enumerate(zip(documents, tokenised, strict=True)):
            if self.training:
                read = len(short.clauses)
                queries += gold_queries(index, document, read, self.kinds)
                queries += negative_queries(index, document, read, self.negatives, self.kinds, random)
            else:
                queries += open_queries(index, self.kinds)
        rows = self.builder.rows(tokenised, queries, documents if self.training else None)
        return QueryBatch([document.id for document in documents], tokenised, rows)
