"""HTTP for whoever is let in: each connection one request, all of it within bounds.

The server is the standard library's, a thread for each connection: a scrape waits for
daemons most of its time, and there are few scrapers.
"""

from __future__ import annotations

import io
import socket
import socketserver
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from tincd_compat.admin.following import EventStream
from tincd_compat.admin.places import MOST_CONNECTIONS, Places
from tincd_compat.admin.replies import HttpReply

#: Bytes of a request and its headers, and the seconds until they are there.
LONGEST_REQUEST: Final = 8192
REQUEST_TIME: Final = 5.0
#: Seconds in which an answer is to be taken, or one piece of a stream.
ANSWER_TIME: Final = 20.0

_PIECE: Final = 4096
_ENDS: Final = (b"\r\n\r\n", b"\n\n")

#: Return the answer to a GET for a path, asked of a host by this name.
Answer = Callable[[str, str], HttpReply]
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
        self._stream: EventStream | None = None
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
        """Write the answer; the time for all of it is bounded, not that for a piece.

        A stream goes on until whoever follows has gone, or does not take a piece.
        """
        try:
            self._send(self._written.getvalue())
            for piece in self._stream or ():
                if self._is_gone():
                    break
                self._send(piece)
        finally:
            if self._stream is not None:
                self._stream.close()

    def _send(self, data: bytes) -> None:
        self.connection.settimeout(ANSWER_TIME)
        self.connection.sendall(data)

    def _is_gone(self) -> bool:
        """Return whether the other side has closed; what else it says is not heard."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(_PIECE)
        except BlockingIOError:
            return False

    def do_GET(self) -> None:
        """Answer with a body."""
        self._reply(has_body=True)

    def do_HEAD(self) -> None:
        """Answer with the same headers and no body."""
        self._reply(has_body=False)

    def _reply(self, *, has_body: bool) -> None:
        try:
            reply = self._answer(self.path, self.headers.get("Host", ""))
        except Exception:
            # A fault of ours costs one answer and is seen, by both sides.
            self._log(f"answering failed: {traceback.format_exc()}")
            self.send_error(500)
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        if reply.stream is None:
            self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if has_body:
            self.wfile.write(reply.body)
            self._stream = reply.stream
        elif reply.stream is not None:
            reply.stream.close()

    def version_string(self) -> str:
        """Return what the answer says of its server."""
        return "tincd-compat"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: strangers decide how many requests there are."""


class Server(socketserver.ThreadingTCPServer):
    """Listens, and has a thread for each connection, as many as there are places."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 2 * MOST_CONNECTIONS

    def __init__(
        self, host: str, port: int, answer: Answer, log: Log, followers: int
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._log = log
        self._places = Places(MOST_CONNECTIONS + followers)
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


def serve(host: str, port: int, answer: Answer, log: Log, followers: int = 0) -> None:
    """Answer until the process is stopped; ``followers`` may stay beside the others."""
    with Server(host, port, answer, log, followers) as server:
        # Nobody asks it to stop but by a signal, so it need not look for that.
        server.serve_forever(poll_interval=3600)
