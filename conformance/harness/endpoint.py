"""One end of a TCP connection inside a namespace, run as a program of its own.

``receive ADDRESS PORT`` and ``send ADDRESS PORT BYTES [STOP]`` print ``BYTES SHA256
SECONDS`` (the receiver after a line ``listening``; a source route leads over a stop);
``name ADDRESS PORT NAME`` tells its name to
every caller until it is killed;
``hold ADDRESS PORT`` takes UDP and never reads it, so that only the kernel counts;
``blast ADDRESS PORT SIZE RATE SECONDS`` sends datagrams of that size, so many a second,
and prints ``COUNT SECONDS``.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time

_CHUNK = 1 << 16
_TIMEOUT = 120.0


def receive(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        server.settimeout(_TIMEOUT)
        print("listening", flush=True)
        connection, _ = server.accept()
    digest, size, started = hashlib.sha256(), 0, time.monotonic()
    with connection:
        connection.settimeout(_TIMEOUT)
        while chunk := connection.recv(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
        print(size, digest.hexdigest(), time.monotonic() - started, flush=True)
        connection.sendall(b"done")


def connect(address: str, port: int, stop: str) -> socket.socket:
    if not stop:
        return socket.create_connection((address, port), _TIMEOUT)
    connection = socket.socket()
    connection.settimeout(_TIMEOUT)
    # Loose source routing (RFC 791); the kernel itself puts the last stop behind.
    route = bytes((131, 7, 4)) + socket.inet_aton(stop) + b"\0"
    connection.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, route)
    connection.connect((address, port))
    return connection


def send(address: str, port: int, size: int, stop: str = "") -> None:
    # One random megabyte over and over, each time begun at another place: within tinc's
    # packets incompressible, and no repetition for a lost or doubled part to hide in.
    block = os.urandom(1 << 20) * 2
    digest, sent, started = hashlib.sha256(), 0, time.monotonic()
    with connect(address, port, stop) as connection:
        while sent < size:
            start = sent * 31 % (1 << 20)
            chunk = block[start : start + min(_CHUNK, size - sent)]
            connection.sendall(chunk)
            digest.update(chunk)
            sent += len(chunk)
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(4) != b"done":
            raise ConnectionError("the receiver did not confirm")
    print(sent, digest.hexdigest(), time.monotonic() - started, flush=True)


def tell_name(address: str, port: int, name: str) -> None:
    with socket.create_server((address, port)) as server:
        print("listening", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(name.encode())


def hold(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        taker.bind((address, port))
        print("listening", flush=True)
        while True:
            time.sleep(60)


def blast(address: str, port: int, size: int, rate: int, seconds: float) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.connect((address, port))
        payload, send, sent = os.urandom(size), sender.send, 0
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            # What is due by now, in bursts of a millisecond or so.
            for _ in range(min(int(passed * rate) - sent, rate)):
                send(payload)
                sent += 1
            time.sleep(0.0005)
        print(sent, time.monotonic() - started, flush=True)


def main(role: str, address: str, port: str, *rest: str) -> None:
    if role == "receive":
        receive(address, int(port))
    elif role == "send":
        send(address, int(port), int(rest[0]), *rest[1:])
    elif role == "name":
        tell_name(address, int(port), rest[0])
    elif role == "hold":
        hold(address, int(port))
    else:
        blast(address, int(port), int(rest[0]), int(rest[1]), float(rest[2]))


if __name__ == "__main__":
    main(*sys.argv[1:])
