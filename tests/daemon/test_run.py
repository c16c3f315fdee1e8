"""What becomes of a daemon as a whole: its exit status."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.daemon.fakes import start_options
from tests.daemon.life import Life, told
from tincd_compat.config.parser import Entry, read_server_config
from tincd_compat.daemon import run
from tincd_compat.service.start import StartOptions


@pytest.mark.parametrize("text", ["Mode = bridge\n", "PrivateKeyFile = /nowhere\n"])
def test_a_configuration_that_will_not_do(
    life: Life, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    life.write(text)
    given = start_options(life.directory)
    work = run._run(given, read_server_config(life.directory, ()))
    assert life.loop.run(work) == 1
    lines = told(caplog)
    assert len(lines) >= 2
    assert lines[-1] == "Terminating"


@pytest.fixture
def _collector_as_it_was() -> Iterator[None]:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.callbacks[:] = callbacks
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_collector_as_it_was")
def test_the_exit_status_is_that_of_the_daemon(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        def __init__(self, options: StartOptions, entries: list[Entry]) -> None:
            """Nothing to build."""

        async def run(self) -> int:
            return 7

    monkeypatch.setattr(run, "Daemon", Short)
    assert life.loop.run(run._run(start_options(life.directory), [])) == 7
