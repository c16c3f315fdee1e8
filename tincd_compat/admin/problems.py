"""Problems of a net, one a line, with the command that says more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tincd_compat.admin.text import Record, Style, clean, shorten, wrap

#: Where the commands stand, if the terminal is wide enough.
_HINTS: Final = 72
#: As many problems of one kind are shown; in a mesh of thousands a kind has thousands.
_FEW: Final = 5
#: Names longer than this are cut in the middle.
_LONGEST: Final = 20

#: Problem to the verb that shows more of it, with or without its node.
HINTS: Final = {
    "data-over-tcp": "explain {node}",
    "mtu-shrunk": "explain {node}",
    "no-data": "explain {node}",
    "one-way-edge": "explain {node}",
    "duplicate-subnet": "explain {node}",
    "subnet-refused": "explain {node}",
    "flapping": "events {node}",
    "storm": "events",
    "auth-fails": "events {node}",
    "script-failed": "events",
    "only-way": "map --cuts",
    "plaintext": "audit",
    "weak-cipher": "audit",
    "old-peer": "audit",
}


def problem_lines(
    problems: Sequence[Record],
    counts: Mapping[str, int],
    style: Style,
    width: int | None,
) -> list[str]:
    """Return the problems as lines, the critical ones first.

    Of a kind that ``counts`` has a number for a few are shown, and the rest counted.
    """
    ordered = sorted(problems, key=lambda one: one.get("severity") != "critical")
    ordered, hidden = _few(ordered, counts)
    names = [
        shorten(clean(problem.get("node") or "mesh"), _LONGEST) for problem in ordered
    ]
    column = max([*map(len, names), 7])
    lines = []
    for problem, name in zip(ordered, names, strict=True):
        indent = f"  ! {name:{column}}  "
        text = clean(problem.get("text") or problem.get("code"))
        found = wrap(text, None if width is None else width - len(indent), "")
        found = _with_hint(found, _hint(problem), len(indent), width)
        mark = style.by_severity(problem.get("severity"), f"! {name}")
        lines.append(f"  {mark}{' ' * (column - len(name))}  {found[0]}")
        lines += [f"{' ' * len(indent)}{more}" for more in found[1:]]
    for code, amount in hidden.items():
        lines.append(style.dim(f"  … {amount} more of {clean(code)} (-a shows them)"))
    return lines


def _few(
    problems: Sequence[Record], counts: Mapping[str, int]
) -> tuple[list[Record], dict[str, int]]:
    """Return what is shown, and how many more of each code there are."""
    shown: list[Record] = []
    met: Counter[str] = Counter()
    for problem in problems:
        code = str(problem.get("code"))
        met[code] += 1
        if code not in counts or met[code] <= _FEW:
            shown.append(problem)
    hidden = {
        code: counts[code] - min(met[code], _FEW) for code in met if code in counts
    }
    return shown, {code: amount for code, amount in hidden.items() if amount > 0}


def _hint(problem: Record) -> str:
    pattern = HINTS.get(str(problem.get("code")), "")
    node = problem.get("node")
    if "{node}" in pattern and not node:
        pattern = pattern.partition(" ")[0] if pattern.startswith("events") else ""
    name = clean(node)
    # What is too long for a line is not copied from there, either.
    known = name if len(name) <= _LONGEST else "NODE"
    return f"({pattern.format(node=known)})" if pattern else ""


def _with_hint(
    text: Iterable[str], hint: str, indent: int, width: int | None
) -> list[str]:
    """Return the lines with the command behind the last one, or below it."""
    lines = list(text)
    if not hint:
        return lines
    start = max(_HINTS - indent, len(lines[-1]) + 2)
    if width is not None and indent + start + len(hint) > width:
        start = width - indent - len(hint)
    if start >= len(lines[-1]) + 2:
        lines[-1] = f"{lines[-1]:{start}}{hint}"
    else:
        lines.append(hint)
    return lines
