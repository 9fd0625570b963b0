"""A headless Chromium for the page tests; the test is skipped if there is none."""

import contextlib
import os
import shutil

import pytest


@contextlib.contextmanager
def open_page(address: str, *arguments: str):
    """A Selenium driver that shows a page. arguments: more of Chromium's own."""
    selenium = pytest.importorskip("selenium.webdriver", reason="needs requirements-demo.txt")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("needs chromium and chromedriver, which are not on the path")
    options = selenium.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    ours = ("--headless=new", "--window-size=1400,1000", "--disable-gpu")
    for argument in (*ours, *arguments):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium will not start for root otherwise
    shown = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    try:
        shown.get(address)
        yield shown
    finally:
        shown.quit()
