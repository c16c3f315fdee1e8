"""Lines that tincd reads in another way than they look."""

from __future__ import annotations

from tests.config.check.conftest import MAIN
from tests.config.check.mistakes import Mistake, alpha, beta, each_is_found, file, main

ROWS: list[Mistake] = [
    (
        main("Mode"),
        "tinc.conf:3: error: No value for variable `Mode': tincd does not start",
    ),
    (
        file("conf.d/x.conf", "\nMode =\n"),
        "conf.d/x.conf:2: error: No value for variable `Mode': tincd does not start",
    ),
    (
        alpha("Mode\n"),
        "hosts/alpha:1: error: No value for variable `Mode': the rest of the file is "
        "not read",
    ),
    (
        beta("Port\n"),
        "hosts/beta:1: error: No value for variable `Port': connections with this node "
        "are refused",
    ),
    (
        main(" Mode = switch"),
        "tinc.conf:3: warning: a line that begins with a blank or `=' has no effect",
    ),
    (
        file("tinc.conf", f"\ufeffMode = hub\n{MAIN}"),
        "tinc.conf:1: warning: a byte order mark is part of the name: this line has no "
        "effect; save the file without it",
    ),
    (
        main("Interface = vpn # the tunnel"),
        "tinc.conf:3: warning: a comment cannot follow a value: `#' and the rest are "
        "part of it",
    ),
    (
        main(f"#{'x' * 2048}"),
        "tinc.conf:3: warning: C tincd takes what follows byte 2048 for another line",
    ),
    (
        beta("-----BEGIN X-----\n"),
        "hosts/beta:5: error: a key block begins inside another one, which has no END"
        " line",
    ),
    (
        main("-----BEGIN RSA PUBLIC KEY-----"),
        "tinc.conf:3: error: this key block has no END line: the rest of the file is "
        "not read",
    ),
]

test_a_mistake_is_found = each_is_found(ROWS)
