"""A Chromium without a screen, inside a namespace, driven by selenium."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from conformance.harness.netns import Namespace, entered
from conformance.harness.waits import SOON, wait_for

#: What a machine needs for it: commands, and a library for Python.
TOOLS: Final = ("chromium", "chromedriver")
LIBRARIES: Final = ("selenium",)

#: It runs as root, without a network, and is to ask nobody but the page's own host.
_OPTIONS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-dev-shm-usage"),
    "--disable-crash-reporter",
)


class Browser:
    """One window; what is asked of the page is JavaScript, or a key that is pressed."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def open(self, address: str) -> None:
        """Load a page, as if nothing had been shown before."""
        self._driver.get("about:blank")
        self._driver.get(address)

    def resize(self, width: int, height: int) -> None:
        """Show the page as a screen of this size does."""
        metrics = {"width": width, "height": height}
        metrics |= {"deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def run(self, script: str, *values: object) -> Any:
        """Return what a function of the document returns."""
        return self._driver.execute_script(script, *values)

    def texts(self, selector: str) -> list[str]:
        """Return the texts of elements."""
        script = "const found = document.querySelectorAll(arguments[0]);"
        script += "return [...found].map((each) => each.textContent)"
        found: list[str] = self.run(script, selector)
        return found

    def wait_text(self, selector: str, condition: Callable[[str], bool]) -> str:
        """Wait until an element has a text as it should be; return that one."""
        return wait_for(
            f"a text in {selector}",
            lambda: next(
                (each for each in self.texts(selector) if condition(each)), None
            ),
            SOON,
            every=0.2,
        )

    def click(self, selector: str) -> None:
        """Click where an element is, as a hand would."""
        from selenium.webdriver.common.by import By

        self._driver.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, selector: str, text: str) -> None:
        """Empty a field and type into it."""
        from selenium.webdriver.common.by import By

        field = self._driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def press(self, *names: str) -> None:
        """Press keys, by their names in selenium, where the focus is."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        chain = ActionChains(self._driver)
        for name in names:
            chain.send_keys(getattr(Keys, name))
        chain.perform()

    def complaints(self) -> list[str]:
        """Return what the console has been told since it was asked last."""
        return [each["message"] for each in self._driver.get_log("browser")]

    def took(self, script: str) -> float:
        """Return the seconds of a function of the document."""
        begun = time.monotonic()
        self.run(script)
        return time.monotonic() - begun


@contextmanager
def browser(namespace: Namespace, directory: Path) -> Iterator[Browser]:
    """Have a Chromium in a namespace; all of it is gone in the end."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for word in _OPTIONS:
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={directory / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Its process, and the connections to it, belong where this thread is.
    with entered(namespace.name):
        service = Service("/usr/bin/chromedriver")
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield Browser(driver)
        finally:
            driver.quit()
