"""The device and its interface: names that the kernel does not take as they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from tincd_compat.addresses import MAX_INTERFACE_NAME, interface_fault
from tincd_compat.config.check.files import file_mode
from tincd_compat.config.check.findings import Place, Report
from tincd_compat.config.check.scripts import check_setup
from tincd_compat.config.parser import Config
from tincd_compat.config.settings import Settings
from tincd_compat.modes import Mode

_USUAL: Final = "/dev/net/tun"


def check_device(
    settings: Settings,
    config: Config,
    directory: Path,
    netname: str | None,
    report: Report,
) -> None:
    """Look at a tun or tap device, and at the interface that sockets are bound to."""
    bound = config.first("BindToInterface")
    if bound is not None:
        _check_interface(bound.value, bound, "", report)
    kind = settings.device_type or ("tun" if settings.mode is Mode.ROUTER else "tap")
    if kind not in ("tun", "tap"):
        return
    named = config.first("Interface")
    if named is not None:
        _check_interface(named.value, named, "", report)
    elif netname is not None:
        what = f"the interface of net {netname}: "
        _check_interface(netname, directory, what, report)
    device = config.first("Device")
    if device is not None:
        mode = file_mode(Path(device.value))
        if mode is None:
            text = f"there is no {device.value}: {_USUAL} is the usual device"
            report.error(device, text)
        elif not stat.S_ISCHR(mode):
            text = f"{device.value} is no device: {_USUAL} is the usual one"
            report.error(device, text)
    check_setup(directory, report)


def _check_interface(name: str, place: Place, what: str, report: Report) -> None:
    """Look at the name of an interface, which is cut to what the kernel takes."""
    fault = interface_fault(name)
    encoded = os.fsencode(name)
    if fault is not None:
        report.error(place, what + fault)
    elif len(encoded) > MAX_INTERFACE_NAME:
        cut = os.fsdecode(encoded[:MAX_INTERFACE_NAME])
        text = f"only {MAX_INTERFACE_NAME} bytes of the name count: that makes it {cut}"
        report.warning(place, what + text)
