"""The promises of SECURITY.md: each is an item of a list, a name and one sentence."""

from __future__ import annotations

import re
from typing import Final

from tests.proofs import ROOT

DOCUMENT: Final = ROOT / "SECURITY.md"

_SECTION: Final = re.compile(r"^## (.*)\n", re.M)
_ITEM: Final = re.compile(r"^\* \*\*([a-z-]+)\*\*: (.+\n(?:  .+\n)*)", re.M)
#: Sections that are all promises; the others say what is so, or cannot be helped.
PROMISING: Final = (
    "What strangers cannot do",
    "What members cannot do",
    "What nobody on this host can do",
)
_END_OF_SENTENCE: Final = re.compile(r"[.!?](?=\s|$)")


def sections(text: str) -> dict[str, str]:
    """Return the text of each section by its heading."""
    _, *parts = _SECTION.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def promises(text: str) -> list[tuple[str, str]]:
    """Return names and sentences of the items in a section, or in all of them."""
    found = _ITEM.findall(text)
    return [(name, " ".join(sentence.split())) for name, sentence in found]


def other_than_promises(section: str) -> str:
    """Return what is left of a section without its items."""
    return _ITEM.sub("", section).strip()


def sentences(promise: str) -> int:
    """Return how many sentences a promise has."""
    return len(_END_OF_SENTENCE.findall(promise))
