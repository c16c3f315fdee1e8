"""What every test starts with."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tincd_compat import logs

# Limits of time are a wall clock, and machines are shared: what is slow is for the
# bench to say.
settings.register_profile(
    "shared",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shared")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let property tests run untraced.

    What they reach differs from run to run, so coverage is what all other tests reach.
    Until Python 3.12 tracing makes all code several times slower, measured or not, and
    most that runs in a property test is hypothesis.
    """
    for item in items:
        if item.get_closest_marker("hypothesis") is not None:
            item.add_marker("no_cover")


def _tells_no_time(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Executing <")


# In its debug mode the event loop tells which callback took long.
logging.getLogger("asyncio").addFilter(_tells_no_time)


@pytest.fixture(autouse=True)
def _loggers_as_imported() -> Iterator[None]:
    """Undo what a test did to the debug level and the output of the log."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.NOTSET)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)


@pytest.fixture(scope="module")
def nothing_logged() -> Iterator[None]:
    """Let a module's tests log nothing where it would be thousands of lines each.

    pytest formats and keeps all lines of a test, in case that it fails.
    """
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def every_level(caplog: pytest.LogCaptureFixture) -> None:
    """Capture what is logged at all debug levels."""
    for logger in logs.THRESHOLDS:
        caplog.set_level(logging.DEBUG, logger.name)
