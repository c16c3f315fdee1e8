"""Every signal at every moment of a life: when it is acted upon.

The table is what tincd 1.0.36 does, as the conformance scenario ``signals`` shows;
entries that differ on purpose are in ARCHITECTURE.md.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.daemon.life import Life
from tincd_compat import logs
from tincd_compat.daemon import slices
from tincd_compat.service.notify import Notifier


class When(enum.Enum):
    NOW = "at once"
    LATER = "when the loop serves"
    NEVER = "not at all"


NOW, LATER, NEVER = When

#: Signals that do not stop the daemon, with a line or a notification that shows that
#: one has been acted upon.
SHOWN: Final[Mapping[str, str]] = {
    "HUP": "RELOADING=1",
    "ALRM": "Flushing event queue",
    "USR1": "End of connections.",
    "USR2": "End of subnet list.",
    "WINCH": "Purging unreachable nodes",
    "INT": "toggle",
}
MOMENTS: Final[Mapping[str, Mapping[str, When]]] = {
    "tinc-up": {
        **dict.fromkeys(("HUP", "ALRM", "WINCH"), LATER),
        **dict.fromkeys(("USR1", "USR2", "INT"), NOW),
    },
    "serving": dict.fromkeys(SHOWN, NOW),
    "reload": dict.fromkeys(SHOWN, NOW),
    "stop": {
        **dict.fromkeys(("HUP", "ALRM", "WINCH"), NEVER),
        **dict.fromkeys(("USR1", "USR2", "INT"), NOW),
    },
}
TABLE: Final = [
    (moment, name, when)
    for moment, entries in MOMENTS.items()
    for name, when in entries.items()
]


def reach(life: Life, moment: str) -> None:
    """Bring a daemon to a moment."""
    if moment == "tinc-up":
        life.scripts.over.clear()
    life.start()
    if moment == "reload":
        life.loop.call_soon(life.loop.signals[signal.SIGHUP])
    if moment == "stop":
        life.scripts.over.clear()
        life.signal("TERM")


@pytest.fixture
def shown(life: Life, caplog: pytest.LogCaptureFixture) -> Callable[[str], int]:
    """Return how often a signal has been acted upon."""

    def count(name: str) -> int:
        told = [*life.log, *caplog.messages, *life.silent_log.calls]
        return sum(line.startswith(SHOWN[name]) for line in told)

    return count


@pytest.mark.parametrize(("moment", "name", "when"), TABLE)
def test_when_a_signal_is_acted_upon(
    life: Life,
    shown: Callable[[str], int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    name: str,
    when: When,
) -> None:
    # One step of a reload in each turn, so that signals come between two.
    monkeypatch.setattr(slices, "SLICE", -1.0)
    reach(life, moment)
    before = 1 if (moment, name) == ("reload", "HUP") else 0
    life.signal(name)
    assert shown(name) - before == (when is NOW)
    life.scripts.over.set()
    life.loop.settle()
    assert shown(name) - before == (when is not NEVER)
    # tincd says so of these alone.
    acknowledged = f"Got {name} signal" in caplog.messages
    assert acknowledged == (name in {"HUP", "ALRM", "INT"})
    if moment != "stop":
        life.signal("TERM")
    assert life.loop.run_until_complete(life.result) == 0
    assert life.take()[-2:] == ["tinc-down", "device closed"]


@pytest.mark.parametrize("name", ["TERM", "QUIT"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_to_stop_at_any_moment(life: Life, moment: str, name: str) -> None:
    reach(life, moment)
    life.signal(name)
    life.scripts.over.set()
    assert life.loop.run_until_complete(life.result) == 0
    assert life.take()[-2:] == ["tinc-down", "device closed"]


@pytest.mark.parametrize("names", [("HUP", "ALRM", "WINCH"), ("ALRM", "WINCH", "HUP")])
def test_what_waits_for_the_loop_is_done_once_and_in_one_order(
    life: Life, caplog: pytest.LogCaptureFixture, names: tuple[str, ...]
) -> None:
    life.write("ConnectTo = peer\n")
    life.notifier = Notifier(logs.always.info)
    life.scripts.over.clear()
    life.start()
    for name in names * 2:
        life.signal(name)
    life.scripts.over.set()
    life.loop.settle()
    order = [SHOWN[name] for name in ("WINCH", "ALRM", "HUP")]
    lines = [line.partition("\n")[0] for line in caplog.messages]
    assert [line for line in lines if line in order] == order
    assert life.tasks() == ["ConnectTo peer"]
