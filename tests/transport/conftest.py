"""A loop for each test, and all log lines where a module asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.transport.fakes import FakeLoop


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.shut()
