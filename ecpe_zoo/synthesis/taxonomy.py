"""The 28 labels of GoEmotions, their meanings, and other names that are read as one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ecpe_zoo.errors import unknown_choice

NEUTRAL = "neutral"

EMOTIONS: dict[str, str] = {
    "admiration": "looking up to someone or something as excellent",
    "amusement": "finding something funny",
    "anger": "strong displeasure at a wrong or an obstacle",
    "annoyance": "mild irritation",
    "approval": "agreeing with someone or holding something to be right",
    "caring": "kindness and concern for someone's well-being",
    "confusion": "not understanding, being unsure what is meant",
    "curiosity": "wanting to know more",
    "desire": "wishing strongly for something",
    "disappointment": "sadness because a hope was not met",
    "disapproval": "holding something to be wrong or bad",
    "disgust": "revulsion at something offensive or foul",
    "embarrassment": "feeling awkward or ashamed before others",
    "excitement": "eager, lively anticipation or enthusiasm",
    "fear": "feeling threatened or in danger",
    "gratitude": "thankfulness",
    "grief": "deep sorrow over a death or another great loss",
    "joy": "happiness and pleasure",
    "love": "deep affection",
    "nervousness": "unease and worry about what may come",
    "optimism": "trust that things will turn out well",
    "pride": "satisfaction with what oneself or one's own people achieved",
    "realization": "becoming aware of something, suddenly understanding",
    "relief": "ease after a worry or strain has gone",
    "remorse": "regret for what one has done",
    "sadness": "sorrow, low spirits",
    "surprise": "being struck by something unexpected",
    NEUTRAL: "no emotion in particular",
}
"""Each label with a gloss in our words, in the order of the GoEmotions label file."""

SYNONYMS: dict[str, str] = {
    "admiring": "admiration", "awe": "admiration", "respect": "admiration",
    "amused": "amusement", "humor": "amusement", "humour": "amusement",
    "angry": "anger", "fury": "anger", "outrage": "anger", "rage": "anger",
    "annoyed": "annoyance", "frustration": "annoyance", "irritation": "annoyance",
    "acceptance": "approval", "agreement": "approval",
    "compassion": "caring", "concern": "caring", "empathy": "caring", "sympathy": "caring",
    "bewilderment": "confusion", "confused": "confusion", "puzzlement": "confusion",
    "curious": "curiosity", "interest": "curiosity",
    "craving": "desire", "longing": "desire", "yearning": "desire",
    "disappointed": "disappointment",
    "criticism": "disapproval", "disagreement": "disapproval",
    "disgusted": "disgust", "revulsion": "disgust",
    "embarrassed": "embarrassment",
    "eagerness": "excitement", "enthusiasm": "excitement", "excited": "excitement",
    "afraid": "fear", "dread": "fear", "horror": "fear", "panic": "fear", "terror": "fear",
    "grateful": "gratitude", "thankfulness": "gratitude",
    "mourning": "grief",
    "delight": "joy", "happiness": "joy", "happy": "joy", "joyful": "joy",
    "adoration": "love", "affection": "love",
    "anxiety": "nervousness", "apprehension": "nervousness", "nervous": "nervousness", "worry": "nervousness",
    "hope": "optimism", "hopefulness": "optimism", "optimistic": "optimism",
    "proud": "pride",
    "insight": "realization", "realisation": "realization",
    "relieved": "relief",
    "guilt": "remorse", "regret": "remorse",
    "despair": "sadness", "melancholy": "sadness", "sad": "sadness", "sorrow": "sadness",
    "amazement": "surprise", "astonishment": "surprise", "shock": "surprise", "surprised": "surprise",
    "calm": NEUTRAL, "indifference": NEUTRAL, "none": NEUTRAL,
}  # fmt: skip
"""Names outside the taxonomy that models give, and the label each is read as. All others are dropped."""


def map_label(name: str) -> str | None:
    """The label of the taxonomy that a name is read as; None if there is none.

    >>> map_label(" Joy "), map_label("happiness"), map_label("nostalgia")
    ('joy', 'joy', None)
    """
    bare = name.strip().lower()
    return bare if bare in EMOTIONS else SYNONYMS.get(bare)


def map_scores(scores: Mapping[str, float]) -> tuple[dict[str, float], list[str], list[str]]:
    """Bring scores into the taxonomy; of two names for one label the higher score counts.

    Args:
        scores: Scores in [0, 1] by the name that the model gave.

    Returns:
        Scores above 0 by label, in the taxonomy's order; the mapped names as `name -> label`; the dropped names.

    >>> map_scores({"happiness": 0.75, "Joy": 0.5, "nostalgia": 1.0, "fear": 0.0})
    ({'joy': 0.75}, ['happiness -> joy'], ['nostalgia'])
    """
    found: dict[str, float] = {}
    mapped, dropped = [], []
    for name, score in scores.items():
        label = map_label(name)
        if label is None:
            dropped.append(name.strip().lower())
            continue
        if label != name.strip().lower():
            mapped.append(f"{name.strip().lower()} -> {label}")
        found[label] = max(score, found.get(label, 0.0))
    return {label: found[label] for label in EMOTIONS if found.get(label, 0.0) > 0}, mapped, dropped


def choose_emotions(names: Iterable[str]) -> tuple[str, ...]:
    """The named emotions in the taxonomy's order.

    Raises:
        ZooError: a name that is not in the taxonomy; the message lists the names.
    """
    listed = list(names)
    for name in listed:
        if name not in EMOTIONS:
            raise unknown_choice("an emotion", name, EMOTIONS)
    return tuple(emotion for emotion in EMOTIONS if emotion in listed)
