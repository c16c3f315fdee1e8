"""Both implementations of the data plane, and all that is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from tests.tunnel.pumping import Lab
from tests.tunnel.world import World
from tincd_compat._fast import core
from tincd_compat.tunnel import codec


@pytest.fixture(scope="module", params=["pure", "compiled"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests with the Python half and with the compiled one."""
    name: str = request.param
    if name == "compiled" and core is None:
        pytest.skip("the compiled half is not built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "core", core if name == "compiled" else None)
        yield name


@pytest.fixture
def make() -> Iterator[Callable[..., Lab]]:
    labs: list[Lab] = []

    def build(world: World | None = None, **settings: bool) -> Lab:
        world = world or World()
        labs.append(Lab(world, **settings))
        world.subnet("b", "10.0.2.0/24")
        world.subnet("c", "10.0.3.0/24")
        return labs[-1]

    yield build
    for lab in labs:
        lab.close()


@pytest.fixture
def lab(make: Callable[..., Lab]) -> Lab:
    return make()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "tincd"):
        yield caplog
