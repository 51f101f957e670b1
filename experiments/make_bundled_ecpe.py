"""Write the bundled corpus: invented Chinese and English documents in the format of xia-ding-2019.

    python -m experiments.make_bundled_ecpe

The texts are made so that they can be learned but not guessed. An emotion word proves nothing by itself: half
of its clauses deny it, suppose it, or speak of a film or an advert. A cause is an event that happened; the
same event also occurs in clauses where it did not happen (`luckily nobody lost ...`). Causes occur before, in
and after the emotion clause, so that "the previous clause" is mostly wrong, and where two people feel
something, the kind of event shows which belongs to which. No clause of five characters or more occurs twice in
the corpus, so that no document is a near-duplicate of another and every test clause is a new combination.

The same files come out of every Python version: only `Random.random` is used, whose sequence is promised.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.bundled_words import CHINESE, ENGLISH, Words

FOLDER = Path(__file__).parents[1] / "ecpe_zoo" / "corpora" / "bundled"
TRAIN, TEST = 220, 30  # documents of each language
SEED = 1207
FEWEST, MOST = 4, 8  # clauses in a document
LONG = 5  # length in characters from which a clause may occur only once in the corpus

# The clauses of one episode and how often it is drawn. C: cause, c: cause given afterwards, E: emotion,
# e: somebody else's emotion from the same cause, B: both in one clause, x: a clause in between.
EPISODES: Mapping[str, int] = {
    "CE": 30,
    "CxE": 13,
    "CxxE": 3,
    "B": 22,
    "Ec": 16,
    "Exc": 4,
    "CCE": 7,
    "CEe": 5,
}
TWO_EPISODES, CROSSED = 0.12, 0.01


@dataclass(frozen=True)
class Episode:
    """Somebody, and what that person feels."""

    number: int
    person: str
    emotion: str


@dataclass(frozen=True)
class Clause:
    """A clause and its gold annotation.

    Args:
        text: Words separated by spaces.
        episode: Number of its episode; None for a filler clause.
        emotion: Category, for an emotion clause.
        keyword: Emotion word, for an emotion clause.
        cause: Whether it holds the cause.
    """

    text: str
    episode: int | None = None
    emotion: str = "null"
    keyword: str = "null"
    cause: bool = False


class Maker:
    """Draws the documents of one language.

    Args:
        words: Templates and the words that fill them.
        seed: Seed of everything that is drawn.
    """

    def __init__(self, words: Words, seed: int) -> None:
        self.words = words
        self.random = random.Random(seed)
        self.used: set[str] = set()

    def pick(self, options: Sequence[str]) -> str:
        """One of the options, all equally likely."""
        return options[int(self.random.random() * len(options))]

    def chance(self, share: float) -> bool:
        """True this often."""
        return self.random.random() < share

    def filled(self, templates: Sequence[str], **bound: str) -> str:
        """A filled template that occurs nowhere else in the corpus, unless it is very short."""
        while True:
            text = self.pick(templates)
            drawn = dict(bound)
            while slot := re.search(r"\{(\w+)\}", text):
                name = slot[1]
                if name not in drawn and name in ("s", "o"):  # one person of a kind in a clause
                    drawn[name] = self.pick(self.words.people if name == "s" else self.words.others)
                word = drawn.get(name) or self.pick(self.words.slots[name])
                text = text[: slot.start()] + word + text[slot.end() :]
            characters = "".join(text.split())
            if len(characters) < LONG:
                return text
            if characters not in self.used:
                self.used.add(characters)
                return text

    def event(self, emotion: str) -> dict[str, str]:
        """An event in both of its forms, its slots filled."""
        event = self.pick(self.words.events[emotion])
        event = re.sub(r"\{(\w+)\}", lambda slot: self.pick(self.words.slots[slot[1]]), event)
        return {"v": event, "u": event.replace(" 了", "", 1)}

    def empty_clause(self, person: str) -> Clause:
        """A clause without an emotion or a cause; half of them look like one."""
        emotion = self.pick(tuple(self.words.emotions))
        word = self.pick(self.words.emotions[emotion])
        if self.chance(0.2):
            return Clause(self.filled(self.words.unfelt, w=word))
        if self.chance(0.2):
            return Clause(self.filled(self.words.unreal, **self.event(emotion)))
        return Clause(self.filled(self.words.filler, s=person))

    def clause(self, kind: str, episode: Episode) -> Clause:
        """A clause of an episode; the kinds are those of `EPISODES`."""
        words, number, emotion = self.words, episode.number, episode.emotion
        if kind == "x":
            return self.empty_clause(episode.person)
        keyword = self.pick(words.emotions[emotion])
        person = self.pick(words.others) if kind == "e" else episode.person
        templates = {"C": words.cause, "c": words.reason, "B": words.both}.get(kind, words.emotion)
        text = self.filled(templates, s=person, w=keyword, **self.event(emotion))
        if kind in "Cc":
            return Clause(text, number, cause=True)
        return Clause(text, number, emotion, keyword, cause=kind == "B")

    def document(self) -> list[Clause]:
        """The clauses of one document."""
        kinds = [kind for kind, weight in EPISODES.items() for _ in range(weight)]
        count = 2 if self.chance(TWO_EPISODES) else 1
        episodes: list[Episode] = []
        while len(episodes) < count:
            person, emotion = self.pick(self.words.people), self.pick(tuple(self.words.emotions))
            # two people with two feelings: the kind of event shows which belongs to which
            if all(person != other.person and emotion != other.emotion for other in episodes):
                episodes.append(Episode(len(episodes), person, emotion))
        if count == 2 and self.chance(CROSSED / TWO_EPISODES):
            told = [[self.clause(kind, episode) for kind in "CE" for episode in episodes]]
        else:
            told = [[self.clause(kind, episode) for kind in self.pick(kinds)] for episode in episodes]
        length = FEWEST + int(self.random.random() * (MOST - FEWEST + 1))
        gaps: list[list[Clause]] = [[] for _ in range(len(told) + 1)]
        for _ in range(max(length - sum(map(len, told)), 1)):
            gaps[int(self.random.random() * len(gaps))].append(self.empty_clause(episodes[0].person))
        clauses = list(gaps[0])
        for part, gap in zip(told, gaps[1:], strict=True):
            clauses += part + gap
        return clauses


def written(number: int, clauses: Sequence[Clause]) -> str:
    """A document in the format of xia-ding-2019."""
    pairs = [
        f"({emotion},{cause})"
        for emotion, feeling in enumerate(clauses, start=1)
        for cause, telling in enumerate(clauses, start=1)
        if feeling.emotion != "null" and telling.cause and feeling.episode == telling.episode
    ]
    rows = [
        f"{index},{clause.emotion},{clause.keyword},{clause.text}"
        for index, clause in enumerate(clauses, start=1)
    ]
    return "\n".join([f"{number} {len(clauses)}", " " + ", ".join(pairs), *rows]) + "\n"


def main() -> None:
    """Write the four files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where to write (default: into the package)"
    )
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for language, words, first in (("zh", CHINESE, 1), ("en", ENGLISH, 1001)):
        maker = Maker(words, SEED + first)
        for part, count in (("train", TRAIN), ("test", TEST)):
            text = "".join(written(number, maker.document()) for number in range(first, first + count))
            (folder / f"{language}_{part}.txt").write_text(text, encoding="utf-8", newline="\n")
            first += count


if __name__ == "__main__":
    main()
