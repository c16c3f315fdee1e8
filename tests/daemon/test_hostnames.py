from __future__ import annotations

import asyncio

import pytest

from tests.meta.scripted import HOSTNAME, connection
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.hostnames import HostNames
from tincd_compat.meta.connection import Role

PLACE = SocketAddress("10.0.0.2", 655)


@pytest.mark.parametrize(
    ("error", "hostname"),
    [
        (None, "gate port tinc"),
        (OSError(-2, "Name or service not known"), HOSTNAME),
        (TimeoutError(), HOSTNAME),
    ],
)
def test_a_connection_gets_the_name_if_there_is_one(
    error: OSError | None, hostname: str
) -> None:
    async def lookup(address: SocketAddress) -> str:
        assert address is PLACE
        if error is not None:
            raise error
        return "gate port tinc"

    subject = connection(Role.RESPONDER)

    async def run() -> None:
        names = HostNames(lookup)
        names.improve(subject, PLACE)
        assert subject.hostname == HOSTNAME
        await asyncio.gather(*names._tasks)

    asyncio.run(run())
    assert subject.hostname == hostname


def test_nothing_is_left_after_the_end() -> None:
    async def lookup(address: SocketAddress) -> str:
        await asyncio.Event().wait()
        return ""

    subject = connection(Role.RESPONDER)

    async def run() -> None:
        names = HostNames(lookup)
        names.improve(subject, PLACE)
        tasks = list(names._tasks)
        names.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not names._tasks

    asyncio.run(run())
    assert subject.hostname == HOSTNAME
