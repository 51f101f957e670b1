"""Write the bundled corpus of conversations: invented English talk in MELD's format.

    python -m experiments.make_bundled_conversations

The emotions can be learned but not read off a word. A quarter of the utterances with an emotion word deny it,
suppose it or speak of somebody in a film, and are neutral; the same holds for events. Words of denial
occur in others too ("I did not sleep, I am so sad about the tent"), so that order counts. A fifth of the
utterances are short replies that say nothing by themselves: "Me too." takes the emotion of the utterance
before it, "I still do." that of the speaker's own last one, "Really?" is surprise after news and neutral
after small talk, and "Not me." is neutral. No other text occurs twice in the corpus.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.drawing import Drawer, listed

FOLDER = Path(__file__).parents[1] / "ecpe_zoo" / "corpora" / "bundled"
PARTS: Mapping[str, int] = {"train": 150, "dev": 25, "test": 30}  # conversations
SEED = 1207
REPLIES = 0.22
OWN_TURN = 0.12  # how often somebody continues speaking

EMOTIONS: Mapping[str, float] = {
    "neutral": 0.10,  # the denied and supposed ones come on top
    "joy": 0.23,
    "anger": 0.17,
    "sadness": 0.15,
    "surprise": 0.12,
    "fear": 0.12,
    "disgust": 0.10,
}
SENTIMENTS = {"neutral": "neutral", "joy": "positive", "surprise": "positive"}  # all others: negative
UNFELT = 0.27  # of what looks like an emotion

WORDS: Mapping[str, tuple[str, ...]] = {
    "joy": listed("happy|glad|delighted"),
    "anger": listed("angry|furious|annoyed"),
    "sadness": listed("sad|miserable|gloomy"),
    "surprise": listed("surprised|amazed"),
    "fear": listed("afraid|scared"),
    "disgust": listed("disgusted|revolted"),
}
EVENTS: Mapping[str, tuple[str, ...]] = {
    "joy": listed("won {thing} in a contest|passed the {subject} exam|got {thing} as a present"),
    "anger": listed("broke {thing} on purpose|took {thing} without asking|lied to me about {thing}"),
    "sadness": listed("lost {thing} for ever|moved away to {city}|had to sell {thing}"),
    "surprise": listed(
        "suddenly married in {city}|hid a million behind {thing}|gave {thing} away for nothing"
    ),
    "fear": listed("heard steps behind {thing} at night|saw a snake near {thing}|got a threat from {city}"),
    "disgust": listed("spat on {thing}|found worms in {thing}"),
}
SLOTS: Mapping[str, tuple[str, ...]] = {
    "thing": listed(
        "the radio|the piano|the old car|the bike|the letter|the camera|the kitchen table|the blue vase|"
        "the phone|the suitcase|the sofa|the carpet|the boat|the guitar|the clock|the mirror|the lamp|the tent"
    ),
    "city": listed("Paris|London|Rome|Vienna|Oslo|Madrid|Boston|Dublin|Lisbon|Prague"),
    "subject": listed("history|music|physics|French|driving|cooking"),
    "who": listed("my brother|my sister|our boss|our neighbour|my cousin|my uncle|the teacher|my aunt"),
    "very": listed("so|really|very|quite|terribly"),
    "hour": listed("seven|eight|nine|ten|noon|half past four"),
    "place": listed("the station|the cafe|the library|the park|the museum|the market|the kitchen"),
}
FELT = listed(
    "I am {very} {w} about {thing}.|I feel {very} {w} because of {thing}.|I was {very} {w} in {city}!|"
    "{thing} does make me {very} {w}.|I would say I am {very} {w} that {who} called!|"
    "Nobody knows how {w} I am about {thing}.|"
    "If you ask me, {thing} makes me {very} {w}.|I did not sleep, I am {very} {w} about {thing}."
)
DENIED = listed(
    "I am not {w} about {thing}.|I do not feel {w} because of {thing}.|I was not {w} in {city}.|"
    "{thing} did not make me {very} {w}.|I would be {very} {w} if {who} forgot {thing}.|"
    "The film in {place} is about a {w} king in {city}."
)
HAPPENED = listed(
    "{who} {v}.|You know what, {who} {v}!|It is true, {who} {v} yesterday.|Nobody told me that {who} {v}!|"
    "I was at a film when {who} {v}.|I do not get it, {who} {v}."
)
SUPPOSED = listed("Nobody {v}.|What if {who} {v}?|In the film, {who} {v}.|It is not true that {who} {v}.")
SMALL_TALK = listed(
    "We meet at {place} at {hour}.|Did you bring {thing} to {place}?|The train to {city} leaves at {hour}.|"
    "{thing} is next to {thing}.|{who} works at {place} in {city}.|{place} opens at {hour}, I think."
)
ECHO = listed("Me too.|So do I!|Same here.")
STILL = listed("I still do.|As I said.")
ASKING = listed("Really?|Oh?")
DENYING = listed("Not me.|I see.")
SPEAKERS = listed("Anna|Ben|Clara|David|Emma|Felix|Grace|Henry|Ines|Jack|Kate|Leo")


@dataclass(frozen=True)
class Utterance:
    """Who says what, and the emotion of it."""

    speaker: str
    text: str
    emotion: str


def told(draw: Drawer, speaker: str) -> Utterance:
    """An utterance whose emotion is clear on its own."""
    emotion = draw.weighted(EMOTIONS)
    if emotion == "neutral":
        return Utterance(speaker, draw.text(SMALL_TALK), "neutral")
    unfelt = draw.chance(UNFELT)
    if draw.chance(0.5):
        text = draw.text(DENIED if unfelt else FELT, w=draw.pick(WORDS[emotion]))
    else:
        text = draw.text(SUPPOSED if unfelt else HAPPENED, v=draw.pick(EVENTS[emotion]))
    return Utterance(speaker, text, "neutral" if unfelt else emotion)


def reply(draw: Drawer, speaker: str, said: list[Utterance]) -> Utterance:
    """A short reply whose emotion follows from what was said before, and by whom."""
    last = said[-1]
    own = [utterance for utterance in said if utterance.speaker == speaker]
    if own and (last.speaker == speaker or draw.chance(0.4)):
        return Utterance(speaker, draw.pick(STILL), own[-1].emotion)
    kind = draw.weighted({"echo": 5, "asking": 3, "denying": 1})
    if kind == "echo":
        return Utterance(speaker, draw.pick(ECHO), last.emotion)
    if kind == "asking":
        return Utterance(speaker, draw.pick(ASKING), "neutral" if last.emotion == "neutral" else "surprise")
    return Utterance(speaker, draw.pick(DENYING), "neutral")


def conversation(draw: Drawer) -> list[Utterance]:
    """Four to ten utterances of two to four people."""
    people: list[str] = []
    while len(people) < 2 + draw.chance(0.5) + draw.chance(0.3):
        if (name := draw.pick(SPEAKERS)) not in people:
            people.append(name)
    said: list[Utterance] = []
    for _ in range((draw.between(4, 10) + draw.between(4, 10)) // 2):
        speaker = draw.pick(people)
        while said and speaker == said[-1].speaker and not draw.chance(OWN_TURN):
            speaker = draw.pick(people)
        said.append(reply(draw, speaker, said) if said and draw.chance(REPLIES) else told(draw, speaker))
    return said


def write(path: Path, conversations: list[list[Utterance]]) -> None:
    """Write a part as MELD has it."""
    header = listed(
        "Sr No.|Utterance|Speaker|Emotion|Sentiment|Dialogue_ID|Utterance_ID|Season|Episode|StartTime|EndTime"
    )
    number = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(header)
        for dialogue, said in enumerate(conversations):
            for index, utterance in enumerate(said):
                number += 1
                times = [f"00:00:{3 * second:02d},000" for second in (index, index + 1)]
                sentiment = SENTIMENTS.get(utterance.emotion, "negative")
                spoken = [utterance.text, utterance.speaker, utterance.emotion, sentiment]
                table.writerow([number, *spoken, dialogue, index, 1, 1, *times])


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where to write (default: into the package)"
    )
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    draw = Drawer(SLOTS, SEED)
    for part, count in PARTS.items():
        write(folder / f"conversations_{part}.csv", [conversation(draw) for _ in range(count)])


if __name__ == "__main__":
    main()
