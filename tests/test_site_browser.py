"""The built site in Chromium, as wide as a telephone and as a desk: nothing runs off a page, search, dark."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import require

pytestmark = [pytest.mark.browser, pytest.mark.once]

ROOT = Path(__file__).parent.parent
TELEPHONE, DESK = {"width": 390, "height": 844}, {"width": 1400, "height": 900}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    require("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    """Its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    where = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=where, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("viewport", [TELEPHONE, DESK], ids=["telephone", "desk"])
def test_no_page_scrolls_sideways(
    viewport: dict[str, int], folder: Path, site: str, browser: Any
) -> None:
    """Wide tables and code scroll by themselves; every picture is there."""
    page, errors = browser.new_page(viewport=viewport), []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 400 else None)
    wide = []
    for file in sorted(folder.rglob("*.html")):
        address = file.relative_to(folder).as_posix()
        if address != "404.html":  # its links are those of a site at the root of a domain
            page.goto(site + address)
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append(address)
    assert not wide
    assert not errors
    page.close()


@pytest.mark.parametrize("viewport", [TELEPHONE, DESK], ids=["telephone", "desk"])
def test_search_finds_a_scheme(viewport: dict[str, int], site: str, browser: Any) -> None:
    page = browser.new_page(viewport=viewport)
    page.goto(site)
    if viewport is TELEPHONE:
        page.locator("label[for=__search]").first.click()
    page.locator("input.md-search__input").click()
    page.get_by_text("Type to start searching").wait_for()  # the index has come
    page.keyboard.type("DeltaOrthogonal")
    found = page.locator("a.md-search-result__link[href*='schemes/orthogonal.html']").first
    found.wait_for()
    found.click()
    page.wait_for_url("**/schemes/orthogonal.html*")
    assert page.locator("[id='keras_inits.DeltaOrthogonal']").is_visible()
    page.close()


def test_light_and_dark(site: str, browser: Any) -> None:
    """As the system has it; the button in the header says otherwise, on the next page, too."""
    light = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport=DESK, color_scheme=scheme)
        page.goto(site + "models.html")
        light[scheme] = _brightness(page)
        page.close()
    assert light["dark"] < 64 < 192 < light["light"]
    page = browser.new_page(viewport=DESK, color_scheme="light")
    page.goto(site)
    for _ in range(2):  # from the system's to light, from light to dark
        page.locator("[data-md-component=palette] label:visible").click()
    page.goto(site + "models.html")
    assert _brightness(page) < 64
    page.close()


def _brightness(page: Any) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3
