"""Texts for property tests, of any characters or of some.

What hypothesis has for that takes its table of Unicode, which it makes in each new
checkout: many seconds, and hundreds of megabytes, of whichever test comes first.
"""

from __future__ import annotations

import string
import sys
from typing import Final

from hypothesis import strategies as st

#: Of what names of nodes are made.
NAMING: Final = string.ascii_letters + string.digits + "_"
#: All of ASCII that is neither a blank nor a control character.
VISIBLE: Final = "".join(map(chr, range(33, 127)))
#: Any but surrogates, the frequent ones often.
CHARACTERS: Final = st.one_of(
    st.integers(0, 0x7F),
    st.integers(0x80, 0x3FF),
    st.integers(0x400, 0xD7FF),
    st.integers(0xE000, sys.maxunicode),
).map(chr)


def texts(
    letters: str = "", *, min_size: int = 0, max_size: int | None = None
) -> st.SearchStrategy[str]:
    """Return texts of these letters, or of any characters."""
    # A choice of letters would be looked up in the table.
    alphabet = CHARACTERS
    if letters:
        alphabet = st.integers(0, len(letters) - 1).map(letters.__getitem__)
    return st.text(alphabet, min_size=min_size, max_size=max_size)
