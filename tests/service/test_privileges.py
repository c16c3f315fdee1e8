from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tincd_compat.errors import ConfigError, DeviceError
from tincd_compat.service import privileges

ACCOUNT = pwd.struct_passwd(("tinc", "x", 1234, 5678, "", "/", "/bin/false"))

#: The system calls in the order in which they are made for ``-U -R``.
CALLS = ("initgroups", "setresgid", "chroot", "chdir", "setresuid", "setuid")


class System:
    """Notes the system calls; ``failing`` names one that is refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.failing = "setuid"
        for name in CALLS:
            monkeypatch.setattr(os, name, self._call(name))
        monkeypatch.setattr(pwd, "getpwnam", self._account)

    def _call(self, name: str) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            self.calls.append((name, *arguments))
            if name == self.failing:
                raise PermissionError(errno.EPERM, "Operation not permitted")

        return call

    def _account(self, name: str) -> pwd.struct_passwd:
        if name != "tinc":
            raise KeyError(name)
        return ACCOUNT


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


GROUPS = [("initgroups", "tinc", 5678), ("setresgid", 5678, 5678, 5678)]
ROOT = [("chroot", Path("/etc/tinc/vpn")), ("chdir", "/")]
USER = [("setresuid", 1234, 1234, 1234), ("setuid", 0)]


@pytest.mark.parametrize(
    ("user", "root", "calls"),
    [
        (None, None, []),
        ("tinc", None, GROUPS + USER),
        (None, Path("/etc/tinc/vpn"), ROOT),
        ("tinc", Path("/etc/tinc/vpn"), GROUPS + ROOT + USER),
    ],
)
def test_groups_then_root_then_user(
    system: System,
    user: str | None,
    root: Path | None,
    calls: list[tuple[object, ...]],
) -> None:
    privileges.drop(user, root)
    assert system.calls == calls


def test_an_unknown_user(system: System) -> None:
    with pytest.raises(ConfigError, match=r"^unknown user `nosuch'$"):
        privileges.drop("nosuch", Path("/"))
    assert system.calls == []


@pytest.mark.parametrize(
    ("failing", "named"),
    [
        ("initgroups", "initgroups"),
        ("setresgid", "initgroups"),
        ("chroot", "chroot"),
        ("chdir", "chroot"),
        ("setresuid", "setuid"),
    ],
)
def test_a_refused_call_is_named(system: System, failing: str, named: str) -> None:
    system.failing = failing
    with pytest.raises(DeviceError) as caught:
        privileges.drop("tinc", Path("/etc/tinc/vpn"))
    assert str(caught.value) == (
        f"System call `{named}' failed: Operation not permitted"
    )


def test_a_way_back_is_an_error(system: System) -> None:
    system.failing = ""
    with pytest.raises(DeviceError, match="regained"):
        privileges.drop("tinc", None)


@pytest.mark.parametrize("nice", [10, 0, -10])
def test_priority(monkeypatch: pytest.MonkeyPatch, nice: int) -> None:
    calls: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "setpriority", lambda *given: calls.append(given))
    privileges.set_priority(nice)
    assert calls == [(os.PRIO_PROCESS, 0, nice)]


def test_a_refused_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "setpriority", refuse)
    with pytest.raises(DeviceError) as caught:
        privileges.set_priority(-10)
    assert str(caught.value) == "System call `setpriority' failed: Permission denied"


NO_MEMORY_TO_LOCK = """
import ctypes, os, resource, threading
from tincd_compat.errors import DeviceError
from tincd_compat.service import privileges
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
if os.geteuid() == 0:
    os.setuid(65534)
try:
    privileges.lock_memory()
except DeviceError as error:
    print(error)
"""


LOCKED_AND_SOMEBODY_ELSE = """
import encodings.idna, os, resource, sys, threading
from tincd_compat.service import privileges
resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
if sys.argv[1] == "refused":
    def refuse(*_): raise ValueError("not allowed to raise maximum limit")
    resource.setrlimit = refuse
privileges.lock_memory()
privileges.allow_growth()
os.setuid(65534)
thread = threading.Thread(target=print, args=("a thread",))
thread.start()
thread.join()
print(len(bytearray(1 << 24)))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may lock all memory")
@pytest.mark.parametrize("lifting", ["tried", "refused"])
def test_locked_memory_can_grow_as_somebody_else(lifting: str) -> None:
    command = [sys.executable, "-c", LOCKED_AND_SOMEBODY_ELSE, lifting]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"a thread\n{1 << 24}\n"


def test_memory_that_cannot_be_locked() -> None:
    command = [sys.executable, "-c", NO_MEMORY_TO_LOCK]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "System call `mlockall' failed: Operation not permitted\n"
