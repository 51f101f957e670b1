"""Characters that a wrong decoding left in published texts, and what they were.

Some files were saved as cp1252 and read as something else on their way: a curly quote is then the bare byte
0x92, the control character U+0092, or the three characters that its UTF-8 bytes look like in cp1252.
"""

from __future__ import annotations

import re


def _misread(character: str) -> set[str]:
    """The forms of a character whose UTF-8 bytes were read one by one.

    Byte by byte in latin-1, and in cp1252, which leaves five bytes undefined that are then kept or lost.
    """
    raw = character.encode()
    kept = "".join(
        bytes([byte]).decode("cp1252", errors="ignore") or bytes([byte]).decode("latin-1") for byte in raw
    )
    return {raw.decode("latin-1"), kept}


_MISREAD = {form: character for character in "‘’“”–—…•€éèêëóòôöáàâäíîïúüçñ" for form in _misread(character)}
# U+DC80 to U+DCFF are bytes that were no UTF-8, as the error handler `surrogateescape` gives them
_WRONG = re.compile(
    "|".join(sorted(map(re.escape, _MISREAD), key=len, reverse=True))
    + r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\udc80-\udcff]"
)


def _right(match: re.Match[str]) -> str:
    found = match[0]
    if found in _MISREAD:
        return _MISREAD[found]
    byte = ord(found) - 0xDC00 if ord(found) >= 0xDC80 else ord(found)
    return bytes([byte]).decode("cp1252", errors="ignore") if byte >= 0x80 else ""


def mended(text: str) -> tuple[str, int]:
    r"""The text with wrongly decoded characters put right and control characters taken out, and how many.

    >>> mended("It\x92s \udc93fine\udc94, isnâ€™t it")
    ('It’s “fine”, isn’t it', 4)
    """
    if text.isascii() and text.isprintable():  # nearly all texts, and fast
        return text, 0
    return _WRONG.subn(_right, text)
