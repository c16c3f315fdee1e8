"""The page of the exporter: one file of HTML, made of those in ``page/``.

Its policy lets the browser run that one script and that one style and ask the exporter,
and nothing else: no other host, no markup out of a text.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Final, NamedTuple

#: The parts of the script, in their order: what is used stands before who uses it.
SCRIPTS: Final = (
    *("words.js", "mesh.js", "parts.js", "map.js", "explain.js", "main.js"),
)
STYLE: Final = "page.css"
#: What stands for style and script in the HTML.
_STYLE_PLACE: Final = "/* page.css */"
_SCRIPT_PLACE: Final = "/* page.js */"


class WebPage(NamedTuple):
    """The page as it is sent, and its Content-Security-Policy."""

    body: bytes
    policy: str


def part(name: str) -> str:
    """Return a file of ``page/``."""
    return (resources.files(__package__) / "page" / name).read_text("utf-8")


def script() -> str:
    """Return the whole script."""
    return "\n".join(part(name) for name in SCRIPTS)


def made() -> WebPage:
    """Return the page out of its parts."""
    style, code = part(STYLE), script()
    text = part("page.html")
    text = text.replace(_STYLE_PLACE, style).replace(_SCRIPT_PLACE, code)
    return WebPage(text.encode(), policy(style, code))


def policy(style: str, code: str) -> str:
    """Return the policy that allows this style and this script (CSP Level 3)."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(code)}'",
            f"style-src '{_digest(style)}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
