"""The pictures of the page in docs/images: ``python docs/screenshots.py RUN`` of a run of configs/evaluate.yaml.

By headless Chromium and selenium, a test extra.
"""

from __future__ import annotations

import argparse
import io
import shutil
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver

IMAGES = Path(__file__).parent / "images"
VIEWS = {
    "grid": ("view=grid", (1280, 800), False),
    "detail": ("view=detail", (1280, 860), True),
    "summary": ("view=summary", (1280, 1000), False),
    "phone": ("view=grid", (390, 844), False),
}
"""By name: what the link says, pixels, and whether the system prefers dark colours."""
WIDTH = 900
"""Of a picture in the pages."""


def shot(page: str, view: str, size: tuple[int, int], dark: bool) -> Image.Image:
    """The page as a window of that size shows it."""
    options = webdriver.ChromeOptions()
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={size[0]},{size[1]}",
    ):
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    # named, so that nothing is looked for on the web
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    try:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        if size[0] < 500:
            metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 2, "mobile": True}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(f"{page}#{view}")
        time.sleep(1.5)  # until all maps are drawn
        return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    finally:
        browser.quit()


def main() -> None:
    """Take all."""
    parser = argparse.ArgumentParser(description="The pictures of the page in docs/images.")
    parser.add_argument("run", type=Path)
    page = (parser.parse_args().run / "report.html").resolve().as_uri()
    for name, (view, size, dark) in VIEWS.items():
        picture = shot(page, view, size, dark)
        width = WIDTH // 3 if size[0] < 500 else WIDTH
        picture.resize((width, round(width * picture.height / picture.width)), Image.Resampling.LANCZOS).save(
            IMAGES / f"{name}.jpg", quality=85
        )


if __name__ == "__main__":
    main()
