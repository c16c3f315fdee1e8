"""Two keys for one node, the older on the longer way: it is the last to arrive.

The giver and the user of the keys reach each other through a relay when the user asks
first.  What the relay has for the user is held back; meanwhile the two link up, and
the user, who asks again after ten seconds, gets another key over that link.  When the
first one arrives after all, the user goes on with it, and a giver that has given it up
hears nothing more: so does C, until keys are renewed.

The ten seconds are a constant of C's, and what a case waits for; then for TCP, which
tries again after pauses that grow as long as it was held back.
"""

from __future__ import annotations

from signal import SIGHUP
from typing import Final

from conformance.harness.checks import expect
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

#: Ten seconds between two requests, of either side, and a busy machine.
_ASKS_AGAIN: Final = 30.0
#: TCP doubles its pauses: one as long as all that was held back, and more.
_ARRIVES: Final = 60.0
#: The level of tinc that tells everything: the keys' owners, who are not always those
#: that a message is sent to or got from, and by which key a peer seals.
_ALL: Final = 10


def play(lab: Lab, placement: Placement) -> None:
    kind_giver, kind_user, kind_relay = placement
    plans = [
        Plan(name="giver", kind=kind_giver, connect_to=("relay",), debug=_ALL),
        Plan(name="user", kind=kind_user, connect_to=("relay",), debug=_ALL),
        Plan(name="relay", kind=kind_relay),
    ]
    mesh = Mesh(lab, plans)
    giver, user, relay = mesh
    mesh.start()
    mesh.wait_reachable()
    # The keys of neighbours do not matter here: what asks early asks for those.
    user.log.wait(r"^Got ANS_KEY from relay ", 20)
    giver.log.wait(r"^Sending ANS_KEY to relay ", 20)
    asked = r"^Sending REQ_KEY to relay .*: 15 user giver"
    expect(not user.log.has(asked), "the user has asked too early")
    mark, given = user.log.mark(), giver.log.mark()
    firewall = lab.firewall(user)
    firewall.hold_tcp(relay.outer[0])
    say("  the first key, by way of the relay, and held back there")
    ping(user, giver.address, count=2)
    giver.log.wait(r"^Sending ANS_KEY to relay .*: 16 giver user ", 10, given)

    say("  the second, over a link of their own")
    with (giver.etc / "tinc.conf").open("a") as file:
        file.write("ConnectTo = user\n")
    giver.signal(SIGHUP)
    giver.wait_connected(["relay", "user"], 20)

    def came() -> bool:
        ping(user, giver.address, count=1)
        return user.log.has(r"^Got ANS_KEY from giver ", mark)

    wait_for("the user has the second key", came, _ASKS_AGAIN, every=0.5)
    user.wait_pmtu("giver")
    expect_ping(user, giver.address)
    first = r"^Got ANS_KEY from relay .*: 16 giver user "
    expect(not user.log.has(first, mark), "nothing held back")

    say("  the first key arrives")
    firewall.clear()
    user.log.wait(first, _ARRIVES, mark)
    wait_ping(user, giver.address, 5)
    expect_ping(user, giver.address, count=50)
    row = user.row("giver")
    expect(row is not None and row.mtu_fixed, "pings no longer ride UDP")
    if giver.kind is Kind.OURS:
        line = r"^user seals with another of our keys$"
        expect(giver.log.has(line), "the user did not turn to the first key")


SCENARIO = Scenario(
    name="crossed-keys",
    summary="two keys for a C node, the older one arrives last",
    placements=((Kind.OURS, Kind.C, Kind.C), (Kind.OURS, Kind.C, Kind.OURS)),
    play=play,
    seconds=30,
)
