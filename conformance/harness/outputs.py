"""The same shell script with C tincd and with ours: everything they leave is the same.

Both are /usr/sbin/tincd on a machine of their own.  What they print, their statuses,
files, modes and syslog datagrams are compared, process ids, times and keys apart.
Ours may add an advice in brackets to a line, and a few lines about itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from conformance.harness.checks import FORBIDDEN, expect_same_text
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.sandbox import Sandbox
from conformance.harness.waits import Failed, say

#: Rows at a time: a start waits more than it works.
_AT_ONCE: Final = 4
#: Lines that C does not have, of what ours does and C does not.
_PREFIX: Final = r"(?:<\d+>)?(?:TIME \S+ )?"
_ADDED: Final = re.compile(
    rf"^{_PREFIX}(?:UDP buffers of .* to send|Packets are handled by .*)\n"
    # A ConnectTo that is lost or found, at level 0.
    rf"|^{_PREFIX}ConnectTo \S+: .*\n"
    # Where root may not lift limits.
    rf"|^{_PREFIX}Only the memory in use by now stays locked: .*\n"
    rf"|^{_PREFIX}Counters:\n(?:{_PREFIX} .*\n)*{_PREFIX}End of counters\.\n",
    re.M,
)
#: An advice that ours adds to a line of C.
_ADVICE: Final = re.compile(r"(.*?) \(.*\)")

#: Rows whose difference is shown.
_SHOWN: Final = 5

_MASKS: Final = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "TIME "),
    (r"^(<\d+>)[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ", r"\1TIME "),
    (r"^((?:<\d+>)?TIME \S+\[)\d+\]: ", r"\1PID]: "),
    (r"(, mode \d+:\n)\d+\n", r"\1PID\n"),
    # How far the search for a prime is.
    (r"(Generating \d+ bits keys:\n)(?s:.*?)(Done\.$)", r"\1\2"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One script.

    ``files`` are below /etc/tinc, beside those of the net ``vpn``; None in the place of
    a text leaves one of these out.  ``ours`` are pattern and replacement, ``^`` and
    ``$`` at every line, that make out of what C does what is wanted of ours; ``why`` is
    then the reason.
    """

    name: str
    script: str
    files: Mapping[str, str | None] = field(default_factory=dict)
    ours: tuple[tuple[str, str], ...] = ()
    why: str = ""

    def __post_init__(self) -> None:
        if bool(self.ours) != bool(self.why):
            raise ValueError(f"{self.name}: a difference and its reason go together")


def compare(lab: Lab, placement: Placement, rows: Sequence[Row]) -> None:
    """Run the rows with C and with the kind of the placement; Failed for differences.

    A replacement that finds nothing to replace is one too: C has no such line.
    """
    (kind,) = placement
    # Somebody else has to find the files.
    for directory in (lab.directory, lab.directory.parent):
        directory.chmod(0o711)
    reference = Sandbox(lab.directory / "ref", Kind.C)
    subject = Sandbox(lab.directory / "sub", kind)

    def difference(number: int) -> str:
        row, files = rows[number], _files(lab, rows[number])
        wanted = _masked(reference.run(f"{number}", row.script, files).text())
        actual = _masked(subject.run(f"{number}", row.script, files).text())
        try:
            if kind is Kind.OURS:
                wanted = _on_purpose(row, wanted)
                _expect_no_fault(actual)
                actual = _without_additions(actual, wanted)
            expect_same_text(f"row {number}, {row.name}", actual, wanted)
        except Failed as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        differences = [each for each in pool.map(difference, range(len(rows))) if each]
    if differences:
        head = f"{len(differences)} of {len(rows)} rows differ"
        raise Failed("\n".join([head, *differences[:_SHOWN]]))
    say(f"          {len(rows)} rows alike")


def _files(lab: Lab, row: Row) -> dict[str, str]:
    keys = lab.keys.pair(0)
    files: dict[str, str | None] = {
        "vpn/tinc.conf": "Name = alpha\nDeviceType = dummy\n",
        "vpn/rsa_key.priv": keys.private,
        "vpn/hosts/alpha": f"Subnet = 10.1.0.0/16\n{keys.public}",
        **row.files,
    }
    return {name: text for name, text in files.items() if text is not None}


def _masked(text: str) -> str:
    for pattern, replacement in _MASKS:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text


def _on_purpose(row: Row, text: str) -> str:
    for pattern, replacement in row.ours:
        text, count = re.subn(pattern, replacement, text, flags=re.M)
        if not count:
            raise Failed(f"{row.name}: C shows nothing like {pattern!r}:\n{text}")
    return text


def without_own_lines(text: str) -> str:
    """Return log lines, masked or bare, without those that only ours writes."""
    return _ADDED.sub("", text)


def _without_additions(text: str, wanted: str) -> str:
    known, lines = set(wanted.splitlines()), []
    for line in without_own_lines(text).split("\n"):
        advised = _ADVICE.fullmatch(line)
        plain = advised is not None and line not in known and advised[1] in known
        lines.append(advised[1] if advised and plain else line)
    return "\n".join(lines)


def _expect_no_fault(text: str) -> None:
    for word in FORBIDDEN:
        if word in text:
            raise Failed(f"ours shows a fault:\n{text}")
