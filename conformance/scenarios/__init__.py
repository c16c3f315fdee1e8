"""The table of scenarios, in the order in which they run."""

from __future__ import annotations

from typing import Final

from conformance.harness.scenario import Scenario
from conformance.scenarios import (
    badpeer,
    chain,
    dial,
    dump,
    ping,
    plainuser,
    pmtu,
    rekey,
    relay,
    restart,
    scripts,
    subnets,
    tcponly,
    transfer,
)

SCENARIOS: Final[tuple[Scenario, ...]] = (
    dial.SCENARIO,
    ping.OVER_IPV4,
    ping.OVER_IPV6,
    transfer.SCENARIO,
    chain.SCENARIO,
    relay.SCENARIO,
    tcponly.SCENARIO,
    restart.SCENARIO,
    rekey.SCENARIO,
    pmtu.SCENARIO,
    subnets.SCENARIO,
    scripts.SCENARIO,
    dump.SCENARIO,
    badpeer.SCENARIO,
    plainuser.SCENARIO,
)
