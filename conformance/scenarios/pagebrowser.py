"""The exporter's page in a Chromium: of three daemons, and of a thousand that are told.

The thousand are records without daemons behind them; that the page is quick enough for
them is measured against limits that only end what hangs.
"""

from __future__ import annotations

from typing import Final

from conformance.harness import browser
from conformance.harness.asking import socket_of
from conformance.harness.browser import Browser
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.exporter import PORT, Exporter
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.scenario import Scenario
from conformance.harness.toldmesh import ToldDaemon, ToldMesh
from conformance.harness.waits import SOON, wait_for
from conformance.scenarios.page import staged

_ADDRESS: Final = f"http://127.0.0.1:{PORT}/"
_NAMES: Final = "#rows th"
_ALERT: Final = "#trouble:not([hidden])"
#: What a browser would take for markup if the page let it.
_MARKUP: Final = "<img src=x onerror=alert(1)><script>alert(2)</script>"
#: Seconds that a turn of the page with a thousand nodes may take, on any machine.
_TURN: Final = 20.0
_AMOUNT: Final = 1000


def play(lab: Lab, placement: Placement) -> None:
    mesh = staged(lab, placement)
    _, b, c = mesh
    told = lab.directory / "told.sock"
    daemon = ToldDaemon(told, ToldMesh(_AMOUNT))
    nets = {NETNAME: socket_of(b), "told": told}
    exporter = Exporter(lab, b.namespace, nets)
    with browser.browser(b.namespace, lab.directory) as seen:
        seen.resize(1280, 900)
        _three(seen)
        _explained(seen)
        c.stop()
        seen.wait_text("#events .text", lambda text: text.startswith("c "))
        seen.wait_text("#rows tr", lambda text: text.startswith("c") and "down" in text)
        expect_equal("what the console was told", seen.complaints(), [])
        _thousand(seen, daemon)
        expect_equal("what the console was told", seen.complaints(), [])
        _graphless(seen, daemon)
        _stopped(seen, b)
        exporter.stop()
        seen.wait_text(_ALERT, lambda text: "exporter does not answer" in text)
        exporter.start()
        wait_for("the page goes on", lambda: not seen.texts(_ALERT), SOON, 0.2)
    daemon.close()
    exporter.complain()


def _three(seen: Browser) -> None:
    """The staged mesh is shown."""
    seen.open(f"{_ADDRESS}#{NETNAME}")
    wait_for("three rows", lambda: seen.texts(_NAMES) == ["a", "b", "c"], SOON, 0.2)
    expect_equal("heading", seen.texts("h1"), [NETNAME])
    seen.wait_text("#summary", lambda text: "2 of 2 nodes reachable" in text)
    seen.wait_text("#following", lambda text: text == "as they happen")
    things = seen.texts("#map [role=button] text")
    expect_equal("names in the map", sorted(things), ["a", "b", "c"])
    expect_equal("links in the map", len(seen.texts("#map line")), 2)
    seen.wait_text("#events .text", lambda text: "a" in text)


def _explained(seen: Browser) -> None:
    """A node is explained on a click, and by keys alone; Escape closes."""
    title = "#explanation[open] h2"
    seen.click("#map [aria-label^='a:']")
    seen.wait_text(title, lambda text: text == "a")
    seen.wait_text("#explanation .checks", lambda text: "ok" in text)
    seen.press("ESCAPE")
    wait_for("the dialog is closed", lambda: not seen.texts(title), SOON, 0.1)
    seen.run("document.querySelector(\"#map [tabindex='0']\").focus()")
    seen.press("HOME", "ENTER")
    seen.wait_text(title, lambda text: text == "b")
    seen.press("ESCAPE")
    seen.type("#target", "172.30.3.1")
    seen.press("ENTER")
    seen.wait_text("#explanation-body", lambda text: "of c" in text)
    seen.press("ESCAPE")


def _thousand(seen: Browser, daemon: ToldDaemon) -> None:
    """A thousand rows: another net is chosen, sorted, filtered, and followed."""
    seen.run(
        "const nets = document.getElementById('nets'); nets.value = 'told';"
        "nets.dispatchEvent(new Event('change'))"
    )
    wait_for("all rows", lambda: len(seen.texts(_NAMES)) == _AMOUNT, SOON, 0.5)
    button = "document.querySelector('[data-column=sent]')"
    expect(seen.took(f"{button}.click()") < _TURN, "sorting takes too long")
    expect_equal("who has been sent most", seen.texts(_NAMES)[0], "n0998")
    order = seen.run(f"return {button}.parentElement.getAttribute('aria-sort')")
    expect_equal("the order that is told", order, "descending")
    filter = "const field = document.getElementById('filter'); field.value = 'n004';"
    taken = seen.took(f"{filter} field.dispatchEvent(new Event('input'))")
    expect(taken < _TURN, "filtering takes too long")
    expect_equal("rows that are left", len(seen.texts(_NAMES)), 10)
    expect_equal("their number", seen.texts("#count"), ["10 of 1000 nodes"])
    things = len(seen.texts("#map [role=button]"))
    expect(20 < things <= 2 * 60 + 12, f"{things} things in the map")
    daemon.tell("n0042", f"n0042 says {_MARKUP}")
    seen.wait_text("#events .text", lambda text: text == f"n0042 says {_MARKUP}")
    expect_equal("markup out of a text", seen.texts("img, section script"), [])
    for width in (1280, 390):
        seen.resize(width, 800)
        wide = seen.run("return document.documentElement.scrollWidth")
        expect(wide <= width, f"{wide} pixels on a screen of {width}")
    seen.resize(1280, 900)


def _graphless(seen: Browser, daemon: ToldDaemon) -> None:
    """A graph is longer than what is passed on: all but the map is there."""
    daemon.mesh.repeated = 40
    daemon.tell("n0043", "n0043 is there")
    seen.wait_text("#map-note", lambda text: "longer than anything" in text)
    expect_equal("rows without a map", len(seen.texts(_NAMES)), 10)


def _stopped(seen: Browser, b: TincNode) -> None:
    """The page of a daemon that has ended says so, and goes on with the next one."""
    seen.open(f"{_ADDRESS}#{NETNAME}")
    wait_for("rows", lambda: "b" in seen.texts(_NAMES), SOON, 0.2)
    b.stop()
    seen.wait_text(_ALERT, lambda text: "is not running" in text)
    b.start()
    wait_for("it goes on", lambda: not seen.texts(_ALERT), SOON, 0.2)
    seen.wait_text("#events .text", lambda text: "start" in text)
    wait_for("rows", lambda: "b" in seen.texts(_NAMES), SOON, 0.2)
    b.stop()
    seen.open(f"{_ADDRESS}#{NETNAME}")
    seen.wait_text(_ALERT, lambda text: "is not running" in text)
    b.start()
    wait_for("it begins", lambda: not seen.texts(_ALERT), SOON, 0.2)


SCENARIO: Final = Scenario(
    name="page-browser",
    summary="the exporter's page in Chromium: mesh, events, explanations, 1000 nodes",
    placements=((Kind.C, Kind.OURS, Kind.C),),
    play=play,
    seconds=40,
    tools=browser.TOOLS,
    libraries=browser.LIBRARIES,
    extra=True,
)
