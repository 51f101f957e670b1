"""Write the bundled corpus of comments: invented English texts in GoEmotions' format.

    python -m experiments.make_bundled_emotions

A comment has one or two emotions, some of them denied ("not angry, only a bit sad"), supposed or of
somebody in a film, so that an emotion word alone decides nothing; a comment with none of its own is neutral.
Strengths are said in words (`slightly`, `rather`, `terribly`), with which a method of intensities can be
tried. No text occurs twice in the corpus.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ecpe_zoo.corpora.bundled import LABELS
from experiments.drawing import Drawer, listed

FOLDER = Path(__file__).parents[1] / "ecpe_zoo" / "corpora" / "bundled"
PARTS: Mapping[str, int] = {"train": 900, "dev": 120, "test": 150}  # comments
SEED = 1207

KINDS: Mapping[str, float] = {"felt": 40, "event": 16, "two": 22, "denied": 12, "small": 8, "contrast": 8}
EMOTIONS: Mapping[str, float] = {
    "joy": 24,
    "anger": 18,
    "sadness": 16,
    "gratitude": 14,
    "surprise": 12,
    "fear": 10,
    "disgust": 8,
}
WORDS: Mapping[str, tuple[str, ...]] = {
    "anger": listed("angry|furious|annoyed|mad"),
    "disgust": listed("disgusted|revolted|sickened"),
    "fear": listed("afraid|scared|worried"),
    "gratitude": listed("grateful|thankful|obliged"),
    "joy": listed("happy|glad|delighted|cheerful"),
    "sadness": listed("sad|miserable|gloomy|heartbroken"),
    "surprise": listed("surprised|amazed|astonished"),
}
EVENTS: Mapping[str, tuple[str, ...]] = {
    "anger": listed("broke {thing} on purpose|took {thing} without asking|lied about {thing}"),
    "disgust": listed("spat on {thing}|found worms in {thing}"),
    "fear": listed("heard steps behind {thing} at night|saw a snake near {thing}"),
    "gratitude": listed("repaired {thing} for me, thank you|carried {thing} upstairs for me, bless you"),
    "joy": listed("won {thing} in a contest|got {thing} as a present"),
    "sadness": listed("lost {thing} for ever|had to sell {thing}"),
    "surprise": listed("gave {thing} away for nothing|hid a million behind {thing}"),
}
SLOTS: Mapping[str, tuple[str, ...]] = {
    "thing": listed(
        "the radio|the piano|the old car|the bike|the letter|the camera|the kitchen table|the blue vase|"
        "the phone|the suitcase|the sofa|the carpet|the boat|the guitar|the clock|the mirror|the lamp|the tent"
    ),
    "who": listed("my brother|my sister|our boss|our neighbour|my cousin|my uncle|the teacher|my aunt"),
    "much": listed("slightly|a bit|somewhat|rather|quite|very|really|terribly|extremely|utterly"),
    "city": listed("Paris|London|Rome|Vienna|Oslo|Madrid|Boston|Dublin|Lisbon|Prague"),
    "place": listed("the station|the cafe|the library|the park|the museum|the market"),
    "hour": listed("seven|eight|nine|ten|noon|half past four"),
}
FELT = listed(
    "I am {much} {w} about {thing}.|{thing} made me {much} {w}|I was {much} {w} when {who} called|"
    "honestly I feel {much} {w} because of {thing}|{much} {w} that {who} moved to {city}!"
)
TWO = listed(
    "I am {much} {w} and {much} {x} about {thing}|first I was {much} {w}, then {much} {x} in {city}|"
    "{who} {v} and I feel {much} {x}|{thing} left me {much} {w} but also {much} {x}."
)
CONTRAST = listed(
    "I am not {x} about {thing}, only {much} {w}|{who} thought I was {x}, but I am {much} {w} about {thing}|"
    "{thing} did not make me {x}, it made me {much} {w}"
)
DENIED = listed(
    "I am not {w} about {thing}|nobody was {w} when {who} called|"
    "I would be {w} if {who} sold {thing}|the film is about a {w} king in {city} and {thing}|nobody {v}|"
    "in the film, {who} {v}"
)
HAPPENED = listed("{who} {v}|yesterday {who} {v}!|so {who} just {v}")
SMALL_TALK = listed(
    "the train to {city} leaves at {hour}|{place} in {city} opens at {hour}|{who} works at {place} in {city}|"
    "{thing} is next to {thing}"
)


@dataclass(frozen=True)
class Comment:
    """A text and its labels."""

    text: str
    labels: tuple[str, ...]


def comment(draw: Drawer) -> Comment:
    """One comment."""
    kind = draw.weighted(KINDS)
    one = other = draw.weighted(EMOTIONS)
    while other == one:
        other = draw.weighted(EMOTIONS)
    bound = {"w": draw.pick(WORDS[one]), "x": draw.pick(WORDS[other]), "v": draw.pick(EVENTS[one])}
    if kind == "felt":
        return Comment(draw.text(FELT, **bound), (one,))
    if kind == "event":
        return Comment(draw.text(HAPPENED, **bound), (one,))
    if kind == "two":
        return Comment(draw.text(TWO, **bound), (one, other))
    if kind == "contrast":
        return Comment(draw.text(CONTRAST, **bound), (one,))
    return Comment(draw.text(DENIED if kind == "denied" else SMALL_TALK, **bound), ("neutral",))


def main() -> None:
    """Write the three parts and their labels."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where to write (default: into the package)"
    )
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    labels = "".join(f"{label}\n" for label in LABELS)
    (folder / "emotions_labels.txt").write_text(labels, encoding="utf-8", newline="\n")
    draw = Drawer(SLOTS, SEED)
    number = 0
    for part, count in PARTS.items():
        rows = []
        for made in (comment(draw) for _ in range(count)):
            number += 1
            numbers = ",".join(map(str, sorted(LABELS.index(label) for label in made.labels)))
            rows.append(f"{made.text}\t{numbers}\tmade{number:05d}\n")
        (folder / f"emotions_{part}.tsv").write_text("".join(rows), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
