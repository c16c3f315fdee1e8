from __future__ import annotations

import pytest

from tincd_compat.config.settings import Settings
from tincd_compat.config.values import Mode
from tincd_compat.daemon import unsupported
from tincd_compat.errors import ConfigError


def test_an_ordinary_configuration(caplog: pytest.LogCaptureFixture) -> None:
    unsupported.check(Settings(name="us"))
    assert caplog.messages == []


@pytest.mark.parametrize("mode", [Mode.SWITCH, Mode.HUB])
def test_what_would_change_who_talks_to_whom(mode: Mode) -> None:
    with pytest.raises(ConfigError, match=f"Mode = {mode.value} is not supported yet"):
        unsupported.check(Settings(name="us", mode=mode))
