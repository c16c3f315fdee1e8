"""This process among others: standard streams, name, detaching, signals."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

#: The name of the process, which scripts look for.
PROCESS_NAME: Final = "tincd"

#: Signals that mean something to tincd.  They are held from before the pid file exists
#: until their handlers do: whoever reads the file may send one at any moment.
SIGNALS: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


def open_missing_streams() -> None:
    """Open ``/dev/null`` for each of the descriptors 0, 1, 2 that is closed.

    Otherwise a socket or the log file would get that number, and with it whatever is
    meant for the terminal.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is this one, since those below are open.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def inherited_descriptors(listening: int) -> tuple[int, ...]:
    """Return what was open before us, asked for before anything else is.

    The standard streams and ``listening`` sockets after them are not among it.  No
    standard stream is a directory, since Python does not start with one.
    """
    found = (int(name) for name in os.listdir("/proc/self/fd"))
    return tuple(
        sorted(each for each in found if each >= 3 + listening and _open(each))
    )


def _open(descriptor: int) -> bool:
    """Tell whether a descriptor was open before the directory of descriptors was."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def complain(text: str) -> None:
    """Write a line to stderr past the log: usage, pid file and ``-k`` messages."""
    print(text, file=sys.stderr, flush=True)


def set_name(argv: Sequence[str]) -> None:
    """Be called tincd, with the command line ``argv``, where the kernel lets us.

    ``killall`` and ``pgrep`` look at the one, ``pidof`` and ``pgrep -f`` at the other,
    where the interpreter would come first.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        Path("/proc/self/comm").write_text(PROCESS_NAME)
        _set_command_line(argv)


def _set_command_line(argv: Sequence[str]) -> None:
    """Write over the memory in which the kernel keeps it (proc(5), arg_start)."""
    shown = b"".join(os.fsencode(word) + b"\0" for word in argv)
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if start and len(shown) <= end - start:
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(shown.ljust(end - start, b"\0"))


def hold_signals() -> None:
    """Keep the signals of :data:`SIGNALS` waiting until :func:`handle_signals`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def handle_signals(
    loop: asyncio.AbstractEventLoop, handlers: Mapping[int, Callable[[], None]]
) -> None:
    """Call a handler from ``loop`` for each signal, those held so far included."""
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class Readiness:
    """The word to the parent of a detached daemon, which waits for it to exit.

    The parent's status is then the child's: 0 when :meth:`ready` was called, or the
    status with which the child ended before that.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        """``descriptor`` is the pipe to the parent, None in the foreground."""
        self._descriptor = descriptor

    def ready(self) -> None:
        """Let the parent go; stderr, the last tie to the terminal, goes too."""
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, b"\0")
        except BrokenPipeError:
            pass  # the parent was killed; there is nobody to tell
        finally:
            os.close(self._descriptor)
            self._descriptor = None
        null_streams(2)


def detach() -> Readiness:
    """Go into the background; only the child returns.

    It leads a session of its own in ``/``, reads and writes nothing, but keeps stderr
    until it is ready.
    """
    sys.stdout.flush()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(write_end)
        # Ctrl-C ends the wait without a traceback; the child is out of its reach.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os._exit(await_child(read_end, child))
    os.close(read_end)
    os.setsid()
    os.chdir("/")
    null_streams(0, 1)
    return Readiness(write_end)


def await_child(read_end: int, child: int) -> int:
    """Return 0 once the child is ready, or else the status with which it ended."""
    if os.read(read_end, 1):
        return 0
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 1


def null_streams(*descriptors: int) -> None:
    """Let standard streams lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)


def import_asyncio() -> None:
    """Import asyncio for a daemon, as in a Python that was built without OpenSSL.

    No connection of tincd's has TLS, and the module ``ssl`` is a megabyte of memory and
    a twentieth of a start.  Whoever imports it later gets it.
    """
    if "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("asyncio")
    finally:
        del sys.modules["ssl"]
