"""The app in a browser, clicked through as a user would: by mouse, by keyboard, on a telephone, by night."""

import threading
import time
from collections.abc import Callable, Generator

import pytest
import uvicorn
from made_runs import make_run

from pilothouse.algorithm.registry import load_recipe
from pilothouse.report.view.app import make_app
from pilothouse.train.resolve import world_source
from pilothouse.train.run import train

pytestmark = pytest.mark.browser

# Relative luminance and contrast as WCAG 2 defines them, of every element that shows text of its own.
CONTRAST = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0.99) return c; } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll("main *, .bar *")) {
    if (e.closest("svg") || e.disabled || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent) continue;
    const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""
UNLABELLED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, button")]
  .filter((e) => !(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.textContent.trim()).map((e) => e.outerHTML)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The app over a folder with a run that was really trained, and one made by hand."""
    root = tmp_path_factory.mktemp("viewed")
    recipe = load_recipe("ppo")(width=8, length=16)
    train(recipe, world_source("cartpole", environments=4), steps=512, seeds=2, out=root / "trained", episodes=2)
    make_run(root / "by-hand", recipe="iql", seeds=3, steps=20)
    server = uvicorn.Server(uvicorn.Config(make_app(root), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def visit(browser, address) -> Generator:
    """Opens a page of the app; afterwards nothing may have been complained about, nor asked of another machine."""
    contexts, complaints = [], []

    def open_page(path: str, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda r: complaints.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None
        )
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def wait(done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Playwright's own waiting evaluates text as code, which the app's policy forbids."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_runs_are_found_ticked_and_compared(visit) -> None:
    page = visit("/")
    page.get_by_label("Filter").press_sequentially("by-h")
    wait(lambda: page.locator("#runs tbody tr").count() == 1)
    assert page.evaluate("document.activeElement.name") == "q"  # one goes on typing
    page.get_by_label("Filter").fill("")
    wait(lambda: page.locator("#runs tbody tr").count() == 2)
    for name in ("by-hand", "trained"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare ticked runs").click()
    page.wait_for_selector(".plot .main-svg")
    assert page.locator(".plot .legendtext").all_text_contents() == ["by-hand", "trained"]
    assert "recipe" in page.get_by_role("region", name="Settings that differ").inner_text()
    page.get_by_label("Metric").select_option("loss")  # the form sends itself
    page.wait_for_url("**metric=loss**")


def test_an_episode_is_acted_and_stepped_through_by_keyboard(visit) -> None:
    page = visit("/run?name=trained")
    page.wait_for_selector(".plot .main-svg")
    page.get_by_label("Policy").select_option("1")
    page.get_by_role("button", name="Act it").click()
    slider = page.get_by_role("slider", name="Step")
    slider.wait_for()
    assert slider.get_attribute("aria-valuetext").startswith("step 0 of ")
    first = page.locator(".picture").get_attribute("src")
    page.keyboard.press("ArrowRight")  # the slider has the focus already
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext").startswith("step 2 of ")
    assert page.locator(".picture").get_attribute("src") != first
    wait(lambda: page.locator(".picture").evaluate("image => image.naturalWidth") > 0)
    told = page.locator(".numbers").inner_text()
    assert "Expected" in told and "Still to come" in told
    widths = page.locator(".meter").evaluate_all("found => found.map((e) => parseFloat(e.style.width))")
    assert len(widths) == 4 and all(0 <= width <= 100 for width in widths)
    page.get_by_role("button", name="Play").click()
    wait(lambda: int(slider.input_value()) > 4)


def test_the_catalogue_is_searched_and_opened(visit) -> None:
    page = visit("/papers")
    page.get_by_label("Search").fill("actor-critic method with diffusion")
    wait(lambda: page.locator("#papers tbody tr").count() == 1)
    page.get_by_role("link", name="idql").click()
    wait(lambda: page.locator("img.record").evaluate("image => image.naturalWidth") > 0)
    assert "Wiring" in page.inner_text("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/", "/papers?status=built", "/papers/idql", "/run?name=trained", "/compare?run=trained&run=by-hand"]
)
def test_all_can_be_read_and_nothing_sticks_out(visit, path: str, scheme: str) -> None:
    page = visit(path, 390 if scheme == "light" else 1280, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate(CONTRAST) == []


def test_it_works_by_keyboard_alone(visit) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name"))
    assert "by-hand" in seen and "run" in seen  # the run's link, and its box
