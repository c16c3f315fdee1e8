"""Variables of tinc.conf(5) that are understood but cannot be honoured here yet.

They would change who can talk to whom, so they stop the start.
"""

from __future__ import annotations

from tincd_compat.config.settings import Settings
from tincd_compat.config.values import Mode
from tincd_compat.errors import ConfigError


def check(settings: Settings) -> None:
    """Refuse what this version cannot do; ConfigError says which variable it is."""
    if settings.mode is not Mode.ROUTER:
        raise ConfigError(
            f"Mode = {settings.mode.value} is not supported yet, only router is"
        )
