"""The rules that find what is wrong with this host: device, keys, scripts, clock.

A rule is one of those that :mod:`.rules` describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tincd_compat.observe.codec import Facts
from tincd_compat.observe.look import LISTED_NAMES, Look, ProblemFound
from tincd_compat.observe.wording import bracketed, count
from tincd_compat.observe.words import (
    ProblemCode,
    PythonReason,
    ScriptResult,
)

#: Seconds for which a script may run.
SLOW_SCRIPT: Final = 30.0
#: Datagrams for which the kernel had no room, within the window.
NO_ROOM: Final = 100
#: Lines of the log that were left out within the window; a few are what a line that is
#: repeated now and then comes to.
LEFT_OUT_LINES: Final = 100
#: Seconds by which the clock may be set, and for how long it is told of.
CLOCK_STEP: Final = 10.0
CLOCK_MEMORY: Final = 3600.0
_WEAK_CIPHERS: Final = ("des", "rc2", "rc4", "cast5", "idea", "bf")
_WEAK_DIGESTS: Final = frozenset({"md4", "md5", "mdc2"})
_PYTHON: Final = {
    PythonReason.NOT_BUILT: "the compiled half is not there, or its OpenSSL 3 is not",
    PythonReason.SWITCHED_OFF: "TINCD_COMPAT_PURE is set",
}


def device(look: Look) -> Iterator[ProblemFound]:
    error = look.views.own.device_error
    if error is not None:
        yield ProblemFound(ProblemCode.DEVICE, None, error, {"error": error})


def reload_failed(look: Look) -> Iterator[ProblemFound]:
    own = look.views.own
    if own.reload_ok is False:
        text = f"the configuration is broken, the old one counts: {own.reload_error}"
        yield ProblemFound(
            ProblemCode.RELOAD_FAILED, None, text, {"error": own.reload_error}
        )


def own_suite(look: Look) -> Iterator[ProblemFound]:
    """``plaintext`` and ``weak-cipher`` of our own configuration."""
    suite = look.views.own.suite
    if suite is None:
        return
    facts: Facts = {
        "cipher": suite.cipher,
        "digest": suite.digest,
        "mac_length": suite.mac_length,
    }
    shape = suite.cipher, suite.digest, suite.mac_length
    if text := plain(*shape):
        yield ProblemFound(ProblemCode.PLAINTEXT, None, f"packets to us: {text}", facts)
    if text := weak(*shape):
        yield ProblemFound(
            ProblemCode.WEAK_CIPHER, None, f"packets to us: {text}", facts
        )


def plain(cipher: str, digest: str, mac_length: int) -> str:
    """Return what a suite lacks; empty for nothing."""
    lacks = ["not encrypted"] if cipher == "none" else []
    if digest == "none" or not mac_length:
        lacks.append("not authenticated")
    return ", ".join(lacks)


def weak(cipher: str, digest: str, mac_length: int) -> str:
    """Return what is weak about a suite; empty for nothing."""
    found = []
    if cipher.startswith(_WEAK_CIPHERS) or "-ecb" in cipher:
        found.append(cipher)
    if digest in _WEAK_DIGESTS:
        found.append(digest)
    if 0 < mac_length < 4 and digest != "none":
        found.append(f"a MAC of {count(mac_length, 'byte')}")
    return ", ".join(found)


def scripts(look: Look) -> Iterator[ProblemFound]:
    """``script-failed`` and ``script-slow``; both name all scripts in one."""
    bad = {ScriptResult.FAILED, ScriptResult.SIGNALLED, ScriptResult.NOT_STARTED}
    failed = [s for s in look.views.scripts if s.result in bad]
    if failed:
        said = [f"{s.name}{bracketed(s.text)}" for s in failed[:LISTED_NAMES]]
        names: Facts = {"scripts": [script.name for script in failed[:LISTED_NAMES]]}
        text = f"failed when they ran last: {', '.join(said)}"
        yield ProblemFound(ProblemCode.SCRIPT_FAILED, None, text, names)
    slow = [
        (script.running_since, script.name)
        for script in look.views.scripts
        if script.running_since is not None
        and look.now - script.running_since >= SLOW_SCRIPT
    ]
    if slow:
        names = {"scripts": [name for _, name in slow[:LISTED_NAMES]]}
        text = f"running for long: {', '.join(name for _, name in slow[:LISTED_NAMES])}"
        yield ProblemFound(ProblemCode.SCRIPT_SLOW, None, text, names, min(slow)[0])


def udp_buffer(look: Look) -> Iterator[ProblemFound]:
    own = look.views.own
    wanted, granted = own.udp_buffer_wanted, own.udp_buffer_granted
    earlier, later = look.udp_lost_earlier, own.udp_lost
    lost = 0 if earlier is None or later is None else later - earlier
    facts: Facts = {"wanted": wanted, "granted": granted, "lost": lost}
    if lost >= NO_ROOM:
        text = f"{lost} datagrams found no room in the receive buffer"
        yield ProblemFound(ProblemCode.UDP_BUFFER, None, text, facts)
    elif wanted is not None and granted is not None and granted < wanted:
        text = f"the kernel granted {granted} of {wanted} bytes to receive UDP"
        yield ProblemFound(ProblemCode.UDP_BUFFER, None, text, facts)


def python_path(look: Look) -> Iterator[ProblemFound]:
    """Packets are slower than they could be; who chose the device or the mode knows."""
    why = look.views.own.python_why
    if why in _PYTHON:
        text = f"Python moves the packets: {_PYTHON[why]}"
        yield ProblemFound(ProblemCode.PYTHON_PATH, None, text, {"why": str(why)})


def clock(look: Look) -> Iterator[ProblemFound]:
    own = look.views.own
    step, at = own.clock_step, own.clock_set
    if step is None or at is None or abs(step) < CLOCK_STEP:
        return
    if look.now - at < CLOCK_MEMORY:
        text = f"the clock was set by {step:+.0f} s: times before are off by that"
        yield ProblemFound(ProblemCode.CLOCK, None, text, {"step": step}, at)


def log_suppressed(look: Look) -> Iterator[ProblemFound]:
    lines = look.grown(lambda counters: counters.log_suppressed)
    if lines >= LEFT_OUT_LINES:
        text = f"{count(lines, 'line')} of the log left out, there were too many"
        yield ProblemFound(ProblemCode.LOG_SUPPRESSED, None, text, {"lines": lines})
