"""Which offloads are used: the switches, and the line that says so at the start.

All are on by default and fall back by themselves where the kernel lacks one or it does
not work.  Each has a variable of the configuration and one of the environment, for
kernels that have an offload and are wrong about it.  C tincd ignores the former.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tincd_compat import logs
from tincd_compat.config.settings import Settings
from tincd_compat.dataclass import dataclass
from tincd_compat.device.base import Device
from tincd_compat.device.vnet import OffloadWishes
from tincd_compat.segments import offload
from tincd_compat.transport.udp import UdpSocket
from tincd_compat.transport.udp_options import DatagramSocket

#: Environment variable → what it switches off unless it is empty or 0.
ENVIRONMENT: Final = {
    "TINCD_COMPAT_NO_UDP_GSO": "udp_gso",
    "TINCD_COMPAT_NO_UDP_GRO": "udp_gro",
    "TINCD_COMPAT_NO_TUN_TSO": "tun_tso",
    "TINCD_COMPAT_NO_TUN_GRO": "tun_gro",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedOffloads:
    """Offloads that may be used."""

    udp_gso: bool = True
    """Datagrams for one peer leave in one piece (UDPGSO)."""
    udp_gro: bool = True
    """Datagrams of one peer arrive in one piece (UDPGRO)."""
    tun_tso: bool = True
    """The device hands over segments of one flow in one piece (TunTSO)."""
    tun_gro: bool = True
    """The device is given segments of one flow in one piece (TunGRO)."""

    @property
    def device(self) -> OffloadWishes:
        return OffloadWishes(
            segmentation=self.tun_tso,
            coalescing=self.tun_gro,
            # Hardly a program reads datagrams in one piece.  For the others the kernel
            # takes pieces apart again, which costs it nearly what single writes would:
            # merging has to be cheaper than Python is.
            datagrams=offload.COMPILED,
        )

    def sockets(
        self, udp: Iterable[DatagramSocket], *, elastic: bool = False
    ) -> list[UdpSocket]:
        """Return bound sockets with what may be used of the kernel's help.

        ``elastic`` lets their send buffers have the size that is good.
        """
        return [
            UdpSocket(
                sock,
                segmentation=self.udp_gso,
                coalescing=self.udp_gro,
                elastic=elastic,
            )
            for sock in udp
        ]


def allowed(settings: Settings, environment: Mapping[str, str]) -> AllowedOffloads:
    """Return which offloads neither configuration nor environment switches off."""
    off = {
        field
        for variable, field in ENVIRONMENT.items()
        if environment.get(variable, "") not in ("", "0")
    }
    return AllowedOffloads(
        udp_gso=settings.udp_gso and "udp_gso" not in off,
        udp_gro=settings.udp_gro and "udp_gro" not in off,
        tun_tso=_cuts_well(settings) and "tun_tso" not in off,
        tun_gro=settings.tun_gro and "tun_gro" not in off,
    )


def _cuts_well(settings: Settings) -> bool:
    """Tell whether the device is to hand over segments in one piece.

    To cut a piece into segments, checksums and all, costs Python more than to read them
    one by one, so it has to be asked for.
    """
    return offload.COMPILED if settings.tun_tso is None else settings.tun_tso


def report(
    device: Device, sockets: Sequence[UdpSocket], handler: str, cryptography: str
) -> None:
    """Log who handles packets, what enciphers them, and which offloads are in use."""
    used: list[str] = []
    if any(udp.segmentation for udp in sockets):
        used.append("UDP segmentation")
    if any(udp.coalescing for udp in sockets):
        used.append("UDP coalescing")
    used += device.offload_names()
    logs.connections.info(
        "Packets are handled by %s (%s); offloads in use: %s",
        handler,
        cryptography,
        ", ".join(used) or "none",
    )
