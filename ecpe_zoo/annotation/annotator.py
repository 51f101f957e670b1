"""Entries to rows, by a trained method: clauses cut, words segmented, batched by length."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch

from ecpe_zoo.annotation.answers import Answers, Row, answers_for
from ecpe_zoo.annotation.inputs import Entry, entry_of
from ecpe_zoo.corpora.document import Document, Language, Segment, document_from_texts
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.data.sampler import LikeLengthBatchSampler
from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.escaping import is_blank
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.methods.traces import gradient_times_input
from ecpe_zoo.text.clauses import cut_clauses
from ecpe_zoo.text.profile import count_texts, unlike
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.tokenizers import PretrainedTokenizer
from ecpe_zoo.text.words import is_segmented, language_of, with_words_apart

Precision = Literal["32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]

BATCH_TOKENS = 4096
"""Token slots of a batch."""

MOST_CLAUSES = 1000
"""Clauses of a document that are searched for pairs, since time and memory grow with the square. Others count as
truncated; the longest document of the Chinese corpus has 73."""

_PROBE = "我 今天 非常 高兴 因为 他 终于 回来 了 大家 都 很 开心"


@dataclass(frozen=True, slots=True)
class Options:
    """How a method is applied.

    Args:
        threshold: Threshold instead of the tuned one.
        top: Most pairs or emotions.
        every: Add all scores.
        language: Language of all texts; by default each text's own, by its letters.
        batch_tokens: Most token slots of a batch; changes speed, memory and the last digits of scores.
        precision: Precision of matrix products.
        device: `auto` takes a GPU if there is one.
    """

    threshold: float | None = None
    top: int | None = None
    every: bool = False
    language: Language | None = None
    batch_tokens: int = BATCH_TOKENS
    precision: Precision = "32"
    device: Device = "auto"


class _Read(NamedTuple):
    """An entry as the model reads it.

    Args:
        shown: Its segments.
        places: Indices of those with text.
        document: Document of these; None if there are none.
        lost: Segments beyond the most that are read.
    """

    shown: list[str]
    places: list[int]
    document: Document | None
    lost: int = 0


class Prepared(NamedTuple):
    """Entries ready for the model.

    Args:
        entries: Entries in order.
        reads: How each entry is read.
        batches: Batches of the method, on the CPU, by rising length.
        counts: `single`: running texts of one clause; and what the texts are like, see `profile.count_texts`.
    """

    entries: Sequence[Entry]
    reads: list[_Read]
    batches: list[Any]
    counts: Mapping[str, int]


class Annotator:
    """Applies a trained method; the same entries in the same call give the same rows.

    Args:
        method: Trained method; it is moved to the device, and stays in evaluation mode.
        options: See `Options`.

    Raises:
        ZooError: Options that do not fit the method or the machine.
    """

    def __init__(self, method: Method, options: Options | None = None) -> None:
        self.options = options or Options()
        if self.options.language not in (None, *get_args(Language)):
            raise unknown_choice("the language", self.options.language, get_args(Language))
        if self.options.precision not in get_args(Precision):
            raise unknown_choice("the precision", self.options.precision, get_args(Precision))
        if self.options.batch_tokens < 1:
            raise ZooError(f"Expected --batch-tokens to be at least 1, but got {self.options.batch_tokens}.")
        self.answers: Answers = answers_for(
            method, self.options.threshold, self.options.top, self.options.every
        )
        self.device = choose_device(self.options.device)
        self.method = method.to(self.device).eval()
        self.words = reads_words(method)
        self.known = frozenset(method.vocabulary) if isinstance(method.vocabulary, list) else frozenset()
        self._token_counter = method.token_counter()

    def annotate(self, entries: Sequence[Entry]) -> list[Row]:
        """The answer to each entry, in order; all are in memory at once."""
        return self.answer(self.prepare(entries))

    def prepare(self, entries: Sequence[Entry]) -> Prepared:
        """Cut, segment and tokenise; uses no device, so that it may run in another thread during `answer`.

        Raises:
            ZooError: Chinese words are needed, jieba is not installed, and the method has no list of words.
        """
        reads = [self._read(entry) for entry in entries]
        documents = [read.document for read in reads if read.document is not None]
        return Prepared(entries, reads, self._batches(documents), self._counts(entries, reads))

    def _batches(self, documents: Sequence[Document]) -> list[Any]:
        costs = [self.method.tokens(document) for document in documents]
        lengths = costs if self.method.sort_by == "tokens" else [len(document) for document in documents]
        collate = self.method.collator(False)
        batches = LikeLengthBatchSampler(lengths, costs, batch_tokens=self.options.batch_tokens)
        return [collate([documents[index] for index in batch]) for batch in batches]

    def unlike(self, counts: Mapping[str, int]) -> str | None:
        """How texts with these counts differ from the method's training texts; None if they do not."""
        return unlike(self.method.profile, counts)

    def _counts(self, entries: Sequence[Entry], reads: Sequence[_Read]) -> Mapping[str, int]:
        documents = [read.document for read in reads if read.document is not None]
        counts: Counter[str] = Counter()
        if self.method.profile is not None:  # else there is nothing to compare with
            counts += count_texts((s.text for d in documents for s in d.segments), self._token_counter)
        if not self.method.task.labelled:
            both = zip(entries, reads, strict=True)
            counts["single"] = sum(entry.whole and len(read.places) == 1 for entry, read in both)
        return counts

    def answer(self, prepared: Prepared) -> list[Row]:
        """Run the model.

        Raises:
            ZooError: The device's memory is too small for a batch.
        """
        found = self._decode(prepared.batches)
        rows = []
        for entry, read in zip(prepared.entries, prepared.reads, strict=True):
            prediction = None if read.document is None else found[read.document.id]
            if prediction is not None and read.lost:
                prediction = prediction._replace(truncated=prediction.truncated + read.lost)
            rows.append(self.answers.row(entry, read.shown, read.places, prediction))
        return rows

    def predict(self, documents: Sequence[Document]) -> list[Prediction]:
        """The scores of documents with distinct ids, in order.

        Raises:
            ZooError: The device's memory is too small for a batch.
        """
        found = self._decode(self._batches(documents))
        return [found[document.id] for document in documents]

    def contributions(
        self, document: Document, places: Sequence[tuple[int, int]]
    ) -> list[list[npt.NDArray[np.float32]]] | None:
        """What each token contributes to scores of a document; see `gradient_times_input`.

        Args:
            document: Document without gold.
            places: Row and column of each score.

        Raises:
            ZooError: The device's memory is too small.
        """
        with self._autocast(), _memory("a document with its gradients", "Leave them out: --no_gradients."):
            return gradient_times_input(self.method, [document], [(0, *place) for place in places])

    def _decode(self, batches: Sequence[Any]) -> dict[str, Prediction]:
        found: dict[str, Prediction] = {}
        what = f"a batch of {self.options.batch_tokens} token slots"
        with torch.inference_mode(), self._autocast(), _memory(what, "Give a smaller --batch-tokens."):
            for batch in batches:
                moved = self.method.transfer_batch_to_device(batch, self.device, 0)
                for prediction in self.method.decode(moved):
                    found[prediction.id] = prediction
        return found

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.options.precision == "32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _read(self, entry: Entry) -> _Read:
        together = " ".join(entry.texts)
        language = self.options.language or entry.language or language_of(together)
        shown, read = list(entry.texts), [text.strip() for text in entry.texts]
        if entry.whole and not self.method.task.labelled:
            clauses = cut_clauses(entry.texts[0], language)
            shown, read = [clause.text for clause in clauses], [clause.bare for clause in clauses]
        read = ["" if is_blank(text) else text for text in read]
        places = [index for index, text in enumerate(read) if text]
        if not places:
            return _Read(shown, [], None)
        # no space between segments: short ones would look like words
        if self.words and not is_segmented("，".join(entry.texts), language):
            read = [with_words_apart(text, language, self.known) or text for text in read]
        lost = 0 if self.method.task.labelled else max(len(places) - MOST_CLAUSES, 0)
        places = places[: len(places) - lost]
        speakers, judged = entry.speakers, entry.judged
        if entry.whole:
            segments = tuple(Segment(read[index]) for index in places)
        else:
            segments = tuple(Segment(read[i], speakers[i], judged=judged[i]) for i in places)
        return _Read(shown, places, Document(str(entry.number), segments, language=language), lost)


@contextmanager
def _memory(what: str, way_out: str) -> Iterator[None]:
    """Report that the device's memory is too small.

    Raises:
        ZooError: it is.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        found = str(error).splitlines()[0]
        raise ZooError(
            f"Expected {what} to fit into the device's memory, but it does not ({found}). {way_out}"
        ) from error


def reads_words(method: Method) -> bool:
    """Whether a method looks up words between spaces: a Chinese text without spaces is then a few words at most.

    The tokenizer of a pretrained encoder reads both, though some make more tokens of spaced text.
    """
    encoder = next((module for module in method.modules() if isinstance(module, TokenEncoder)), None)
    if encoder is not None and isinstance(encoder.tokenizer, PretrainedTokenizer):
        return False
    apart = method.tokens(document_from_texts("probe", [_PROBE]))
    together = method.tokens(document_from_texts("probe", [_PROBE.replace(" ", "")]))
    return 2 * together <= apart


def choose_device(name: Device) -> torch.device:
    """The device of that name.

    Raises:
        ZooError: It is unknown or not available.
    """
    if name not in get_args(Device):
        raise unknown_choice("the device", name, get_args(Device))
    if name == "cuda" and not torch.cuda.is_available():
        raise ZooError("Expected a GPU for --device cuda, but torch finds none. Give --device cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def check_texts(texts: Sequence[str | Document]) -> None:
    """Check that these are texts: a text is a sequence too, of characters, and a table one of columns.

    Raises:
        ZooError: They are not.
    """
    if isinstance(texts, str | Mapping | Document) or hasattr(texts, "columns"):
        raise ZooError(
            f"Expected a list of texts or Documents, but got one {type(texts).__name__}. Give [text], or the list of "
            "texts in it."
        )
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str | Document):
            raise ZooError(
                f"Expected texts or Documents, but item {number} is {text!r:.60}. Replace missing texts by ''."
            )


def annotate_texts(
    checkpoint: Path | str | Method, texts: Sequence[str | Document], options: Options | None = None
) -> list[Row]:
    """Apply a trained method to texts; see `ecpe_zoo.annotation.answers` for the rows.

    Args:
        checkpoint: Checkpoint of any method, exported folder, hf://USER/NAME, or a loaded method.
        texts: Running text, or Documents; their labels are not used.
        options: See `Options`.

    Returns:
        A row for each text, in order: plain values, as `ecpe-zoo annotate` writes them.

    Raises:
        ZooError: The checkpoint cannot be read, the options do not fit it, or something is no text.

    Warns:
        UserWarning: the texts are unlike those that the method was trained on.
    """
    check_texts(texts)
    method = checkpoint if isinstance(checkpoint, Method) else load_method(checkpoint)
    annotator = Annotator(method, options)
    prepared = annotator.prepare([entry_of(number, text) for number, text in enumerate(texts, start=1)])
    if note := annotator.unlike(prepared.counts):
        warnings.warn(f"The texts are unlike those of the model's training: {note}.", stacklevel=2)
    return annotator.answer(prepared)
