"""What must hold in every case, whatever the case itself asks."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from conformance.harness.netns import Namespace
from conformance.harness.waits import Failed

#: Any of these in the output of our daemon is a fault, even if all else went well.
FORBIDDEN: Final = (
    "Traceback (most recent call last)",
    "Task exception was never retrieved",
    "Task was destroyed but it is pending",
    "ResourceWarning",
    "was never awaited",
    "Fatal Python error",
)

#: Lines of a PEM file that are longer are key and not label.
_SECRET: Final = 48

#: What is asked, in one process for each family of addresses.
_IP_STATE: Final = {
    "ip -j": {
        "links": "link show",
        "addresses": "address show",
        "IPv4 routes": "route show table all",
        "rules": "rule show",
    },
    "ip -j -6": {"IPv6 routes": "route show table all"},
}
_ASK: Final = "\n".join(
    "\n".join([f"{ip} -batch - <<'END'", *questions.values(), "END"])
    for ip, questions in _IP_STATE.items()
)


def expect(condition: bool, demand: str) -> None:
    """Fail with ``demand`` unless the condition holds."""
    if not condition:
        raise Failed(demand)


def expect_equal(what: str, actual: object, wanted: object) -> None:
    if actual != wanted:
        raise Failed(f"{what} is {actual!r} instead of {wanted!r}")


def expect_same_text(what: str, actual: str, wanted: str) -> None:
    """Fail with a line-by-line difference, the wanted lines marked ``-``."""
    if actual == wanted:
        return
    lines = difflib.unified_diff(
        wanted.splitlines(), actual.splitlines(), "wanted", "actual", n=2, lineterm=""
    )
    raise Failed(f"{what}, compared with C:\n" + "\n".join(lines))


def expect_between(what: str, actual: float, low: float, high: float) -> None:
    if not low <= actual <= high:
        raise Failed(f"{what} is {actual:g}, not between {low:g} and {high:g}")


def log_complaints(name: str, paths: Iterable[Path]) -> list[str]:
    """Return the first forbidden line of each file, with a little after it.

    So is one that is not printable: it commands a terminal, or forges other lines.
    """
    found = []
    for path in paths:
        if not path.exists():
            continue
        lines = path.read_text(errors="replace").split("\n")
        for number, line in enumerate(lines):
            if any(word in line for word in FORBIDDEN) or not line.isprintable():
                end = "\n".join(f"    | {each}" for each in lines[number : number + 20])
                found.append(f"{name} wrote in {path.name}, line {number + 1}:\n{end}")
                break
    return found


def key_complaints(name: str, paths: Iterable[Path], private: Path) -> list[str]:
    """Return which files hold a line of a private key."""
    lines = private.read_text().splitlines() if private.exists() else []
    secrets = [line for line in lines if len(line) >= _SECRET]
    return [
        f"{name} wrote of its private key in {path.name}"
        for path in paths
        if path.exists()
        and any(secret in path.read_text(errors="replace") for secret in secrets)
    ]


def footprint(namespace: Namespace, directory: Path) -> Mapping[str, object]:
    """Return the state that a daemon must leave as it found it.

    Keys are names for messages, values can be compared.
    """
    # One shell for all: this is done before and after each daemon.
    texts = namespace.run("sh", "-ec", _ASK).stdout.splitlines()
    names = [name for questions in _IP_STATE.values() for name in questions]
    state: dict[str, object] = {
        what: _rows(text) for what, text in zip(names, texts, strict=True)
    }
    state["the configuration directory"] = sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*")
    )
    return state


def _rows(text: str) -> list[str]:
    rows: list[dict[str, Any]] = json.loads(text)
    for row in rows:
        for address in row.get("addr_info", ()):
            # Until a link is found to be up, which is the kernel's own doing.
            address.pop("tentative", None)
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
