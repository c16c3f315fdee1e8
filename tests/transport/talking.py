"""A fake loop for whole conversations on a socket."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.transport.fakes import FakeLoop


class TalkingLoop(FakeLoop):
    """Sends and receives at once; a socket with nothing more to read stays silent."""

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        while data:
            data = data[sock.send(data) :]

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        try:
            data: bytes = sock.recv(nbytes)
        except BlockingIOError:
            await asyncio.sleep(1e6)
            return b""
        return data
