"""Nothing beside the messages of a mesh takes time."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from functools import lru_cache

import pytest

from tincd_compat import logs
from tincd_compat.meta.messages import AddEdge, AddSubnet, DelEdge


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the module that takes longest, beside which the others find room."""
    items.sort(key=lambda item: item.path.stem != "test_three_hundred")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No log lines and no garbage collector, which millions of messages would feel.

    A flooded line is the same for everybody, so it is parsed once for all.
    """
    for kind in (AddEdge, DelEdge, AddSubnet):
        parse = lru_cache(65536)(kind.parse)
        monkeypatch.setattr(kind, "parse", staticmethod(parse))
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.CRITICAL)
    gc.disable()
    yield
    gc.enable()
