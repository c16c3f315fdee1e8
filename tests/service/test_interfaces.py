from __future__ import annotations

from typing import Any

import pyroute2
import pytest

from tests.transport.fakes import oserror
from tincd_compat.service.interfaces import host_addresses


class Kernel:
    """An IPRoute that knows two links."""

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None: ...

    def get_links(self) -> list[dict[str, Any]]:
        return [{"index": 1, "ifname": "lo"}, {"index": 2, "ifname": "eth0"}]

    def get_addr(self) -> list[dict[str, Any]]:
        return [
            {"index": 1, "address": "127.0.0.1", "local": "127.0.0.1"},
            {"index": 2, "address": "192.0.2.254", "local": "192.0.2.2"},
            {"index": 2, "address": "2001:db8::2"},
            {"index": 3, "address": "2001:db8::3"},
            {"index": 2},
        ]


def test_addresses_have_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyroute2, "IPRoute", Kernel)
    assert host_addresses() == {
        "127.0.0.1": "lo",
        # Of a tunnel with two ends, ours.
        "192.0.2.2": "eth0",
        "2001:db8::2": "eth0",
        "2001:db8::3": "an interface",
    }


def test_a_kernel_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Kernel:
        raise oserror(1)

    monkeypatch.setattr(pyroute2, "IPRoute", refuse)
    assert host_addresses() == {}
