"""What must hold of every page: it is silent, asks nobody else, fits, and can be read by everybody."""

from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
WIDTHS = (360, 1280, 2560)
GRAVE = ("serious", "critical")
SHIFTS = """
    window.shifted = 0
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value
    }).observe({ type: 'layout-shift', buffered: true })
"""


class Watched:
    """What a page complained about, and whom it asked; its context remembers it."""

    found: dict[Page, Self] = {}  # noqa: RUF012 - of this module's pages

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []

    @classmethod
    def new(cls, context: BrowserContext) -> Page:
        page = context.new_page()
        watched = cls.found[page] = cls()
        page.on("console", watched.hear)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("request", watched.see)
        page.on("close", lambda closed: cls.found.pop(closed, None))
        return page

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def see(self, request: Request) -> None:
        self.requests.append(request.url)


def looks_right(page: Page) -> None:
    """In light and dark, on a phone, a laptop and a wall: nothing in the console, no other host, no overflow, axe."""
    page.wait_for_load_state("networkidle")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{page.url} is {over} px too wide at {width} px: {widest(page)}"
    page.set_viewport_size({"width": 1280, "height": 900})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert violations(page) == [], scheme
    assert silent(page)


def watch_shifts(page: Page) -> None:
    """From the next page that is loaded on."""
    page.add_init_script(SHIFTS)


def stayed_in_place(page: Page) -> bool:
    """Nothing was moved under the reader's eyes, but by what the reader did."""
    shifted = page.evaluate("window.shifted")
    assert shifted < 0.05
    return True


def silent(page: Page) -> bool:
    watched = Watched.found[page]
    host = urlsplit(page.url).netloc
    others = [url for url in watched.requests if urlsplit(url).netloc not in ("", host)]
    assert (watched.complaints, others) == ([], []), f"{watched.complaints}, {others}"
    return True


def violations(page: Page) -> list[Any]:
    """What axe-core finds serious: the rule, and where it is broken."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]]) for one in found if one["impact"] in GRAVE
    ]


def widest(page: Page) -> list[str]:
    script = """() => [...document.body.querySelectorAll('*')]
        .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map((one) => one.tagName + '.' + one.className).slice(0, 5)"""
    return list(page.evaluate(script))
