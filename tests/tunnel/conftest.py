"""Both implementations of the data plane, for the tests that hold for either."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tincd_compat.tunnel import codec
from tincd_compat.tunnel._fast import core


@pytest.fixture(scope="module", params=["pure", "compiled"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests with the Python half and with the compiled one."""
    name: str = request.param
    if name == "compiled" and core is None:
        pytest.skip("the compiled half is not built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "core", core if name == "compiled" else None)
        yield name
