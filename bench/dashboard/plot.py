"""A picture of what each server's answer costs: bars, drawn by the browser that the tests drive."""

import os
import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path

from playwright.async_api import async_playwright

from bench.dashboard.measure import Cost

STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; color: #1f2933; margin: 24px; width: 860px; background: white }
h1 { font-size: 17px; margin: 0 0 16px } p { color: #52606d; margin: 14px 0 0; font-size: 13px }
.row { display: grid; grid-template-columns: 300px 1fr; align-items: center; margin: 7px 0 }
.bar { background: #9fb3c8; height: 22px; border-radius: 3px; display: inline-block; vertical-align: middle }
.own { background: #0b7285 } .value { margin-left: 8px; font-variant-numeric: tabular-nums }
"""


async def plot(title: str, costs: Mapping[str, Cost], own: str, file: Path) -> None:
    """Draw the median CPU of each server for an answer into a PNG. Raises LookupError where there is no Chromium."""
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        raise LookupError("no Chromium is on PATH or named by CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        try:
            page = await browser.new_page(viewport={"width": 910, "height": 100}, device_scale_factor=2)
            await page.set_content(_page(title, costs, own))
            await page.screenshot(path=file, full_page=True)
        finally:
            await browser.close()


def _page(title: str, costs: Mapping[str, Cost], own: str) -> str:
    medians = {name: cost.median_ms for name, cost in costs.items()}
    most = max(medians.values())
    rows = [
        f'<div class="row"><div>{escape(name)}</div><div>'
        f'<span class="bar{" own" if name.startswith(own) else ""}" style="width: {max(2, 440 * value / most):.0f}px">'
        f'</span><span class="value">{value:.2f} ms</span></div></div>'
        for name, value in sorted(medians.items(), key=lambda each: -each[1])
    ]
    return (
        f"<!doctype html><style>{STYLE}</style><h1>{escape(title)}</h1>{''.join(rows)}"
        "<p>Milliseconds of the server's CPU for one answer, median of the turns; PostgreSQL's not counted.</p>"
    )
