"""Foreign text in our outputs: what counts as a plain name, and an escape for each output format.

Records, notes of failures and checkpoints are exchanged between people. The name of a file or heading must be a
plain name; all other text is escaped where it is written.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

NAME = "letters and digits of any script, blanks and _ . - + ( ) , inside, 100 at most"
"""The form of a name, for messages."""

LONGEST_NAME = 100

_INSIDE = frozenset(" _.-+(),")
_HIDDEN = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line and paragraph separators, lone surrogates, and direction marks, which make a terminal or
browser display others in a different order."""


def is_name(text: object) -> bool:
    r"""Whether a text has the form of a name: no path, no markup, no control character.

    >>> [is_name(text) for text in ("mgcl", "情感 2.0", "a/b", "..", "<b>", "=1", "a\n", "")]
    [True, True, False, False, False, False, False, False]
    """
    return (
        isinstance(text, str)
        and 0 < len(text) <= LONGEST_NAME
        and text[0].isalnum()
        and text[-1] not in " ."
        and ".." not in text
        and all(mark in _INSIDE or unicodedata.category(mark)[0] in "LMN" for mark in text)
    )


def is_class_path(text: object) -> bool:
    """Whether a text is a class path of the form `package.module.Class`.

    >>> is_class_path("ecpe_zoo.methods.mgcl.MGCL"), is_class_path("..x.y"), is_class_path("MGCL")
    (True, False, False)
    """
    parts = text.split(".") if isinstance(text, str) else []
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def has_hidden(text: str) -> bool:
    """Whether a text has characters that `visible` writes as escapes."""
    return _HIDDEN.search(text) is not None


def is_blank(text: str) -> bool:
    r"""Whether a text shows nothing: spaces, and format characters such as a zero-width space.

    >>> [is_blank(text) for text in ("", " \n", "\u200b\ufeff", "a", "\u200ba")]
    [True, True, True, False, False]
    """
    return all(mark.isspace() or unicodedata.category(mark) == "Cf" for mark in text)


def visible(text: str, keep: str = "") -> str:
    r"""A text with control characters, lone surrogates and direction marks escaped like `\x1b`.

    Args:
        text: Any text.
        keep: Characters that stay as they are, such as line ends.

    >>> print(visible("a\x1b[2Jb\n"))
    a\x1b[2Jb\n
    """
    return _HIDDEN.sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), text
    )


def without_folder(text: str) -> str:
    r"""The name at the end of an absolute path; any other text as it is.

    >>> without_folder("/home/me/models/a"), without_folder(r"C:\me\a.txt"), without_folder("a/b")
    ('a', 'a.txt', 'a/b')
    """
    paths = (PurePosixPath(text), PureWindowsPath(text))
    return next((path.name for path in paths if path.is_absolute() and path.name), text)


_MARKDOWN = str.maketrans({"\\": "\\\\", "|": "\\|", "`": "\\`", "*": "\\*", "<": "&lt;"})


def markdown_escaped(text: str) -> str:
    r"""Text for one cell or line of Markdown: it cannot produce markup, links, comments or line breaks.

    >>> print(markdown_escaped("[a](b) <!-- c | *d*\n# e &lt;"))
    [a]\(b) &lt;!-- c \| \*d\*\\n# e &amp;lt;
    """
    text = re.sub(r"&(?=#?\w+;)", "&amp;", visible(text))
    return text.translate(_MARKDOWN).replace("](", "]\\(")


_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$", "×": r"$\times$",
    "–": "--", "†": r"$\dagger$", "↳": r"$\hookrightarrow$", "<": "$<$", ">": "$>$", "[": "{[}", "]": "{]}",
})  # fmt: skip


def latex_escaped(text: str) -> str:
    r"""Text that LaTeX prints literally.

    >>> print(latex_escaped("50 % of a_b ± 1"))
    50 \% of a\_b $\pm$ 1
    """
    return visible(text).translate(_LATEX)


def csv_escaped(value: object) -> object:
    """A cell that no spreadsheet reads as a formula: such a text gets a leading apostrophe; numbers are unchanged.

    >>> csv_escaped("=A1"), csv_escaped(-0.5), csv_escaped("mgcl")
    ("'=A1", -0.5, 'mgcl')
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else text


def shell_quoted(text: str) -> str:
    """One word of a shell command that a user may copy.

    >>> print(shell_quoted("a.txt"), shell_quoted("a; rm -r b"))
    a.txt 'a; rm -r b'
    """
    return shlex.quote(visible(text))
