"""A small proxy, run as a program of its own, and a pipe to it.

``KIND ADDRESS PORT [WORD=VALUE ...]`` serves ``socks4`` (with 4a), ``socks5``, ``http``
or ``forward``, which wants a line ``HOST PORT`` and says nothing.  ``pipe ADDRESS PORT
HOST PORT`` is a caller of the last one: what comes by its standard input goes there,
what comes from there to its standard output.

The words: ``name=HOST=ADDRESS`` for a host to look up, ``password=USER:PASSWORD``,
``answer=N`` for the version in the answer to that, ``bound=zero`` or ``bound=name`` for
what is said about the own address, ``version=1.0`` of HTTP, and ``refuse=yes``.

The server prints ``listening``, and the bytes of every request in hexadecimal.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable

_TIMEOUT = 10.0
_CHUNK = 1 << 16


class Refused(Exception):
    """The caller does not get what it wants; ``answer`` tells it."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer)
        self.answer = answer


class Caller:
    """One connection, and what has been read of it."""

    def __init__(self, connection: socket.socket, words: dict[str, str]) -> None:
        self.socket = connection
        self.words = words
        self.request = b""

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes, and not one more."""
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the caller has gone")
            data += more
        self.request += data
        return data

    def read_until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            data += self.read(1)
        return data.removesuffix(end)

    def open(self, host: str, port: int, refusal: bytes) -> socket.socket:
        """Connect to where the caller wants to go."""
        print(self.request.hex(), flush=True)
        if "refuse" in self.words:
            raise Refused(refusal)
        address = self.words.get(f"name={host}", host)
        try:
            return socket.create_connection((address, port), _TIMEOUT)
        except OSError:
            raise Refused(refusal) from None


def serve_socks4(caller: Caller) -> socket.socket:
    caller.read(2)
    port = int.from_bytes(caller.read(2), "big")
    packed = caller.read(4)
    caller.read_until(b"\0")
    host = socket.inet_ntoa(packed)
    if packed[:3] == bytes(3):
        host = caller.read_until(b"\0").decode()
    onward = caller.open(host, port, b"\0\x5b" + bytes(6))
    packed, port = _bound(onward)
    caller.socket.sendall(b"\0\x5a" + port.to_bytes(2, "big") + packed[-4:])
    return onward


def serve_socks5(caller: Caller) -> socket.socket:
    offered = caller.read(caller.read(2)[1])
    wanted = 2 if "password" in caller.words else 0
    if wanted not in offered:
        raise Refused(b"\5\xff")
    caller.socket.sendall(bytes([5, wanted]))
    if wanted == 2:
        _check_password(caller)
    host, port = _read_place(caller)
    refusal = b"\5\2\0\1" + bytes(6)
    onward = caller.open(host, port, refusal)
    caller.socket.sendall(b"\5\0\0" + _own_place(onward, caller.words.get("bound")))
    return onward


def _check_password(caller: Caller) -> None:
    caller.read(1)
    user = caller.read(caller.read(1)[0]).decode()
    password = caller.read(caller.read(1)[0]).decode()
    version = int(caller.words.get("answer", "1"))
    if f"{user}:{password}" != caller.words["password"]:
        print(caller.request.hex(), flush=True)
        raise Refused(bytes([version, 1]))
    caller.socket.sendall(bytes([version, 0]))


def _read_place(caller: Caller) -> tuple[str, int]:
    kind = caller.read(4)[3]
    if kind == 3:
        host = caller.read(caller.read(1)[0]).decode()
    else:
        family, size = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[kind]
        host = socket.inet_ntop(family, caller.read(size))
    return host, int.from_bytes(caller.read(2), "big")


def _own_place(onward: socket.socket, bound: str | None) -> bytes:
    packed, port = _bound(onward)
    if bound == "zero":
        packed = bytes(len(packed))
    place = bytes([1 if len(packed) == 4 else 4]) + packed
    if bound == "name":
        place = b"\3\5proxy"
    return place + port.to_bytes(2, "big")


def _bound(onward: socket.socket) -> tuple[bytes, int]:
    host, port, *_ = onward.getsockname()
    return socket.inet_pton(onward.family, host), port


def serve_http(caller: Caller) -> socket.socket:
    version = caller.words.get("version", "1.1")
    head = caller.read_until(b"\r\n\r\n").decode()
    method, place, _ = head.splitlines()[0].split(" ")
    host, _, port = place.rpartition(":")
    if method != "CONNECT" or (":" in host and not host.startswith("[")):
        raise Refused(f"HTTP/{version} 400 Bad Request\r\n\r\n".encode())
    refusal = f"HTTP/{version} 403 Forbidden\r\nVia: {version} proxy\r\n\r\n"
    onward = caller.open(host.strip("[]"), int(port), refusal.encode())
    granted = f"HTTP/{version} 200 Connection established\r\nVia: {version} proxy"
    caller.socket.sendall(f"{granted}\r\n\r\n".encode())
    return onward


def serve_forward(caller: Caller) -> socket.socket:
    host, port = caller.read_until(b"\n").decode().split()
    return caller.open(host, int(port), b"")


_KINDS: dict[str, Callable[[Caller], socket.socket]] = {
    "socks4": serve_socks4,
    "socks5": serve_socks5,
    "http": serve_http,
    "forward": serve_forward,
}


def serve(kind: str, address: str, port: int, words: dict[str, str]) -> None:
    with socket.create_server((address, port)) as server:
        print("listening", flush=True)
        while True:
            connection, _ = server.accept()
            caller = Caller(connection, words)
            threading.Thread(
                target=_attend, args=(caller, _KINDS[kind]), daemon=True
            ).start()


def _attend(caller: Caller, serve_kind: Callable[[Caller], socket.socket]) -> None:
    with caller.socket as here:
        here.settimeout(_TIMEOUT)
        try:
            onward = serve_kind(caller)
        except Refused as refused:
            here.sendall(refused.answer)
            # Not closed: a caller that waits for that does not take no for an answer.
            here.settimeout(None)
            here.recv(1)
            return
        except OSError:
            return
        with onward:
            here.settimeout(None)
            onward.settimeout(None)
            _relay(here.fileno(), here.fileno(), onward)


def pipe(address: str, port: int, host: str, target_port: str) -> None:
    with socket.create_connection((address, port), _TIMEOUT) as onward:
        onward.settimeout(None)
        onward.sendall(f"{host} {target_port}\n".encode())
        _relay(0, 1, onward)


def _relay(source: int, sink: int, onward: socket.socket) -> None:
    """Copy both ways until either side ends."""
    done = threading.Event()
    for pair in ((source, onward.fileno()), (onward.fileno(), sink)):
        threading.Thread(target=_copy, args=(*pair, done), daemon=True).start()
    done.wait()
    onward.shutdown(socket.SHUT_RDWR)


def _copy(source: int, sink: int, done: threading.Event) -> None:
    try:
        while data := os.read(source, _CHUNK):
            while data:
                data = data[os.write(sink, data) :]
    except OSError:
        pass
    finally:
        done.set()


def main(kind: str, address: str, port: str, *rest: str) -> None:
    if kind == "pipe":
        pipe(address, int(port), *rest)
    else:
        pairs = (word.rpartition("=") for word in rest)
        serve(kind, address, int(port), {key: value for key, _, value in pairs})


if __name__ == "__main__":
    main(*sys.argv[1:])
