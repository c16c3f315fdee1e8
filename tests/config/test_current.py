"""What a reload makes of the settings in force, for every variable of our own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.daemon.fakes import subnet
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.settings import Settings
from tincd_compat.config.variables import VARIABLES, Scope

OWN = [name for name, each in VARIABLES.items() if Scope.OWN in each.scope]
OLD = Settings(name="us", subnets=(subnet("10.1.0.0/24"),))


@pytest.mark.parametrize("variable", [name for name in OWN if name != "Subnet"])
def test_a_changed_variable_counts_or_waits(variable: str) -> None:
    field, at_once = VARIABLES[variable].field, VARIABLES[variable].reload
    changes: dict[str, Any] = {field: object()}
    new = replace(OLD, **changes)
    settings = CurrentSettings(OLD)
    assert settings.reload(new) == ([] if at_once else [variable])
    assert settings.current == (new if at_once else OLD)


def test_own_subnets_count() -> None:
    settings = CurrentSettings(OLD)
    new = replace(OLD, subnets=(subnet("10.9.0.0/24"),))
    assert settings.reload(new) == []
    assert settings.current.subnets == new.subnets


def test_another_name_waits_with_its_subnets() -> None:
    settings = CurrentSettings(OLD)
    new = Settings(name="them", subnets=(subnet("10.9.0.0/24"),))
    assert settings.reload(new) == ["Name"]
    assert settings.current == OLD


def test_what_waits_is_named_until_the_next_start() -> None:
    settings = CurrentSettings(OLD)
    new = replace(OLD, port="700", maclength=8)
    assert settings.reload(new) == settings.reload(new) == ["MACLength", "Port"]
    assert settings.reload(OLD) == []
