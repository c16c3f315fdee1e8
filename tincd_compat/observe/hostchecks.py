"""The checks of an explanation that the command makes: the kernel's route, our device.

The command asks the kernel and hands in plain values; the daemon's explanation gets two
checks more at its front, and another cause if one of them has found it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tincd_compat.observe.answers import Check, Explanation, Finding
from tincd_compat.observe.remedies import Subject, command
from tincd_compat.observe.words import Cause, CheckName, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What the kernel says of an address and of our interface."""

    #: The address that was asked about; None where there is none to ask about.
    address: str | None = None
    #: The interface to which the kernel sends it; None if it has no route.
    device: str | None = None
    #: The route in words, as ``ip route get`` prints it.
    route: str = ""
    #: Our interface; None if the daemon has none.
    interface: str | None = None
    #: Whether that is up; None if it cannot be told.
    up: bool | None = None


def with_host(
    explanation: Explanation, host: HostView, net: str | None, folder: str
) -> Explanation:
    """Return the explanation with the checks of this host ahead."""
    found = [_route(host), _device(host)]
    checks = tuple(check for check, _ in found)
    explained = replace(explanation, checks=(*checks, *explanation.checks))
    subject = Subject(
        net=net,
        folder=folder,
        to=host.address or explanation.to,
        interface=host.interface or "?",
    )
    for check, cause in found:
        if cause is not None:
            finding = Finding(check=check.check, cause=cause, text=check.text)
            return replace(explained, cause=finding, command=command(cause, subject))
    return explained


def _route(host: HostView) -> tuple[Check, Cause | None]:
    name, ours = CheckName.KERNEL_ROUTE, host.interface
    facts = {"address": host.address, "device": host.device, "route": host.route}
    verdict, cause = Verdict.OK, None
    if host.address is None or ours is None:
        verdict, text = Verdict.SKIPPED, "no address to ask the kernel about"
    elif host.device == ours:
        text = f"the kernel sends {host.address} to {ours}"
    else:
        verdict, cause = Verdict.HERE, Cause.KERNEL_ROUTE
        way = "nowhere" if host.device is None else f"to {host.device}"
        text = f"the kernel sends {host.address} {way} and not to {ours}:"
        text = f"{text} a route is missing"
    return Check(check=name, result=verdict, text=text, facts={**facts}), cause


def _device(host: HostView) -> tuple[Check, Cause | None]:
    name, ours = CheckName.DEVICE, host.interface
    verdict, cause = Verdict.OK, None
    if ours is None or host.up is None:
        verdict, text = Verdict.SKIPPED, "no interface to look at"
    elif host.up:
        text = f"{ours} is up"
    else:
        verdict, cause = Verdict.HERE, Cause.DEVICE_DOWN
        text = f"{ours} is down or gone"
    facts = {"device": ours, "up": host.up}
    return Check(check=name, result=verdict, text=text, facts={**facts}), cause
