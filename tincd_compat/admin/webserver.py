"""HTTP for whoever is let in: each connection one request, all of it within bounds.

The server is the standard library's, a thread for each connection: a scrape waits for
daemons most of its time, and there are few scrapers.
"""

from __future__ import annotations

import io
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from tincd_compat.admin.website import HttpReply

#: Connections at once.  A daemon lets sixteen clients in, and some of them are people.
MOST_CONNECTIONS: Final = 8
#: Bytes of a request and its headers, and the seconds until they are there.
LONGEST_REQUEST: Final = 8192
REQUEST_TIME: Final = 5.0
#: Seconds in which an answer is to be taken.
ANSWER_TIME: Final = 20.0

_PIECE: Final = 4096
_ENDS: Final = (b"\r\n\r\n", b"\n\n")

#: Return the answer to a GET for a path.
Answer = Callable[[str], HttpReply]
Log = Callable[[str], object]


class TooLong(Exception):
    """The request has more bytes than any that is meant well."""


def read_request(
    receive: Callable[[float], bytes], clock: Callable[[], float]
) -> bytes:
    """Return a request up to its empty line; nothing if it ends before.

    ``receive`` waits as long as it is told.  Single bytes, sent slowly, prolong
    nothing: TimeoutError if the whole is not there in time.
    """
    end = clock() + REQUEST_TIME
    request = b""
    while not any(mark in request for mark in _ENDS):
        left = end - clock()
        if left <= 0:
            raise TimeoutError
        piece = receive(left)
        if not piece:
            return b""
        request += piece
        if len(request) > LONGEST_REQUEST:
            raise TooLong
    return request


class Handler(BaseHTTPRequestHandler):
    """One connection: reads all of a request, then writes all of an answer."""

    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def __init__(
        self,
        request: Any,
        client_address: Any,
        server: Any,
        *,
        answer: Answer,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer = answer
        self._log = log
        self._clock = clock
        self._is_too_long = False
        super().__init__(request, client_address, server)

    def setup(self) -> None:
        """Read the request."""
        self.connection = self.request
        self.wfile = self._written = io.BytesIO()
        request = b""
        try:
            request = read_request(self._receive, self._clock)
        except TooLong:
            self._is_too_long = True
        self.rfile = io.BytesIO(request)

    def _receive(self, patience: float) -> bytes:
        self.connection.settimeout(patience)
        piece: bytes = self.connection.recv(_PIECE)
        return piece

    def handle(self) -> None:
        """Answer the request, whatever further ones came in the same piece."""
        if self._is_too_long:
            self.requestline, self.command = "", "GET"
            self.request_version = "HTTP/1.0"
            self.send_error(431)
            return
        self.handle_one_request()

    def finish(self) -> None:
        """Write the answer; the time for all of it is bounded, not that for a piece."""
        self.connection.settimeout(ANSWER_TIME)
        self.connection.sendall(self._written.getvalue())

    def do_GET(self) -> None:
        """Answer with a body."""
        self._reply(has_body=True)

    def do_HEAD(self) -> None:
        """Answer with the same headers and no body."""
        self._reply(has_body=False)

    def _reply(self, *, has_body: bool) -> None:
        try:
            reply = self._answer(self.path)
        except Exception:
            # A fault of ours costs one answer and is seen, by both sides.
            self._log(f"answering failed: {traceback.format_exc()}")
            self.send_error(500)
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if has_body:
            self.wfile.write(reply.body)

    def version_string(self) -> str:
        """Return what the answer says of its server."""
        return "tincd-compat"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: strangers decide how many requests there are."""


class Places:
    """Places for connections, of which whoever comes takes one or is sent away."""

    def __init__(self, most: int = MOST_CONNECTIONS) -> None:
        self._free = threading.BoundedSemaphore(most)

    def take(self) -> bool:
        """Return whether there was a place."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Let the next one have the place."""
        self._free.release()


class Server(socketserver.ThreadingTCPServer):
    """Listens, and has a thread for each connection, as many as there are places."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 2 * MOST_CONNECTIONS

    def __init__(self, host: str, port: int, answer: Answer, log: Log) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._log = log
        self._places = Places()
        super().__init__((host, port), partial(Handler, answer=answer, log=log))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread, or close the connection if there is no place."""
        if not self._places.take():
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.give_back()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.give_back()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what is no matter of the connection: those that break off may do so."""
        if not isinstance(sys.exc_info()[1], OSError):
            self._log(f"a connection failed: {traceback.format_exc()}")


def serve(host: str, port: int, answer: Answer, log: Log) -> None:
    """Answer until the process is stopped."""
    with Server(host, port, answer, log) as server:
        # Nobody asks it to stop but by a signal, so it need not look for that.
        server.serve_forever(poll_interval=3600)
