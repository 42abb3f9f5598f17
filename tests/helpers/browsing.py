"""A Chromium without a window, and what tests ask of a page in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900", "--force-color-profile=srgb")
PATIENCE = 30.0


def find_chromium() -> tuple[str, str] | None:
    """The browser and its driver; None where they are not installed."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def start_chromium(browser: str, driver: str) -> Chrome:
    """One that keeps what pages print and ask the network for."""
    options = ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options=options, service=ChromeService(driver))


class Tab:
    """A page in a browser."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def open(self, page: Path | str, hash: str = "") -> None:
        """Load a page and wait until what is in view is there."""
        self.load(page, hash)
        self.settle()

    def load(self, page: Path | str, hash: str = "") -> None:
        """Until the page is ready: its photographs may still be decoded. Logs of earlier ones are dropped."""
        self.browser.get("about:blank")
        self.requests(), self.errors()
        address = page if isinstance(page, str) else page.as_uri()
        self.browser.get(f"{address}#{hash}" if hash else address)
        self.wait("document.documentElement.dataset.ready === 'true'")

    def settle(self) -> None:
        """Until every photograph in view is decoded, which lines and maps wait for; what loads a part of a page waits itself."""
        self.browser.execute_async_script(_SETTLE)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition: str, *arguments: Any) -> None:
        """Until an expression holds; promises are not waited for."""
        WebDriverWait(self.browser, PATIENCE, 0.05).until(
            lambda browser: browser.execute_script(f"return Boolean({condition.strip()})", *arguments), condition
        )

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements("css selector", selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """What is read at some elements, shown or not."""
        return [
            str(text)
            for text in self.run(
                "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector
            )
        ]

    def choose(self, label: str, value: Any) -> None:
        """Give a form's control, known by its label, another value, as its user would."""
        self.run(_CHOOSE, label, value)
        self.settle()

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)
        self.settle()

    def press(self, keys: str) -> None:
        """Keys, on whatever has the focus."""
        ActionChains(self.browser).send_keys(keys).perform()
        self.settle()

    @property
    def hash(self) -> str:
        return str(self.run("return location.hash.slice(1)"))

    def pixel(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[int, ...]:
        """The colour of a canvas, or of a place on a line's sheet, at shares of its width and height, once it is painted."""
        self.wait(_IS_PAINTED, selector)
        return tuple(self.run(_PIXEL, selector, x, y))

    def width(self, selector: str) -> int:
        """How many pixels wide a canvas is, once it is painted: one that is not has the size of any empty canvas."""
        self.wait(_IS_PAINTED, selector)
        return int(self.run("return document.querySelector(arguments[0]).width", selector))

    def errors(self) -> list[str]:
        """What was printed to the console since it was last asked for, but for what is only told."""
        return [
            entry["message"] for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
        ]

    def requests(self) -> Sequence[str]:
        """The addresses that were asked for since, data: and blob: aside."""
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "blob:", "about:"))]


_CHOOSE = """
const [label, value] = arguments;
const control = [...document.querySelectorAll("input, select")].find((each) => each.getAttribute("aria-label") === label
  || [...(each.labels ?? [])].some((one) => one.textContent.trim().startsWith(label)));
if (!control) throw new Error(`no control is called ${label}`);
if (control.type === "checkbox") { if (control.checked !== value) control.click(); return; }
if (control.multiple) for (const option of control.options) option.selected = value.includes(option.value);
else control.value = value;
control.dispatchEvent(new Event("input", { bubbles: true }));
control.dispatchEvent(new Event("change", { bubbles: true }));
"""

# What comes into view is told between two frames.
_SETTLE = """
const [done] = arguments;
const { photographs } = document.querySelector("x-grid").shown;
const wait = () => requestAnimationFrame(() => requestAnimationFrame(() => photographs.loading.size ? wait() : done()));
wait();
"""

_IS_PAINTED = """
((part) => part && part.painted !== undefined && part.drawn === part.painted)(document.querySelector(arguments[0]))
"""

_PIXEL = """
const [selector, x, y] = arguments;
const part = document.querySelector(selector);
const [left, top] = [Math.floor(x * part.width) + (part.left ?? 0), Math.floor(y * part.height)];
return [...(part.sheet ?? part).getContext("2d").getImageData(left, top, 1, 1).data].slice(0, 3);
"""
