"""The files of a run: three subsets in three parts each, what was dropped, overlaps, and descriptions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from ecpe_zoo.corpora.corpus import SPLITS, Split
from ecpe_zoo.files import replaced_when_complete
from ecpe_zoo.synthesis.duplicates import FEWEST_WORDS, OVERLAP_WORDS, NearDuplicates, Overlap
from ecpe_zoo.synthesis.items import SUBSETS, About, Aside, Item, Outcome, Settings, Subset
from ecpe_zoo.synthesis.taxonomy import EMOTIONS

REJECTED, OVERLAPS, SUMMARY, JOURNAL = "rejected.jsonl", "overlaps.jsonl", "summary.json", "journal.sqlite"
_CHINESE = re.compile("[\u3400-\u9fff]")
DESCRIPTIONS: dict[str, tuple[tuple[Subset, ...], str]] = {
    "orig": (("orig",), "utterances to be judged by themselves"),
    "corig": (("corig",), "utterances to be judged in their context"),
    "crewr": (("crewr",), "utterances rewritten so that the emotion needs the context"),
    "corig-crewr": (("corig", "crewr"), "utterances to be judged in their context, as written and rewritten"),
}


def split_narratives(keys: Collection[int], validation_share: float, test_share: float) -> dict[int, Split]:
    """A part for each narrative.

    The keys are hashes: taking the lowest is as good as drawing, and the same narratives are always split alike.
    From three narratives on each part that has a share gets at least one.

    >>> sorted(split_narratives(range(10), 0.1, 0.2).values())
    ['test', 'test', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'validation']
    """
    ordered = sorted(keys)
    least = 1 if len(ordered) >= len(SPLITS) else 0
    test = max(round(test_share * len(ordered)), least) if test_share else 0
    validation = max(round(validation_share * len(ordered)), least) if validation_share else 0
    parts: dict[int, Split] = {}
    for place, key in enumerate(ordered):
        parts[key] = "test" if place < test else "validation" if place < test + validation else "train"
    return parts


@dataclass(frozen=True, slots=True)
class TestSet:
    """A test set that the texts are compared with.

    Args:
        name: Name of its corpus.
        texts: Texts of its test part.
        drop: Whether texts that share a word sequence with it are dropped, not only counted.
    """

    __test__ = False  # no test class for pytest

    name: str
    texts: Sequence[str]
    drop: bool = False


@dataclass(slots=True)
class Files:
    """Open files of a pass."""

    subsets: dict[tuple[Subset, Split], TextIO]
    rejected: TextIO
    overlaps: TextIO | None


@contextmanager
def opened(folder: Path, overlaps: bool) -> Iterator[Files]:
    """Files that take their names when the pass is complete."""
    with ExitStack() as stack:

        def new(name: str) -> TextIO:
            part = stack.enter_context(replaced_when_complete(folder / name))
            return stack.enter_context(part.open("w", encoding="utf-8", errors="backslashreplace"))

        subsets = {(subset, split): new(f"{subset}-{split}.jsonl") for subset in SUBSETS for split in SPLITS}
        yield Files(subsets, new(REJECTED), new(OVERLAPS) if overlaps else None)


class Collector(Outcome):
    """Writes what the steps find to files, and counts it.

    Args:
        files: Open files.
        settings: Settings of the run.
        test_set: Test set that the texts are compared with.
    """

    def __init__(self, files: Files, settings: Settings, test_set: TestSet | None = None) -> None:
        self.files, self.test_set = files, test_set
        self.overlap = None if test_set is None else Overlap(test_set.texts)
        self.split: Split = "train"
        """Part of the narrative that is being written."""
        self.near = {subset: NearDuplicates(settings.near_duplicate) for subset in SUBSETS}
        self.accepted: Counter[tuple[Subset, Split]] = Counter()
        self.chinese = 0
        self.agreed: Counter[Subset] = Counter()
        self.strongest: dict[Subset, Counter[str]] = {subset: Counter() for subset in SUBSETS}
        self.overlapping: Counter[tuple[Subset, str]] = Counter()
        self.aside: Counter[str] = Counter()
        self.mapped: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()

    def accept(self, item: Item) -> None:
        """Keep an item, unless it is nearly the same as an earlier one of its subset, in whatever part."""
        read = f"{item.context} {item.text}"  # what a classifier of this subset reads
        if (twin := self.near[item.subset].add(item.id, read)) is not None:
            self._lose(item, "near-duplicate", f"similarity {twin[1]:.2f} with {twin[0]}")
            return
        if self._overlaps(item) and self.test_set is not None and self.test_set.drop:
            self._lose(item, "overlaps the test set", f"{OVERLAPS} says with how many of its texts")
            return
        _write(self.files.subsets[item.subset, self.split], item.as_row())
        self.accepted[item.subset, self.split] += 1
        self.chinese += _CHINESE.search(item.text) is not None
        strongest = max(item.labels, key=lambda label: item.labels[label])
        self.strongest[item.subset][strongest] += 1
        self.agreed[item.subset] += strongest == item.asked

    def put_aside(self, aside: Aside) -> None:
        """Write down what was not kept, and count the reason."""
        self.aside[f"{aside.subset or aside.stage}/{aside.reason}"] += 1
        _write(self.files.rejected, asdict(aside))

    def count_names(self, mapped: list[str], dropped: list[str]) -> None:
        """Count label names outside the taxonomy."""
        self.mapped.update(mapped)
        self.dropped.update(dropped)

    def count_mended(self, stage: str, kinds: Collection[str]) -> None:
        """Count the faults that were mended in an answer."""
        self.mended.update(f"{stage}/{kind}" for kind in kinds)

    def _lose(self, item: Item, reason: str, detail: str) -> None:
        about = About(item.place, item.asked, item.subset)
        self.put_aside(Aside.of(reason, detail, about, item.trace, item.text))

    def _overlaps(self, item: Item) -> bool:
        if self.overlap is None or self.files.overlaps is None:
            return False
        found = {"text": self.overlap.shared(item.text), "context": self.overlap.shared(item.context)}
        for where, count in found.items():
            self.overlapping[item.subset, where] += count > 0
        if not any(found.values()):
            return False
        row = {"subset": item.subset, "split": self.split, "id": item.id, "test_texts": found}
        _write(self.files.overlaps, row)
        return True

    def as_dict(self) -> dict[str, Any]:
        """All counts."""
        return {
            "subsets": {subset: self._subset(subset) for subset in SUBSETS},
            "aside": dict(sorted(self.aside.items())),
            "mended": dict(sorted(self.mended.items())),
            "labels": {
                "mapped": dict(self.mapped.most_common(100)),
                "dropped": dict(self.dropped.most_common(100)),
                "dropped_in_all": self.dropped.total(),
            },
            "overlap": self._overlap(),
        }

    def _subset(self, subset: Subset) -> dict[str, Any]:
        counts: dict[str, int] = {split: self.accepted[subset, split] for split in SPLITS}
        total = sum(counts.values())
        strongest = {name: count for name in EMOTIONS if (count := self.strongest[subset][name])}
        agreed = round(self.agreed[subset] / total, 4) if total else None
        return {"accepted": total, **counts, "asked_emotion_is_strongest": agreed, "strongest": strongest}

    def _overlap(self) -> dict[str, Any] | None:
        if self.overlap is None or self.test_set is None:
            return None
        found: dict[str, dict[str, int]] = {}
        for (subset, where), count in sorted(self.overlapping.items()):
            found.setdefault(subset, {})[where] = count
        return {
            "corpus": self.test_set.name,
            "test_texts": self.overlap.texts,
            "words": OVERLAP_WORDS,
            "fewest_words": FEWEST_WORDS,
            "test_texts_found": self.overlap.touched,
            "subsets": found,
            "dropped": self.test_set.drop,
        }


def _write(file: TextIO, row: Mapping[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def describe(folder: Path, collector: Collector, model: str) -> None:
    """Write `<subset>.yaml`, by which `load_corpus` reads the subset, and `corig-crewr.yaml` for these two together.

    A part without a text is left out, and so is a description of no text.
    """
    for name, (subsets, about) in DESCRIPTIONS.items():
        path = folder / f"{name}.yaml"
        if not all(any(collector.accepted[subset, split] for split in SPLITS) for subset in subsets):
            path.unlink(missing_ok=True)
            continue
        files: dict[str, list[str]] = {}
        for split in SPLITS:
            filled = [subset for subset in subsets if collector.accepted[subset, split]]
            if filled:
                files[split] = [f"{subset}-{split}.jsonl" for subset in filled]
        format: dict[str, Any] = {"text": "text", "id": "id", "columns": list(EMOTIONS), "scale": 1.0}
        if subsets != ("orig",):
            format["context"] = ["context", "character"]
        description = {
            "name": f"synthesized-{name}",
            "description": f"Synthesized by {model}: {about}",
            "tasks": ["emotions"],
            "language": "zh" if 2 * collector.chinese > collector.accepted.total() else "en",
            "licence": "see the licences of the model and of the narratives",
            "labels": list(EMOTIONS),
            "format": format,
            "files": files,
        }
        text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
        with replaced_when_complete(path) as part:
            part.write_text(text, encoding="utf-8")
