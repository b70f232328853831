"""Reports as a browser shows them: nothing fetched, nothing logged, nothing cut off, by day, by night and on paper."""

from collections.abc import Generator
from pathlib import Path

import pytest

from pilothouse.data.diagnosis import diagnose
from pilothouse.report import write_quickstart_report, write_run_report
from pilothouse.report.dataset_report import write_dataset_report

pytestmark = pytest.mark.browser

WIDTHS = (390, 700, 1280)


@pytest.fixture(scope="module")
def reports(samples, tmp_path_factory) -> dict[str, Path]:
    folder, faulty = tmp_path_factory.mktemp("reports"), samples.faulty_dataset()
    return {
        "quickstart": write_quickstart_report(folder / "quickstart.html", samples.quickstart_data(frames=40)),
        "hopeless": write_quickstart_report(folder / "hopeless.html", samples.hopeless_data()),
        "run": write_run_report(samples.write_run(folder / "run")),
        "dataset": write_dataset_report(folder / "dataset.html", faulty, diagnose(faulty), source="./recordings"),
    }


@pytest.fixture
def visit(browser, reports) -> Generator:
    """Opens a report with the network blocked; afterwards nothing may have been asked for or complained about."""
    contexts, asked, complaints = [], [], []

    def open_page(name: str, width: int, scheme: str = "light", *, scripts: bool = True):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(reports[name].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert all(url.startswith(("file://", "data:")) for url in asked), asked
    assert not complaints


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["quickstart", "hopeless", "run", "dataset"])
def test_nothing_sticks_out_and_every_chart_is_seen(visit, name, width):
    page = visit(name, width)
    wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room
    assert page.locator("h1").count() == 1 and page.locator("h2").count() >= 4
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    figures = page.locator("figure").all()
    assert len(figures) >= 4
    for figure in figures:
        shown = [svg for svg in figure.locator("svg, video, img").all() if svg.is_visible()]
        assert len(shown) == 1, figure.inner_text()
        box = shown[0].bounding_box()
        assert box["width"] > 250 and box["height"] > 60 and box["x"] >= 0 and box["x"] + box["width"] <= width


TEXT_BOXES = """() => [...document.querySelectorAll("svg.chart")].filter((s) => s.checkVisibility()).flatMap((svg) => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].map((t) => {
    const box = t.getBoundingClientRect();
    return [t.textContent, box.left - frame.left, frame.right - box.right, box.top - frame.top, frame.bottom - box.bottom];
  });
})"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["quickstart", "hopeless", "run", "dataset"])
def test_no_text_in_a_chart_is_cut_off(visit, name, width):
    for text, *gaps in visit(name, width).evaluate(TEXT_BOXES):
        assert min(gaps) > -12, (text, gaps)  # half a tick label may stand out of its picture, within the page's margin


@pytest.mark.parametrize("width", [390, 1280])
def test_text_is_never_shrunk_below_what_can_be_read(visit, width):
    sizes = visit("quickstart", width).evaluate(
        """() => [...document.querySelectorAll("svg.chart text")].filter((t) => t.checkVisibility()).map((t) =>
          parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width
            / t.ownerSVGElement.viewBox.baseVal.width)"""
    )
    assert min(sizes) > 9.5


def test_night_is_dark_and_paper_is_light(visit, tmp_path):
    ground = "() => getComputedStyle(document.documentElement).backgroundColor.match(/[0-9]+/g).map(Number)"
    page = visit("quickstart", 1280, "dark")
    assert max(page.evaluate(ground)) < 60
    page.screenshot(path=tmp_path / "dark.png", full_page=True)
    assert (tmp_path / "dark.png").stat().st_size > 50_000
    page.emulate_media(media="print")
    assert min(page.evaluate(ground)) > 230
    assert min(visit("quickstart", 1280).evaluate(ground)) > 230


def test_the_video_plays(visit):
    pytest.importorskip("imageio_ffmpeg", reason="without an encoder there is no MP4")
    page = visit("quickstart", 1280)
    page.locator("video").evaluate("(video) => video.play()")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.1", timeout=10_000)
    assert page.locator("video").evaluate("(video) => video.videoWidth") == 320


def test_hovering_tells_the_numbers(visit):
    page = visit("quickstart", 1280)
    column = page.locator("svg.chart .hover rect").locator("visible=true").nth(5)
    column.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # scrolling, and the end of it, hides what is told
    box = column.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator("#tip").wait_for(state="visible", timeout=5_000)
    assert page.locator("#tip").inner_text().startswith("step ")


def test_without_scripts_the_page_says_the_same(visit):
    page = visit("quickstart", 1280, scripts=False)
    assert page.locator("svg.chart title").count() > 50
    assert page.locator("h2").first.inner_text() == "Verdict"


def test_paper_shows_what_is_folded(visit):
    page = visit("quickstart", 1280)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.get_by_text("Figures are undiscounted returns").is_visible()
    assert not page.locator("nav").is_visible()


def test_sections_can_be_reached_by_their_links_and_regions_have_names(visit):
    page = visit("quickstart", 1280)
    page.get_by_role("link", name="The dataset").click()
    page.wait_for_function("() => scrollY > 500", timeout=5_000)
    for role in ("img", "region"):
        for place in page.get_by_role(role).all():
            assert place.get_attribute("aria-label") or place.get_attribute("aria-labelledby")
