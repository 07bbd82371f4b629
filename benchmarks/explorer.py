"""The explorer in headless Chromium: its size, the time to its first chart and to the next, against an empty page.

Needs Playwright and Chromium (`pip install -e '.[browser]'`, `apt-get install chromium`). Only the ratios travel from machine to
machine.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import REPOSITORY, parser, report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = REPOSITORY / "evaluation" / "reports" / "explorer.html"
EMPTY = "<!DOCTYPE html><html lang=en><title>empty</title><script>performance.mark('first-chart')</script>"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
VIEWS = ("memory", "batches", "concurrency", "time", "measured", "rows", "claims", "numbers")
MARKED = "() => performance.getEntriesByName('first-chart')[0]?.startTime"
DRAWN = "() => Number(document.documentElement.dataset.drawn)"


def first_chart_ms(browser: Browser, address: str) -> float:
    """From the start of loading to the mark that the page sets when it has drawn."""
    page = browser.new_page()
    try:
        page.goto(address)
        page.wait_for_function(MARKED)
        return float(page.evaluate(MARKED))
    finally:
        page.close()


def next_chart_ms(browser: Browser, view: str) -> float:
    """From another choice to the drawn view."""
    page = browser.new_page()
    try:
        page.goto(f"file://{PAGE}#view={view}")
        page.wait_for_selector("html[data-ready]")
        page.evaluate("() => { document.documentElement.dataset.drawn = ''; location.hash += '&provision=mean'; }")
        page.wait_for_function("() => document.documentElement.dataset.drawn !== ''")
        return float(page.evaluate(DRAWN))
    finally:
        page.close()


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "explorer.csv")
    arguments.add_argument("--repeat", type=int, default=5, help="the median of this many loads counts")
    args = arguments.parse_args()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - --help works without it

    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        empty = Path(folder, "empty.html")
        empty.write_text(EMPTY, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        for view in VIEWS:
            loads = [
                (first_chart_ms(browser, f"file://{PAGE}#view={view}"), first_chart_ms(browser, f"file://{empty}"))
                for _ in range(args.repeat)
            ]
            first, nothing = (statistics.median(times) for times in zip(*loads, strict=True))
            again = statistics.median(next_chart_ms(browser, view) for _ in range(args.repeat))
            rows.append({
                "view": view, "page_bytes": PAGE.stat().st_size, "first_chart_ms": first, "empty_page_ms": nothing,
                "of_empty": first / nothing, "next_chart_ms": again,
            })  # fmt: skip
        browser.close()
    report(rows, args.output)


if __name__ == "__main__":
    main()
