"""The data module: it handles corpora, folds, protocols, sampling and workers, and knows no method."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch.utils.data import DataLoader

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.lexicon import EmotionFilter, Lexicon, emotion_filter, filtered, lexicon_files
from ecpe_zoo.corpora.registry import CORPORA, SPLITS, LoadedCorpus, find_corpus, load_corpus
from ecpe_zoo.corpora.splits import Partition, partition
from ecpe_zoo.data.gold_view import GoldView, Truncation
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.data.sampler import LikeLengthBatchSampler
from ecpe_zoo.errors import ZooError, at_least, first_few
from ecpe_zoo.tasks import Task

Split = Literal["train", "validation", "test"]


@runtime_checkable
class Batcher(Protocol):
    """What the data module needs from a method."""

    task: ClassVar[Task]

    @property
    def sort_by(self) -> Literal["tokens", "segments"]:
        """The length by which documents of a batch are alike."""

    @property
    def annotations(self) -> frozenset[str]:
        """The tasks of which a corpus must be annotated for at least one."""

    def tokens(self, document: Document) -> int:
        """Token slots that a document fills."""

    def collator(self, training: bool) -> Callable[[list[Document]], Any]:
        """A function that batches documents."""

    def training_units(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The documents that training batches are drawn from."""


class EmotionDataModule(LightningDataModule):
    """Documents of a corpus, split by a protocol and batched by the method that the trainer runs.

    Args:
        corpus: Name of a corpus, as listed by `ecpe-zoo data list`.
        root: Folder of the corpora; ECPE_ZOO_DATA from the environment, else the user's cache, if not given.
        fold: Fold of a corpus that has folds, 1-based.
        protocol: `strict` chooses epoch and threshold on a part of the training documents; `paper` trains on all
            of them and chooses on the test fold, as the published code did.
        validation_share: Share of the training documents used for validation under `strict`, if the corpus has no
            validation part.
        split_seed: Seed of the draw of that part; the same for every method and model seed.
        split_version: 2 redraws the validation part of each fold and leaves near-duplicates of held-out documents
            out of training; 1 reproduces records of the first release.
        batch_size: Maximum number of documents in a training batch, per process; `fit` uses 8 if no limit is given.
        batch_tokens: Maximum number of token slots in a training batch, per process.
        batch_spread: Training batches over which documents of similar length are remixed in every epoch, at
            least 0. Higher values vary batches more and pad more; 0 exchanges only documents of equal length.
        eval_batch_size: Maximum number of documents in an evaluation batch; the training limits if neither is given.
        eval_batch_tokens: Maximum number of token slots in an evaluation batch.
        num_workers: Number of processes that build batches; 0 builds them in the training process.
        on_error: `raise` stops at the first malformed document; `skip` leaves it out and counts it.
        predict_split: Part that `ecpe-zoo predict` reads.
        lexicon: Filter on the emotion clauses of emotion-cause predictions, before scoring and tuning. `train_words`
            keeps clauses with an emotion keyword of the training documents; `rankcp_file` keeps those listed by
            RANKCP, MM-R and CD-MRC, which contains the gold emotion clauses: never ranked.
        truncation: `lengths` truncates documents that are too long for the encoder by length alone; `gold` keeps
            their first gold pair in view, as RANKCP, MM-R and CD-MRC do: never ranked.

    Raises:
        ZooError: A number is out of its range.
    """

    def __init__(
        self,
        corpus: str = "bundled-ecpe",
        root: Path | None = None,
        fold: int = 1,
        protocol: Literal["strict", "paper"] = "strict",
        validation_share: float = 0.1,
        split_seed: int = 20190701,
        split_version: Literal[1, 2] = 2,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        batch_spread: float = 18.0,
        eval_batch_size: int | None = None,
        eval_batch_tokens: int | None = None,
        num_workers: int = 0,
        on_error: Literal["raise", "skip"] = "raise",
        predict_split: Split = "test",
        lexicon: Lexicon = "none",
        truncation: Truncation = "lengths",
    ) -> None:
        super().__init__()
        limits = {
            "batch_size": batch_size,
            "batch_tokens": batch_tokens,
            "eval_batch_size": eval_batch_size,
            "eval_batch_tokens": eval_batch_tokens,
        }
        for name, limit in limits.items():
            at_least(f"--data.{name}", limit, 1)
        at_least("--data.batch_spread", batch_spread, 0)
        at_least("--data.num_workers", num_workers, 0)
        if not 0 < validation_share < 1:
            raise ZooError(
                f"Expected --data.validation_share above 0 and below 1, but got {validation_share}."
            )
        self.corpus, self.root, self.fold, self.protocol = corpus, root, fold, protocol
        self.validation_share, self.split_seed = validation_share, split_seed
        self.split_version: Literal[1, 2] = split_version
        self.batch_size, self.batch_tokens, self.batch_spread = batch_size, batch_tokens, batch_spread
        self.eval_batch_size, self.eval_batch_tokens = eval_batch_size, eval_batch_tokens
        self.num_workers, self.on_error = num_workers, on_error
        self.predict_split: Split = predict_split
        self.lexicon: Lexicon = lexicon
        self.truncation: Truncation = truncation
        self.passes: EmotionFilter | None = None
        self.view: GoldView | None = None
        self.watch_test = False  # set by the scorer: validation then reads the test documents too
        self.tests = True  # set by a fit: its test documents are scored at the end
        self.loaded: LoadedCorpus | None = None
        self.parts: Partition | None = None
        self.checked: Task | None = None  # the task whose gold was checked
        self.replaced: Sequence[Document] | None = None
        self.asked: Sequence[Document] | None = None  # documents that predict reads instead of a part

    def setup(self, stage: str) -> None:
        """Read and split the corpus, once.

        Raises:
            ZooError: The corpus lacks the annotation that the method needs, or a part is empty.
        """
        if self.trainer is not None:
            self.check_task(self._method())
        if self.parts is None:
            self.loaded = load_corpus(self.corpus, self.root, self.fold, self.on_error)
            self.parts = partition(
                self.loaded, self.protocol, self.validation_share, self.split_seed, self.split_version
            )
            self.passes = emotion_filter(self.lexicon, self.corpus, self.root, self.parts.train)
            skipped = {name: n for name, n in self.loaded.counts.items() if n and "skipped" in name}
            if skipped:
                rank_zero_warn(f"Malformed documents were left out of {self.corpus!r}: {skipped}")
            for what, ids in (
                ("exact twins", self.parts.twins_left_out),
                ("near-duplicates", self.parts.near_left_out),
            ):
                if ids:
                    rank_zero_info(
                        f"Left out of training, as {what} of documents in other parts: {first_few(ids)} "
                        "(the record lists all of them)"
                    )
        self._check_parts(stage)
        if self.trainer is not None and self.checked != self._method().task:
            self.checked = self._method().task
            self._check_gold(self.checked)

    def _check_parts(self, stage: str) -> None:
        """Check that the parts that a stage reads are there, and that the test documents have gold if they are scored.

        Raises:
            ZooError: an empty part, or test documents without gold.
        """
        if stage == "predict":
            read: list[Split] = [] if self.asked is not None else [self.predict_split]
        else:
            scored = stage == "test" or (stage == "fit" and (self.tests or self.watch_test))
            read = ["train", "validation", *(["test"] if scored else [])]  # type: ignore[list-item]
        for split in read:
            way = (
                " Name files for it in the description, or train with --test false."
                if split == "test"
                else ""
            )
            if not self.documents(split):
                raise ZooError(
                    f"Expected documents in the {split} part of {self.corpus!r} (fold {self.fold}), but it is empty."
                    f"{way if find_corpus(self.corpus).own else ''}"
                )
        if "test" in read and stage != "predict" and find_corpus(self.corpus).unlabelled_test:
            raise ZooError(
                f"Expected test documents with gold, but those of {self.corpus!r} have none. Train with --test false, "
                "then write their scores with ecpe-zoo predict."
            )

    def _check_gold(self, task: Task) -> None:
        """Warn about texts that are not used, and refuse gold that the task cannot use.

        Raises:
            ZooError: Texts have several labels, but the method learns and is scored on one.
        """
        bare_test = find_corpus(self.corpus).unlabelled_test
        for split in SPLITS[:2] if bare_test else SPLITS:
            judged = [
                (document.id, segment)
                for document in self.documents(split)
                for segment in document.segments
                if segment.judged
            ]
            if task.single and (several := [id for id, segment in judged if len(segment.emotions) > 1]):
                raise ZooError(
                    f"Expected one label for each text of {self.corpus!r}, since the method predicts one emotion, but "
                    f"{len(several)} texts of its {split} part have several (documents "
                    f"{first_few(list(dict.fromkeys(several)))}). Choose a multi-label method: eqn or emo_pillars."
                )
            bare = sum(not segment.has_gold for _, segment in judged)
            if task.labelled and bare:
                rank_zero_warn(
                    f"{bare} of {len(judged)} texts in the {split} part of {self.corpus!r} have no label: they are "
                    "read as context and neither learned nor scored."
                )

    def check_task(self, method: Batcher) -> None:
        """Check that the corpus is annotated for a method, and that the options are for its task; reads no file.

        Raises:
            ZooError: It is not, or they are not.
        """
        for option, usual in (("lexicon", "none"), ("truncation", "lengths")):
            if (given := getattr(self, option)) != usual and method.task.labelled:
                raise ZooError(
                    f"Expected --data.{option} {given} with a method for emotion-cause pairs, but the method's task is "
                    f"{method.task.id!r}. Leave the option out."
                )
        corpus = find_corpus(self.corpus)
        if not method.annotations & set(corpus.tasks):
            fitting = [other.id for other in CORPORA.values() if method.annotations & set(other.tasks)]
            raise ZooError(
                f"Expected a corpus for the method's task {method.task.id!r} ({', '.join(fitting)}), but "
                f"{self.corpus!r} is annotated for {', '.join(corpus.tasks)}."
            )

    def documents(self, split: Split) -> Sequence[Document]:
        """The documents of a part, gold included, in the order of the corpus."""
        assert self.parts is not None, "setup() comes first"
        documents: Sequence[Document] = getattr(self.parts, split)
        return documents

    @property
    def lexicon_files(self) -> dict[str, str]:
        """Names and SHA-256 of the files that the lexicon is read from."""
        return lexicon_files(self.lexicon, self.corpus, self.root)

    def as_scored(self, predictions: Iterable[Prediction], split: Split) -> list[Prediction]:
        """Predictions of a part as scored and tuned: for entire documents, after the lexicon filter."""
        found = [self.view.restored(p) for p in predictions] if self.view is not None else list(predictions)
        if self.passes is None:
            return found
        documents = {document.id: document for document in self.documents(split)}
        return [filtered(p, self.passes(documents[p.id])) if p.id in documents else p for p in found]

    @property
    def train_documents(self) -> Sequence[Document]:
        """The documents that a method may build its vocabulary from, with the labels of the corpus."""
        return self.documents("train")

    @property
    def learned_documents(self) -> Sequence[Document]:
        """The documents that the next `fit` trains on: the training part, or its replacement."""
        return self.replaced or self.documents("train")

    def replace_training(self, documents: Sequence[Document] | None) -> None:
        """Train on other (relabelled) documents from the next `fit` on; None restores those of the corpus."""
        self.replaced = documents

    def _method(self) -> Batcher:
        assert self.trainer is not None
        method = self.trainer.lightning_module
        if not isinstance(method, Batcher):
            raise ZooError(
                f"Expected the trainer to run a method of the zoo, but got {type(method).__name__}."
            )
        return method

    def _loader(self, split: Split, training: bool) -> DataLoader[Document]:
        assert self.trainer is not None
        trainer, method = self.trainer, self._method()
        if training:
            documents = list(method.training_units(self._in_view(split, self.learned_documents, method)))
        elif split == self.predict_split and self.asked is not None:
            documents = [document.without_gold() for document in self.asked]
        else:  # guaranteed by construction: outside of training, no batch is built from gold
            given = self._in_view(split, self.documents(split), method)
            documents = [document.without_gold() for document in given]
        costs = [method.tokens(document) for document in documents]
        lengths = costs if method.sort_by == "tokens" else [len(document) for document in documents]
        size, most = self.eval_batch_size, self.eval_batch_tokens
        if training or (size is None and most is None):
            size, most = self.batch_size, self.batch_tokens
        sampler = LikeLengthBatchSampler(
            lengths,
            costs,
            batch_size=size,
            batch_tokens=most,
            shuffle=training,
            spread=self.batch_spread,
            seed=int(os.environ.get("PL_GLOBAL_SEED", "0")),
            # Lightning sets epochs only on samplers it knows, and ours is a batch sampler; `current_epoch` is one too
            # low when the first iterator after a resume is created
            epoch=lambda: int(trainer.fit_loop.epoch_progress.current.processed),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return DataLoader(
            documents,  # type: ignore[arg-type]
            batch_sampler=sampler,
            collate_fn=method.collator(training),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def _in_view(self, split: Split, documents: Sequence[Document], method: Batcher) -> Sequence[Document]:
        """The documents, or under `truncation: gold` their parts that published code would read."""
        if self.truncation == "lengths":
            return documents
        if self.view is None:
            self.view = GoldView(method.collator(training=False))
        seen = [self.view(document) for document in documents]
        count = sum(len(part) < len(document) for part, document in zip(seen, documents, strict=True))
        rank_zero_info(
            f"Truncation uses gold labels: {count} of {len(documents)} {split} documents are truncated so that "
            "their first gold pair stays."
        )
        return seen

    def train_dataloader(self) -> DataLoader[Document]:
        """Training batches, with gold."""
        return self._loader("train", training=True)

    def val_dataloader(self) -> list[DataLoader[Document]]:
        """Validation batches; the test documents after them if the scorer watches them."""
        splits: list[Split] = ["validation", "test"] if self.watch_test else ["validation"]
        return [self._loader(split, training=False) for split in splits]

    def test_dataloader(self) -> DataLoader[Document]:
        """Test batches."""
        return self._loader("test", training=False)

    def predict_dataloader(self) -> DataLoader[Document]:
        """Batches of the part named by `predict_split`."""
        return self._loader(self.predict_split, training=False)
