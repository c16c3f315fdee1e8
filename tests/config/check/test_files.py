"""Files that are missing, that cannot run, or that everybody may write."""

from __future__ import annotations

import shutil

from tests.config.check.mistakes import (
    Mistake,
    each_is_found,
    file,
    mode,
    removed,
)

ROWS: list[Mistake] = [
    (
        removed("tinc.conf"),
        "tinc.conf: error: Cannot open config file tinc.conf: No such file or "
        "directory",
    ),
    (
        removed("hosts/alpha"),
        "hosts/alpha: error: Cannot open config file hosts/alpha: No such file or "
        "directory",
    ),
    (
        lambda net: shutil.rmtree(net / "hosts"),
        "hosts: error: Could not open hosts: No such file or directory",
    ),
    (
        mode("tinc.conf", 0o646),
        "tinc.conf: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("hosts", 0o777),
        "hosts: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("hosts/beta", 0o666),
        "hosts/beta: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("tinc-up", 0o777),
        "tinc-up: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode(".", 0o777),
        "here: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("tinc-up", 0o644),
        "tinc-up: error: the script is not executable; `chmod +x' makes it so",
    ),
    (
        file("hosts/beta-down", "", 0o600),
        "hosts/beta-down: error: the script is not executable; `chmod +x' makes it so",
    ),
    (
        file("host-up/x", ""),
        "host-up: error: a script is expected here, not a directory",
    ),
    (
        file("hosts/be-ta", ""),
        "hosts/be-ta: warning: this is not the name of a node: letters, digits and _ "
        "make one",
    ),
]

test_a_mistake_is_found = each_is_found(ROWS)
