"""The explorer in a real browser: what a person sees, moves and opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def show(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#chart svg.drawn")).to_be_visible()


def test_the_first_view_has_picture_and_list(page: Page, url: str) -> None:
    """Marks with whiskers, a front, greyed rejections; the list beside them starts with rank 1."""
    show(page, f"{url}/?min_tg=30")
    assert page.locator("#chart a circle, #chart a path").count() > 30
    assert page.locator("tbody tr").first.locator("td").first.inner_text() == "1"
    assert "configs do it" in page.locator(".summary").inner_text()


def test_moving_a_limit_moves_picture_list_and_address(page: Page, url: str) -> None:
    """In place, without loading the page again; the address then reproduces the view."""
    show(page, url)
    before = page.locator(".summary").inner_text()
    page.evaluate("window.stayed = true")
    page.locator("#min_tg").fill("60")
    expect(page.locator(".summary")).not_to_have_text(before)
    assert "min_tg=60" in page.url
    assert page.evaluate("window.stayed")
    moved, marks = page.locator(".summary").inner_text(), page.locator("#chart a").count()
    show(page, page.url)
    assert page.locator(".summary").inner_text() == moved
    assert page.locator("#chart a").count() == marks
    assert page.locator("#min_tg").input_value() == "60"


def test_axes_change(page: Page, url: str) -> None:
    """To memory across, say, with the choice in the address."""
    show(page, url)
    page.locator("summary", has_text="Axes").click()
    page.select_option("#x", "memory")
    expect(page.locator("#chart svg.drawn")).to_contain_text("memory per unit, GB")
    assert "x=memory" in page.url


def test_a_config_opens_with_roofline_memory_curves_and_command(page: Page, url: str) -> None:
    """Beside the list; closing it leads back to where one was."""
    show(page, f"{url}/?min_tg=30")
    first = page.locator("tbody a[data-panel]").first
    first.click()
    panel = page.locator("#panel")
    for drawn in ("#roofline", "#by-context", "#by-streams"):
        expect(panel.locator(f"{drawn} svg.drawn")).to_be_visible()
    assert panel.locator("svg.memory rect").count() == 4
    assert panel.locator("pre code").inner_text()
    assert panel.locator("a[rel=noreferrer]").count() >= 1
    page.keyboard.press("Escape")
    expect(panel).not_to_be_visible()
    assert first.evaluate("e => e === document.activeElement")


def test_a_rejected_config_says_why_and_offers_the_nearest_change(page: Page, url: str) -> None:
    """With the arithmetic, and the change one click away."""
    show(page, f"{url}/?min_tg=10&speculation=never&quant=nvfp4")
    turned_down = page.locator(".rejected li", has_text="qwen3-235b-a22b").first
    assert "GB" in turned_down.inner_text()
    turned_down.locator(".nearest a").click()
    expect(page.locator("#panel")).to_contain_text("qwen3-235b-a22b")
    expect(page.locator("#panel .problem")).to_have_count(0)


def test_the_marks_are_read_by_keyboard_alone(page: Page, url: str) -> None:
    """Tab into the picture, arrows along the marks, Enter to open; the reason of a rejected one is read out."""
    show(page, f"{url}/?min_tg=30")
    page.locator("#chart a[tabindex='0']").focus()
    seen = set()
    for _ in range(80):
        page.keyboard.press("ArrowRight")
        seen.add(page.locator("#readout").inner_text())
    assert len(seen) > 20
    assert any("Rejected: " in text for text in seen)
    assert any("Predicted." in text for text in seen)
    page.keyboard.press("Enter")
    expect(page.locator("#panel #roofline svg")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('#panel') !== null")


def test_what_cannot_be_asked_is_said_and_the_picture_stays(page: Page, url: str) -> None:
    """The API's 400 as a message beside the view of before."""
    show(page, url)
    page.locator("#units").fill("0")
    expect(page.locator("#results [role=alert]")).to_contain_text("units")
    assert page.locator("#chart svg.drawn").count() == 1
    page.locator("#units").fill("1")
    expect(page.locator("#results [role=alert]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_violation_of_accessibility(browser: Browser, url: str, scheme: Any, width: int) -> None:
    """By axe-core, on the first page, with a config open, and on a config's own page."""
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    show(page, f"{url}/?min_tg=30")
    found = [("first page", Axe().run(page))]
    page.locator("tbody a[data-panel]").first.click()
    expect(page.locator("#panel #by-streams svg")).to_be_visible()
    found.append(("panel", Axe().run(page)))
    page.goto(f"{url}/config?config=llama-3.1-70b-instruct/fp8/sglang/none&min_tg=30")
    expect(page.locator("#by-streams svg")).to_be_visible()
    found.append(("config", Axe().run(page)))
    page.context.close()
    assert not {name: result.generate_report() for name, result in found if result.violations_count}


def test_a_phone_scrolls_down_not_sideways(browser: Browser, url: str) -> None:
    """Nothing is wider than 390 pixels, the picture included."""
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    show(page, f"{url}/?min_tg=30")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_without_its_script_the_page_still_answers(browser: Browser, url: str) -> None:
    """The form asks, the list answers, links lead to pages of their own."""
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(url)
    page.fill("#context", "32768")
    page.click("button[type=submit]")
    assert "context=32768" in page.url
    page.locator("tbody a[data-panel]").first.click()
    assert "/config?" in page.url
    assert "32,768 tokens of context" in page.content()
    page.context.close()
