"""The settings in force: one reference, which every part of the daemon reads on use."""

from __future__ import annotations

from dataclasses import replace

from tincd_compat.config.settings import Settings
from tincd_compat.config.variables import VARIABLES, Scope


class CurrentSettings:
    """Holder of the settings in force; ``current`` is read whenever a value is used.

    A part of the daemon that copies a value when it is made keeps that value until the
    next start.  Such variables are the ones without ``reload`` in the table.
    """

    def __init__(self, settings: Settings) -> None:
        #: The settings in force now; a reload replaces them as a whole.
        self.current = settings

    def reload(self, new: Settings) -> list[str]:
        """Put in force what SIGHUP may change of ``new``.

        The answer names the variables, as they are written in tinc.conf, whose new
        value has to wait for the next start.  With another Name the own subnets wait,
        too: they stand in the host file of that name.
        """
        old = self.current
        # A Subnet is no variable that is read on use: its change is announced.
        subnets = new.subnets if new.name == old.name else old.subnets
        self.current = replace(old.reloaded(new), subnets=subnets)
        return _waiting(old, new)


def _waiting(old: Settings, new: Settings) -> list[str]:
    names = [] if new.name == old.name else ["Name"]
    names += [
        name
        for name, variable in VARIABLES.items()
        if Scope.OWN in variable.scope
        and not variable.reload
        and variable.field != "subnets"
        and getattr(new, variable.field) != getattr(old, variable.field)
    ]
    return names
