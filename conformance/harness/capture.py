"""Verdicts from the wire: tcpdump on a device, and counting afterwards."""

from __future__ import annotations

import re
import signal
import struct
import subprocess
from pathlib import Path
from typing import Final

from conformance.harness.netns import Namespace
from conformance.harness.processes import Processes
from conformance.harness.waits import Failed, wait_for
from conformance.harness.wire import datagram_length

_SNAP_LENGTH: Final = 256
_FILE_HEADER: Final = 24
#: Of a packet in the file: two times, not read, and the lengths captured and real.
_RECORD: Final = struct.Struct("=8xII")
_ETHERNET: Final = 14
_UDP: Final = 8
_IPV4: Final = b"\x08\x00"
_LENGTH: Final = re.compile(r"UDP, length (\d+)")


class Capture:
    """A tcpdump that listens from construction on, until ``stop``."""

    def __init__(
        self,
        processes: Processes,
        namespace: Namespace,
        device: str,
        expression: str,
        path: Path,
    ) -> None:
        self.path = path
        self._messages = path.with_suffix(".tcpdump")
        argv = namespace.command(
            *("tcpdump", "-i", device, "-n", "-p", "-U", "--immediate-mode"),
            *("-s", str(_SNAP_LENGTH), "-Z", "root", "-w", str(path)),
            expression,
        )
        with self._messages.open("wb") as stderr:
            self._child = processes.start(argv, what="tcpdump", stderr=stderr)
        wait_for("tcpdump listens", self._listens, limit=10)

    def stop(self) -> None:
        """End the capture; what passed before this call is in it."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            self._child.wait(10)

    def count(self, expression: str = "") -> int:
        """Return how many captured packets match a filter expression."""
        return len(self.lines(expression))

    def lines(self, expression: str = "") -> list[str]:
        """Return the matching packets as tcpdump prints them, one line each."""
        done = subprocess.run(
            ["tcpdump", "-r", str(self.path), "-n", "-t", expression],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(f"tcpdump: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def pings(self, size: int, expression: str = "") -> int:
        """Return how many pings of a size passed, in tinc's datagrams.

        What a daemon sends at once, since it had to wait for a processor say, passes in
        one piece, which the kernel cuts up later.
        """
        each = datagram_length(size) - _UDP
        lengths = (_LENGTH.search(line) for line in self.lines(expression))
        return sum(_pieces(int(found[1]), each) for found in lengths if found)

    def payloads(self) -> list[bytes]:
        """Return what the UDP datagrams said; Failed if one was cut off or is IPv6."""
        data = self.path.read_bytes()
        at, found = _FILE_HEADER, []
        while at < len(data):
            captured, length = _RECORD.unpack_from(data, at)
            start = at + _RECORD.size
            frame = data[start : start + captured]
            if captured < length or frame[12:14] != _IPV4:
                raise Failed("captured something else than short IPv4 datagrams")
            header = _ETHERNET + 4 * (frame[_ETHERNET] & 0xF)
            size = int.from_bytes(frame[header + 4 : header + 6])
            found.append(frame[header + _UDP : header + size])
            at = start + captured
        return found

    def _listens(self) -> bool:
        text = self._messages.read_text(errors="replace")
        if self._child.poll() is not None:
            raise Failed(f"tcpdump ended: {text.strip()}")
        return "listening on" in text


def _pieces(length: int, each: int) -> int:
    """Return how many datagrams of a length are in what passed, none if others are."""
    return length // each if length % each == 0 else 0
