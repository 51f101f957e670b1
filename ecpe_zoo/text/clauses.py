"""Splits running text into clauses at its punctuation, as in the corpora of emotion-cause pairs.

The rule was derived from the Chinese corpus (28,727 clauses; none contains a mark that splits):

- Commas, full stops, question and exclamation marks, semicolons, colons, ellipses and line ends split,
  full-width or not. The enumeration comma, dashes and brackets do not.
- A mark within a number, a time or a name does not split: `1.5`, `12:30`, `10,000`, `Mr. Bean`, `U.S.`, `www.x.org`.
- The mark, and quotes or brackets closing after it, belong to the clause before, as do pieces without a word.
- In English a comma or colon does not split off fewer than three words (`However, he left`), which are not a
  clause; in Chinese it does (`然而` is a clause of the corpus).

English text that the marks leave as one clause is cut before connectives too: before `because`, `although`, `when`
and the like, and before `and`, `but`, `so`, `after` and others if a subject pronoun follows; for `and` and `or` a
pronoun or a common verb form has to be before. Both sides have two words. `Mum and I won` and `because of him` are not
cut. This finds 320 of the 328 clauses of ntcir-ecpe-en that begin with a word of the first kind. It would cut 4 % of
that corpus's clauses again, so texts of several clauses are left in the form that models know.

Models read the clause without quotes and without marks at its ends, as in the corpora.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ecpe_zoo.corpora.document import Language

FEWEST_WORDS = 3
"""Minimum number of words of an English clause that starts or ends at a comma or colon."""

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


_SUBJECTS = frozenset([
    "i", "he", "she", "it", "we", "they", "you", "nobody", "everybody", "everyone", "somebody", "someone",
])
_ALONE = frozenset(["because", "although", "though", "whereas", "unless", "when", "whenever", "while"])
_WITH_SUBJECT = frozenset(["and", "or", "but", "so", "yet", "then", "after", "before", "since", "until", "till", "if"])
_COMMON_VERBS = frozenset([
    "am", "is", "are", "was", "were", "be", "been", "has", "have", "had", "do", "does", "did", "can", "could", "will",
    "would", "may", "might", "must", "should", "won", "lost", "left", "went", "came", "got", "gave", "made", "felt",
    "said", "told", "took", "saw", "fell", "broke", "found", "met", "kept", "heard", "knew", "thought", "ran", "stole",
    "forgot", "hit", "hurt", "sat", "stood", "bought", "sold", "brought", "began", "grew", "woke", "wrote",
])
# fmt: on


class Clause(NamedTuple):
    """One clause of running text.

    Args:
        text: Clause as written, with its closing marks.
        bare: Clause as in the corpora: without quotes, and without marks at its ends.
    """

    text: str
    bare: str


def cut_clauses(text: str, language: Language) -> list[Clause]:
    """Split running text into clauses; see the module for the rule.

    Args:
        text: Running text; words may be separated by spaces, as in a segmented corpus.
        language: Language of the text; marks of both languages are recognised in either.

    Returns:
        The clauses; at least one if the text is not blank.

    >>> [clause.bare for clause in cut_clauses("昨天下雨，他说：“我输了1.5万元！”于是，他哭了。", "zh")]
    ['昨天下雨', '他说', '我输了1.5万元', '于是', '他哭了']
    >>> [clause.text for clause in cut_clauses("However, Mr. Bean lost $3.50, so he cried. Really?", "en")]
    ['However, Mr. Bean lost $3.50,', 'so he cried.', 'Really?']
    >>> [clause.text for clause in cut_clauses("I cried because my dog died and I was alone.", "en")]
    ['I cried', 'because my dog died', 'and I was alone.']
    """
    pieces: list[tuple[str, bool]] = []  # text, and whether its last mark alone ends no clause
    start = 0
    for run in _RUN.finditer(text):
        end = _with_quotes(text, run.end())
        if end <= start or not _cuts(text, run):
            continue
        soft = language == "en" and run[0].strip() in (",", ":")
        pieces.append((text[start:end], soft))
        start = end
    pieces.append((text[start:], False))
    clauses = [clause for piece in _joined(pieces) if (clause := " ".join(piece.split()))]
    if language == "en" and len(clauses) == 1:
        clauses = _at_connectives(clauses[0])
    return [Clause(clause, bare_clause(clause, language)) for clause in clauses]


def _at_connectives(clause: str) -> list[str]:
    """One English clause cut before its connectives; see above for the rule."""
    words = clause.split()
    plain = [word.strip(_EDGES + '"()').lower().replace("’", "'") for word in words]
    cuts = [0]
    for place in range(2, len(words) - 2):
        before = plain[cuts[-1] : place]
        if len(before) >= 2 and _begins_clause(plain[place:], before):
            cuts.append(place)
    return [" ".join(words[start:end]) for start, end in zip(cuts, [*cuts[1:], len(words)], strict=True)]


def _begins_clause(words: list[str], before: list[str]) -> bool:
    """Whether a connective with a clause of its own begins here.

    Args:
        words: From here to the end, at least three; lower case, without marks.
        before: Words of the clause before.
    """
    connective, subject = words[0], words[1].split("'")[0]
    if before[-1] in _WITH_SUBJECT or before[-1] in (
        "even",
        "just",
    ):  # `but when I left`, `even though I left`
        return False
    if connective in (*_WITH_SUBJECT, "even", "just") and words[1] in _ALONE:
        return True
    if connective in _ALONE:
        return words[1] != "of" and not (
            connective == "while" and before[-1] in ("a", "little", "good", "long")
        )
    if connective not in _WITH_SUBJECT or subject not in _SUBJECTS:
        return False
    if connective not in ("and", "or"):
        return True
    return any(
        word.split("'")[0] in _SUBJECTS
        or word in _COMMON_VERBS
        or word.endswith(("ed", "n't", "'s", "'m", "'re"))
        for word in before
    )


def bare_clause(text: str, language: Language) -> str:
    """A clause as in the corpora; unchanged if nothing else would be left.

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
    """The end of a run of marks including a straight quote that closes after it."""
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
    """Join pieces that are not clauses: pieces without a word to the one before, short ones at a comma to the next.

    Args:
        pieces: Texts, and whether each ends in a comma or colon that alone does not end a clause.
    """
    joined: list[str] = []
    waiting = ""  # short pieces that continue
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
        elif few and soft_before and joined:  # the rest of a sentence after its last comma
            joined[-1] += text
            soft_before = soft
        else:
            joined.append(text)
            soft_before = soft
    if waiting:
        joined.append(waiting)
    return joined
