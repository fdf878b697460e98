"""Pictures of the explorer for a person to look at: desktop, phone and dark, the first page and a config.

    python tests/explorer/screenshots.py http://127.0.0.1:8000 [--output build/screenshots]

Needs a running service (`make serve`) and chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

DESKTOP = {"width": 1440, "height": 1000}
VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": DESKTOP},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def main() -> None:
    """Save two pictures of each view."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--output", type=Path, default=Path("build/screenshots"))
    options = parser.parse_args()
    program = shutil.which("chromium") or sys.exit("chromium is missing: apt-get install chromium")
    options.output.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, view in VIEWS.items():
            page = browser.new_context(**view).new_page()
            page.goto(f"{options.url}/?min_tg=30")
            page.wait_for_selector("#chart svg.drawn")
            page.screenshot(path=options.output / f"{name}.png", full_page=name == "phone")
            page.click("tbody a[data-panel]")
            page.wait_for_selector("#panel #by-streams svg")
            page.screenshot(path=options.output / f"{name}-config.png")
        browser.close()


if __name__ == "__main__":
    main()
