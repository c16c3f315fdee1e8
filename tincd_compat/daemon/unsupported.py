"""Variables of tinc.conf(5) that are understood but have no effect here yet.

What would change who can talk to whom stops the start; the rest is said once.
"""

from __future__ import annotations

from tincd_compat import logs
from tincd_compat.config.settings import Settings
from tincd_compat.config.values import Mode
from tincd_compat.errors import ConfigError


def check(settings: Settings) -> None:
    """Refuse or announce what this version cannot do; ConfigError if it matters."""
    if settings.mode is not Mode.ROUTER:
        raise ConfigError(
            f"Mode = {settings.mode.value} is not supported yet, only router is"
        )
    if settings.proxy is not None:
        raise ConfigError("Proxy is not supported yet: remove it to connect directly")
    for variable, given in (("Hostnames", settings.hostnames),):
        if given:
            logs.always.warning("%s is not supported yet and ignored", variable)
