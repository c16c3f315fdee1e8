"""Verdicts from the wire: what passes a device, in a file, and counting afterwards.

The kernel queues what passes, and the queue is read when somebody asks: so what passed
before that is in the file, however long this process had to wait for a processor.
"""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.netns import Namespace
from conformance.harness.packetsocket import dropped, open_packets, receive
from conformance.harness.waits import Failed
from conformance.harness.wire import datagram_length

_SNAP_LENGTH: Final = 256
#: Bytes of the kernel's queue, many times what a scenario sends meanwhile.
_QUEUE: Final = 1 << 28
_FILE_HEADER: Final = struct.Struct("=IHHiIII")
_MAGIC: Final = 0xA1B2C3D4
_VERSION: Final = (2, 4)
#: Types of links in files, by those of devices: Ethernet, and IP packets alone.
_LINKS: Final = {1: 1, 65534: 101}
#: Of a packet in the file: seconds and microseconds, the lengths captured and real.
_RECORD: Final = struct.Struct("=IIII")
_ETHERNET: Final = 14
_UDP: Final = 8
_IPV4: Final = b"\x08\x00"
_LENGTH: Final = re.compile(r"UDP, length (\d+)")


class Capture:
    """What passes a device from construction on, until ``stop``."""

    def __init__(
        self, namespace: Namespace, device: str, expression: str, path: Path
    ) -> None:
        self._path = path
        words = ("-i", device, "-ddd", "-s", str(_SNAP_LENGTH), expression)
        program = namespace.run("tcpdump", *words).stdout
        self._socket = open_packets(namespace, device, program=program, queue=_QUEUE)
        link = _LINKS[self._socket.getsockname()[3]]
        path.write_bytes(_FILE_HEADER.pack(_MAGIC, *_VERSION, 0, 0, _SNAP_LENGTH, link))

    def stop(self) -> None:
        """End the capture; what passed before this call is in it."""
        self._write()
        self._socket.close()

    def count(self, expression: str = "") -> int:
        """Return how many captured packets match a filter expression."""
        return len(self.lines(expression))

    def lines(self, expression: str = "") -> list[str]:
        """Return the matching packets as tcpdump prints them, one line each."""
        self._write()
        done = subprocess.run(
            ["tcpdump", "-r", str(self._path), "-n", "-t", expression],
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
        self._write()
        data = self._path.read_bytes()
        at, found = _FILE_HEADER.size, []
        while at < len(data):
            _, _, captured, length = _RECORD.unpack_from(data, at)
            start = at + _RECORD.size
            frame = data[start : start + captured]
            if captured < length or frame[12:14] != _IPV4:
                raise Failed("captured something else than short IPv4 datagrams")
            header = _ETHERNET + 4 * (frame[_ETHERNET] & 0xF)
            size = int.from_bytes(frame[header + 4 : header + 6])
            found.append(frame[header + _UDP : header + size])
            at = start + captured
        return found

    def _write(self) -> None:
        """Write what has passed since the last time."""
        if self._socket.fileno() < 0:
            return
        with self._path.open("ab") as file:
            while (packet := receive(self._socket)) is not None:
                data = packet.data[:_SNAP_LENGTH]
                file.write(_RECORD.pack(*packet.time, len(data), packet.length) + data)
        expect_equal("packets that found the queue full", dropped(self._socket), 0)


def _pieces(length: int, each: int) -> int:
    """Return how many datagrams of a length are in what passed, none if others are."""
    return length // each if length % each == 0 else 0
