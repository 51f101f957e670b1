"""Contexts that give away too much: the name of the emotion, or the utterance itself."""

from __future__ import annotations

import re

from ecpe_zoo.synthesis.duplicates import FEWEST_WORDS, OVERLAP_WORDS, words

_NAMES: dict[str, tuple[str, str]] = {
    "admiration": (r"admir(?:e[sdr]?|ers?|ing|ingly|ation)", "钦佩|敬佩|仰慕"),
    "amusement": (r"amus(?:e[sd]?|ing|ingly|ements?)", "好笑|逗乐"),
    "anger": (r"anger(?:s|ed|ing)?|angr(?:y|ily|ier|iest)", "愤怒|生气|恼怒"),
    "annoyance": (r"annoy(?:s|ed|ing|ingly|ances?)?", "恼火|烦躁"),
    "approval": (r"approv(?:e[sd]?|ing|ingly|als?)", "(?<!不)(?:赞成|认可|赞同)"),
    "caring": (r"caring(?:ly)?", "关爱|关怀"),
    "confusion": (r"confus(?:e[sd]?|edly|ing|ingly|ions?)", "困惑|迷惑"),
    "curiosity": (r"curious(?:ly)?|curiosity", "好奇"),
    "desire": (r"desir(?:e[sd]?|ing|ous|able)", "渴望"),
    "disappointment": (r"disappoint(?:s|ed|edly|ing|ingly|ments?)?", "失望"),
    "disapproval": (r"disapprov(?:e[sd]?|ing|ingly|als?)", "不赞成|不认可|不赞同"),
    "disgust": (r"disgust(?:s|ed|edly|ing|ingly)?", "厌恶|恶心"),
    "embarrassment": (r"embarrass(?:es|ed|edly|ing|ingly|ments?)?", "尴尬|难为情"),
    "excitement": (r"excit(?:e[sd]?|edly|ing|ingly|ements?)", "兴奋|激动"),
    "fear": (r"fear(?:s|ed|ing|ful|fully|some)?", "恐惧|害怕"),
    "gratitude": (r"grateful(?:ly|ness)?|gratitude", "感激|感谢"),
    "grief": (r"griefs?|griev(?:e[sd]?|ing|ous|ously)", "悲痛|哀痛"),
    "joy": (r"joy(?:s|ed|ful|fully|ous|ously|fulness)?|overjoyed", "快乐|喜悦|高兴"),
    "love": (r"lov(?:e[sdr]?|ers?|ing|ingly|able)|beloved", "爱意|爱上|深爱"),
    "nervousness": (r"nervous(?:ly|ness)?", "紧张"),
    "optimism": (r"optimis(?:m|ts?|tic|tically)", "乐观"),
    "pride": (r"prid(?:e[sd]?|ing)|proud(?:ly|er|est)?", "自豪|骄傲"),
    "realization": (r"reali[sz](?:e[sd]?|ing|ations?)", "意识到|恍然大悟"),
    "relief": (r"reliefs?|reliev(?:e[sd]?|ing)", "如释重负|松了一口气|松了口气"),
    "remorse": (r"remorse(?:ful|fully)?", "懊悔|悔恨"),
    "sadness": (r"sad(?:ly|ness|den|dens|dened|dening|der|dest)?", "悲伤|难过|伤心"),
    "surprise": (r"surpris(?:e[sd]?|edly|ing|ingly)", "惊讶|吃惊|惊喜"),
    "neutral": (r"neutral(?:ly|ity)?", "中立|中性"),
}
_PATTERNS = {
    emotion: re.compile(rf"\b(?:{english})\b|{chinese}", re.IGNORECASE)
    for emotion, (english, chinese) in _NAMES.items()
}
_SENTENCE_END = re.compile(r"[.!?…。！？;；\n]+")
_QUOTATION = re.compile(
    r"\"([^\"]+)\"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|「([^」]+)」|『([^』]+)』|(?<!\w)['‘]([^\"“”]+?)['’](?!\w)"
)


def named_emotion(context: str, emotion: str, character: str = "") -> str | None:
    """The first word of a context that names an emotion, in any inflection; synonyms are no names.

    Args:
        context: The context.
        emotion: An emotion of the taxonomy.
        character: A character whose name may be such a word.

    >>> named_emotion("She had feared the dark, angrily.", "fear")
    'feared'
    >>> named_emotion("Joy came home to the happy news.", "joy", "Joy. A nurse.") is None
    True
    """
    name = character.partition(".")[0].split()
    return next((match[0] for match in _PATTERNS[emotion].finditer(context) if match[0] not in name), None)


def quoted_words(context: str, utterance: str) -> str | None:
    """The words of an utterance that its context quotes.

    These are a sentence of at least `FEWEST_WORDS` words, `OVERLAP_WORDS` words in a row, or a shorter utterance
    in quotation marks.

    >>> quoted_words("He said that he never wanted it, and left.", "Fine. He never wanted it!")
    'he never wanted it'
    >>> quoted_words('"Oh no!" she cried.', "Oh, no.")
    'oh no'
    >>> quoted_words("Oh no, the bus had gone.", "Oh, no.") is None
    True
    """
    read = _run(words(context))
    said = words(utterance)
    for sentence in _SENTENCE_END.split(utterance):
        tokens = words(sentence)
        if len(tokens) >= FEWEST_WORDS and _run(tokens) in read:
            return " ".join(tokens)
    for start in range(len(said) - OVERLAP_WORDS + 1):
        tokens = said[start : start + OVERLAP_WORDS]
        if _run(tokens) in read:
            return " ".join(tokens)
    if said and any(words(match[match.lastindex or 0]) == said for match in _QUOTATION.finditer(context)):
        return " ".join(said)
    return None


def _run(tokens: list[str]) -> str:
    return f" {' '.join(tokens)} "
