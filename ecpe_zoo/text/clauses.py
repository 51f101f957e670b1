"""Running text cut into clauses by its punctuation, as the corpora of emotion-cause pairs were cut.

The rule, found by looking at the Chinese corpus (28,727 clauses; none holds one of the marks that cut):

- Commas, full stops, question and exclamation marks, semicolons, colons, dots of omission and line ends cut,
  full-width or not. The enumeration comma, dashes and brackets do not.
- A mark within a number, a time or a name does not cut: `1.5`, `12:30`, `10,000`, `Mr. Bean`, `U.S.`, `www.x.org`.
- The mark, and quotes or brackets that close behind it, belong to the clause before; a piece without a word too.
- In English a comma or a colon does not cut off fewer than three words (`However, he left`), which would be no
  clause; in Chinese it does (`然而` is a clause of the corpus).

What a model reads is the clause without quotes and without marks at its ends: the corpora have none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ecpe_zoo.corpora.document import Language

FEWEST_WORDS = 3
"""Of an English clause that ends or begins at a comma or a colon."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WIDE = "，。！？；：…"
_NARROW = ",.!?;:"
_OPENERS = "“‘「『《〈（【(["
_CLOSERS = "”’」』》〉）】)]"
_RUN = re.compile(rf"[{_WIDE}{_NARROW}\r\n](?:\s*[{_WIDE}{_NARROW}\r\n]|[{re.escape(_CLOSERS)}])*")
_QUOTES = re.compile(r"[“”‘’「」『』《》〈〉\"]")
_APOSTROPHE = re.compile(r"(?<=\w)’(?=\w)")
_EDGES = f"{_WIDE}{_NARROW}、—–-~·'‘’"
_WORD = re.compile(r"\w")
# fmt: off
_MONTHS = frozenset(["jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"])
_ABBREVIATIONS = frozenset([
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "no", "inc", "ltd", "co", "corp", "dept", "gen", "col",
    "capt", "lt", "sgt", "rev", "hon", "fig", "approx", "mt",
])
# fmt: on


class Clause(NamedTuple):
    """One clause of running text.

    Args:
        text: As written, with the marks that close it.
        bare: As the corpora give clauses: without quotes, and without marks at its ends.
    """

    text: str
    bare: str


def cut_clauses(text: str, language: Language) -> list[Clause]:
    """Cut running text into clauses; see above for the rule.

    Args:
        text: Words may stand apart, as in a segmented corpus.
        language: Of the text; marks of both are known in either.

    Returns:
        At least one clause where the text is not blank.

    >>> [clause.bare for clause in cut_clauses("昨天下雨，他说：“我输了1.5万元！”于是，他哭了。", "zh")]
    ['昨天下雨', '他说', '我输了1.5万元', '于是', '他哭了']
    >>> [clause.text for clause in cut_clauses("However, Mr. Bean lost $3.50, so he cried. Really?", "en")]
    ['However, Mr. Bean lost $3.50,', 'so he cried.', 'Really?']
    """
    pieces: list[tuple[str, bool]] = []  # with whether a mark ends it that alone makes no clause
    start = 0
    for run in _RUN.finditer(text):
        end = _with_quotes(text, run.end())
        if end <= start or not _cuts(text, run):
            continue
        soft = language == "en" and run[0].strip() in (",", ":")
        pieces.append((text[start:end], soft))
        start = end
    pieces.append((text[start:], False))
    clauses = [" ".join(piece.split()) for piece in _joined(pieces)]
    return [Clause(clause, bare_clause(clause, language)) for clause in clauses if clause]


def bare_clause(text: str, language: Language) -> str:
    """A clause as the corpora give it; as it is where nothing else would be left.

    >>> bare_clause("“他买了苹果、梨，”", "zh")
    '他买了苹果 梨'
    """
    bare = _APOSTROPHE.sub("'", text)
    bare = _QUOTES.sub(" " if language == "en" else "", bare)
    if language == "zh":
        bare = bare.replace("、", " ")
    bare = " ".join(bare.split()).strip(_EDGES + " ")
    return bare if _WORD.search(bare) else text.strip()


def _with_quotes(text: str, end: int) -> int:
    """The end of a run of marks with a straight quote that closes behind it."""
    while text[end : end + 1] in ('"', "'") and end < len(text):
        behind = text[end + 1 : end + 2]
        open_before = text.count('"', 0, end) % 2 == 1
        closes = open_before if text[end] == '"' else not behind or behind.isspace()
        if not closes:
            break
        end += 1
    return end


def _cuts(text: str, run: re.Match[str]) -> bool:
    """Whether a run of marks ends a clause."""
    marks = run[0].rstrip(_CLOSERS)
    before, behind = text[: run.start()], text[run.end() : run.end() + 1]
    between_digits = before[-1:].isdigit() and behind.isdigit()
    if len("".join(marks.split())) > 1 or marks in ("\n", "\r"):
        return True
    if marks in "：，" and between_digits:
        return False
    if marks not in ",.:":
        return True
    ends = not behind or behind.isspace() or bool(re.match(rf"[{_HAN}\"'{re.escape(_OPENERS)}]", behind))
    if not ends or (between_digits and marks != "."):
        return False
    if marks != "." or not behind or run[0] != marks:
        return True
    return not _abbreviated(before, text[run.end() :].lstrip()[:1])


def _abbreviated(before: str, behind: str) -> bool:
    """Whether the last word before a full stop is an abbreviation or an initial.

    >>> [_abbreviated(text, "H") for text in ("with Mr", "Mr ", "by J", "the U.S", "and I", "he fell")]
    [True, True, True, True, False, False]
    >>> _abbreviated("on Nov", "2"), _abbreviated("since Nov", "H")
    (True, False)
    """
    word = (before.split() or [""])[-1].lstrip("(\"'“‘")
    if word.lower() in _MONTHS:
        return behind.isdigit()
    initial = len(word) == 1 and word.isascii() and word.isupper() and word != "I"
    return word.lower() in _ABBREVIATIONS or initial or bool(re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word))


def _joined(pieces: list[tuple[str, bool]]) -> list[str]:
    """Join what is no clause: pieces without a word to the one before, short ones at a comma to the next.

    Args:
        pieces: Texts, and whether a comma or colon ends them that alone makes no clause.
    """
    joined: list[str] = []
    waiting = ""  # short pieces that go on
    soft_before = False
    for text, soft in pieces:
        text = waiting + text
        waiting = ""
        few = len(text.split()) < FEWEST_WORDS
        wordless = not _WORD.search(text)
        if wordless and joined:
            joined[-1] += text
        elif wordless or (few and soft):
            waiting = text
        elif few and soft_before and joined:  # the rest of a sentence behind its last comma
            joined[-1] += text
            soft_before = soft
        else:
            joined.append(text)
            soft_before = soft
    if waiting:
        joined.append(waiting)
    return joined
