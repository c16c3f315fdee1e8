"""Other nodes, and whose subnets are whose."""

from __future__ import annotations

from tests.config.check.conftest import key_pair
from tests.config.check.mistakes import Mistake, alpha, beta, each_is_found, file, main

ROWS: list[Mistake] = [
    (
        main("ConnectTo = gamma"),
        "tinc.conf:3: error: cannot connect to gamma: there is no hosts/gamma",
    ),
    (main("ConnectTo = alpha"), "tinc.conf:3: warning: this is the node itself"),
    (
        file("hosts/beta", key_pair(2)[1]),
        "hosts/beta: error: there is no Address, but ConnectTo in tinc.conf line 2 "
        "needs one",
    ),
    # Subnets.
    (
        alpha("Subnet = 10.5.0.1/24\n"),
        "hosts/alpha:1: error: Network address and prefix length do not match for "
        "configuration variable Subnet (`10.5.0.1/24' has bits behind the prefix: "
        "10.5.0.0/24?)",
    ),
    (
        beta("Subnet = 10.5.0.1/24\n"),
        "hosts/beta:1: warning: Network address and prefix length do not match for "
        "configuration variable Subnet (`10.5.0.1/24' has bits behind the prefix: "
        "10.5.0.0/24?)",
    ),
    (
        alpha("Subnet = 10.5/16\n"),
        "hosts/alpha:1: error: Subnet expected for configuration variable Subnet "
        "(`10.5/16' is not a whole ADDRESS[/LENGTH][#WEIGHT])",
    ),
    (
        beta("Subnet = 10.1.0.0/16\n"),
        "hosts/beta:1: warning: 10.1.0.0/16 is a subnet of alpha too (hosts/alpha line "
        "1): with equal weights beta gets no packets while alpha is reachable",
    ),
    (
        file("hosts/aaa", "Subnet = 10.2.0.0/16#10\n" + key_pair(3)[1]),
        "hosts/beta:1: warning: 10.2.0.0/16 is a subnet of aaa too (hosts/aaa line 1): "
        "with equal weights beta gets no packets while aaa is reachable",
    ),
    (
        beta("Subnet = 10.2.0.0/16\n"),
        "hosts/beta:2: warning: 10.2.0.0/16 is in hosts/beta line 1 already",
    ),
]

test_a_mistake_is_found = each_is_found(ROWS)
