"""Variables: unknown ones, ones in the wrong file, and ones that do not count."""

from __future__ import annotations

from tests.config.check.mistakes import Mistake, alpha, beta, each_is_found, file, main

ROWS: list[Mistake] = [
    (
        main("ConectTo = beta"),
        "tinc.conf:3: warning: unknown variable `ConectTo': did you mean ConnectTo?",
    ),
    (
        main("mod = switch"),
        "tinc.conf:3: warning: unknown variable `mod': did you mean Mode?",
    ),
    (
        main("Zzz = 1"),
        "tinc.conf:3: warning: unknown variable `Zzz': it has no effect",
    ),
    (
        main("autoconnect = yes"),
        "tinc.conf:3: info: AutoConnect is of tinc 1.1 and has no effect, as with C "
        "tincd 1.0",
    ),
    (
        main("IffOneQueue = no"),
        "tinc.conf:3: info: IffOneQueue has no effect: current kernels ignore it",
    ),
    (
        main("Address = example.org"),
        "tinc.conf:3: warning: Address has no effect here: it belongs into the host "
        "file of a node",
    ),
    (
        beta("Mode = switch\n"),
        "hosts/beta:1: warning: Mode has no effect in the host file of another node",
    ),
    (
        alpha("Mode = router\n"),
        "hosts/alpha:1: warning: Mode belongs into tinc.conf: C tincd forgets it here "
        "at SIGHUP",
    ),
    (
        alpha("Name = alpha\n"),
        "hosts/alpha:1: warning: Name has no effect here: it belongs into tinc.conf",
    ),
    (
        main("Mode = hub", "Mode = switch"),
        "tinc.conf:4: warning: Mode has no effect here: the one in tinc.conf line 3 "
        "counts (the lowest line number does)",
    ),
    (
        file("conf.d/a.conf", "Name = omega\n"),
        "tinc.conf:1: warning: Name has no effect here: the one in conf.d/a.conf line 1"
        " counts (the lowest line number does)",
    ),
    (
        beta("Port = 1\nPort = 2\n"),
        "hosts/beta:2: warning: Port has no effect here: the one in hosts/beta line 1 "
        "counts (the lowest line number does)",
    ),
]

test_a_mistake_is_found = each_is_found(ROWS)
