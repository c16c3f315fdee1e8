from __future__ import annotations

import pytest

from tests.transport.fakes import FakeLoop
from tincd_compat.daemon import unexpected
from tincd_compat.daemon.unexpected import UnexpectedErrors


def fail(reason: str) -> Exception:
    try:
        raise ZeroDivisionError(reason)
    except ZeroDivisionError as error:
        return error


def fail_elsewhere() -> Exception:
    try:
        raise KeyError("b")
    except KeyError as error:
        return error


def test_a_traceback_once_for_each_place(caplog: pytest.LogCaptureFixture) -> None:
    subject = UnexpectedErrors()
    for error in (fail("a"), fail("b"), fail_elsewhere(), fail("c")):
        subject.report("Doing it", error)
    assert [bool(record.exc_info) for record in caplog.records] == [
        *(True, False, True, False)
    ]
    assert caplog.messages[:3] == [
        "Doing it: ZeroDivisionError: a",
        "Doing it: ZeroDivisionError: b",
        "Doing it: KeyError: 'b'",
    ]
    assert {record.levelname for record in caplog.records} == {"ERROR"}


def test_an_error_that_was_never_raised(caplog: pytest.LogCaptureFixture) -> None:
    UnexpectedErrors().report("Doing it", KeyError("a"))
    assert caplog.messages == ["Doing it: KeyError: 'a'"]


def test_memory_of_places_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(unexpected, "MAX_PLACES", 1)
    subject = UnexpectedErrors()
    for error in (fail("a"), fail_elsewhere(), fail("c"), fail("d")):
        subject.report("Doing it", error)
    assert [bool(record.exc_info) for record in caplog.records] == [
        *(True, True, True, False)
    ]


def test_what_the_loop_finds(loop: FakeLoop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_exception_handler(UnexpectedErrors().from_loop)
    loop.call(lambda: loop.call_soon(fail_loudly))
    loop.call_exception_handler({"message": "Something odd"})
    first, second = caplog.records
    assert "fail_loudly" in first.getMessage()
    assert first.getMessage().endswith(": ZeroDivisionError: in the loop")
    assert first.exc_info is not None
    assert second.getMessage() == "Something odd"


def fail_loudly() -> None:
    raise ZeroDivisionError("in the loop")
