"""UDP sockets of a pump that nobody is to ask for anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tincd_compat.addresses import SocketAddress


class NoSockets:
    """Fails for whatever is asked; subclasses answer what may be asked of them."""

    def descriptors(self) -> Sequence[int]:
        raise AssertionError

    def source(
        self, index: int, host: str, port: int, scope: int, local: str
    ) -> SocketAddress:
        raise AssertionError(host)

    def choose(self, address: SocketAddress, remembered: int) -> int | None:
        raise AssertionError(address)

    def endpoint(
        self, address: SocketAddress, remembered: int
    ) -> tuple[int, bool, str] | None:
        raise AssertionError(address)

    def sender(
        self, address: SocketAddress, remembered: int
    ) -> Callable[[bytes], OSError | None] | None:
        raise AssertionError(address)

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        raise AssertionError(peer)

    def train_refused(
        self, address: SocketAddress | None, remembered: int, error: int
    ) -> None:
        raise AssertionError(address)

    def full(self, index: int, lost: int, sent: int) -> tuple[int, int]:
        raise AssertionError(index)
