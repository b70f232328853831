"""The app itself: routes, safety, and how it is served.

It reads; nothing it answers to changes a file. It binds to 127.0.0.1 unless told otherwise, and then asks for a token.
A request must name the host that is served (so that no other site's name can be pointed here), scripts come from the
app alone, and a report is shown in a sandbox of its own.
"""

import itertools
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pilothouse.core.errors import PilothouseError, SettingError
from pilothouse.report.charts import chart_style
from pilothouse.report.markup import element
from pilothouse.report.page import LARGEST_PAGE
from pilothouse.report.view import layout, pages_datasets, pages_papers, pages_runs
from pilothouse.report.view.curves import curve_document, names_of
from pilothouse.report.view.episodes import Watched, watch
from pilothouse.report.view.folder import Folder, RunSummary

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
COOKIE = "pilothouse-token"
KEPT_EPISODES = 6
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
_TYPES = {
    "view.css": "text/css",
    "view.js": "text/javascript",
    "plotly.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
Handler = Callable[[Request], Awaitable[Response]]


class View:
    """The state of the app: the folder, the token, and the episodes that were acted lately."""

    def __init__(self, root: Path | str, token: str | None, hosts: frozenset[str]):
        self.folder, self.token, self.hosts = Folder(root), token, hosts
        self.episodes: OrderedDict[str, Watched] = OrderedDict()
        self.acting = threading.Lock()
        self._numbers = itertools.count(1)

    @property
    def shown(self) -> str:
        return str(self.folder.root)

    def act(self, name: str, policy: int | None, episode: int) -> tuple[str, Watched]:
        """Acts an episode, one at a time: two would only slow each other down."""
        path, _ = self.folder.run(name)
        with self.acting:
            watched = watch(path, policy_seed=policy, seed=episode)
            key = str(next(self._numbers))
            self.episodes[key] = watched
            while len(self.episodes) > KEPT_EPISODES:
                self.episodes.popitem(last=False)
        return key, watched


def make_app(root: Path | str, *, token: str | None = None, hosts: frozenset[str] = LOOPBACK) -> Starlette:
    """The app over one folder. With `token`, every request must bring it, in the address once and as a cookie then."""
    view = View(root, token, hosts)

    def page(answer: Callable[[View, Request], Any]) -> Handler:
        async def handler(request: Request) -> Response:
            refused = _refused(view, request)
            if refused is not None:
                return refused
            try:
                body = await run_in_threadpool(answer, view, request)
            except PilothouseError as fault:
                return _fault(view, request, str(fault), 404)
            response = body if isinstance(body, Response) else HTMLResponse(body)
            response.headers.setdefault("Content-Security-Policy", _POLICY)
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return handler

    routes = [
        Route("/", page(_runs)),
        Route("/compare", page(_compare)),
        Route("/run", page(_run)),
        Route("/papers", page(_papers)),
        Route("/papers/{key}", page(_paper)),
        Route("/papers/{key}/record.svg", page(_record_plot)),
        Route("/datasets", page(_datasets)),
        Route("/dataset", page(_dataset)),
        Route("/report", page(_report)),
        Route("/api/curves", page(_curves)),
        Route("/api/run", page(_state)),
        Route("/api/episode", page(_episode), methods=["POST"]),
        Route("/api/episode/{key}/{frame:int}.jpg", page(_frame)),
        Route("/static/{name}", page(_static)),
        Route("/{rest:path}", page(_missing)),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(GZipMiddleware, minimum_size=2_000)
    return app


def serve(root: Path | str, *, host: str = "127.0.0.1", port: int = 8_420, tell: Callable[[str], None] = print) -> None:
    """Serves until interrupted. Bound to anything but this machine itself, it makes a token and asks for it.

    Raises `OutputError` where there is no folder, `SettingError` for a port that is taken or none.
    """
    import socket

    import uvicorn

    if not 0 <= port <= 65_535:
        raise SettingError(f"--port {port}; expected 0 (any free one) to 65535.")
    local = host in LOOPBACK
    token = None if local else secrets.token_urlsafe(24)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError as fault:
        listener.close()
        raise SettingError(
            f"Cannot serve on {host} port {port} ({fault.strerror or fault}). Choose another with --port, or 0 for any."
        ) from fault
    try:
        app = make_app(root, token=token, hosts=LOOPBACK if local else frozenset())
        found = f"http://{host if local else socket.gethostname()}:{listener.getsockname()[1]}/"
        tell(f"Viewing {Path(root).absolute()} at {found}{f'?token={token}' if token else ''}  (Ctrl-C to stop)")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
        server.run(sockets=[listener])
    finally:
        listener.close()


def _refused(view: View, request: Request) -> Response | None:
    """A response for whoever may not look; None for who may."""
    host = re.sub(r":\d+$", "", request.headers.get("host", ""))
    if view.hosts and host not in view.hosts:
        return Response("This address is not served here.", 421, media_type="text/plain")
    if request.method == "POST":
        origin = request.headers.get("origin", "")
        if origin.split("://", 1)[-1] != request.headers.get("host", ""):
            return Response("Refused: the request came from another site.", 403, media_type="text/plain")
    if view.token is None:
        return None
    given = request.query_params.get("token")
    if given is not None and secrets.compare_digest(given.encode(), view.token.encode()):
        response = RedirectResponse(str(request.url.remove_query_params("token")), 303)
        response.set_cookie(COOKIE, view.token, httponly=True, samesite="strict")
        return response
    kept = request.cookies.get(COOKIE, "")
    if not secrets.compare_digest(kept.encode(), view.token.encode()):
        return Response(
            "A token is needed: open the address that `pilothouse view` printed.", 401, media_type="text/plain"
        )
    return None


def _fault(view: View, request: Request, text: str, status: int) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": text}, status, headers={"Cache-Control": "no-store"})
    body = element("p", text, class_="notice", role="alert")
    back = element("p", element("a", "Back to the runs", href="/"))
    shown = layout.page("Not found", body, back, active="", folder=view.shown, scripts=False)
    return HTMLResponse(
        shown, status, headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    )


def _asked(request: Request) -> Mapping[str, str]:
    return {name: value[:300] for name, value in request.query_params.items()}


def _runs(view: View, request: Request) -> str:
    return pages_runs.runs_page(view.folder.scan(), _asked(request), view.shown)


def _named_runs(view: View, request: Request) -> list[tuple[str, Path, RunSummary]]:
    names = list(dict.fromkeys(request.query_params.getlist("run")))[: pages_runs.MOST_COMPARED]
    return [(name, *view.folder.run(name)) for name in names]


def _compare(view: View, request: Request) -> str:
    return pages_runs.compare_page(_named_runs(view, request), request.query_params.get("metric"), view.shown)


def _run(view: View, request: Request) -> str:
    name = request.query_params.get("name", "")
    path, summary = view.folder.run(name)
    reports = [view.folder.name_of(found) for found in sorted(path.glob("*.html"))]
    return pages_runs.run_page(name, path, summary, reports, view.shown)


def _state(view: View, request: Request) -> Response:
    """How a run stands, for the script that looks again and again."""
    _, run = view.folder.run(request.query_params.get("name", ""))
    return JSONResponse(
        {
            "state": run.state,
            "step": pages_runs.progress(run),
            "return": pages_runs.return_text(run),
            "changed": run.changed,
        }
    )


def _curves(view: View, request: Request) -> Response:
    runs = _named_runs(view, request)
    names = names_of([path for _, path, _ in runs])
    metric = request.query_params.get("metric", names[0] if names else "")
    curves = [curve_document(metric, name, path) for name, path, _ in runs]
    return JSONResponse({"metric": metric, "metrics": names, "runs": curves})


def _papers(view: View, request: Request) -> str:
    from pilothouse.catalogue.catalogue import papers

    return pages_papers.papers_page(papers(), _asked(request), view.shown)


def _paper(view: View, request: Request) -> str:
    from pilothouse.catalogue.catalogue import show
    from pilothouse.catalogue.reproduce import stale_records

    key = request.path_params["key"]
    return pages_papers.paper_page(show(key), key in stale_records(), view.shown)


def _record_plot(view: View, request: Request) -> Response:
    from pilothouse.catalogue.catalogue import papers

    row = next((row for row in papers() if row["key"] == request.path_params["key"]), None)
    plot = pages_papers.record_plot(row["record"]) if row is not None else None
    return Response(plot, media_type="image/svg+xml") if plot is not None else _missing(view, request)


def _datasets(view: View, request: Request) -> str:
    del request
    return pages_datasets.datasets_page(
        [(name, view.folder.inside(name)) for name in view.folder.scan().datasets], view.shown
    )


def _dataset(view: View, request: Request) -> str:
    name = request.query_params.get("name", "")
    return pages_datasets.dataset_page(name, view.folder.inside(name), view.shown)


def _report(view: View, request: Request) -> Response:
    path = view.folder.inside(request.query_params.get("name", ""))
    if path.suffix != ".html" or not path.is_file() or path.stat().st_size > LARGEST_PAGE:
        return _missing(view, request)
    return HTMLResponse(path.read_bytes(), headers={"Content-Security-Policy": _REPORT_POLICY})


def _episode(view: View, request: Request) -> Response:
    policy, episode = request.query_params.get("policy", ""), request.query_params.get("episode", "0")
    if not episode.isdecimal() or len(episode) > 6 or (policy and not policy.isdecimal()):
        raise SettingError(f"Episode {episode[:20]!r} of policy {policy[:20]!r}; expected whole numbers from 0.")
    key, watched = view.act(request.query_params.get("name", ""), int(policy) if policy else None, int(episode))
    return JSONResponse({"key": key, **watched.document()})


def _frame(view: View, request: Request) -> Response:
    watched = view.episodes.get(request.path_params["key"])
    number = request.path_params["frame"]
    if watched is None or number >= len(watched.frames):
        return _missing(view, request)
    return Response(watched.frames[number], media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _static(view: View, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        return _missing(view, request)
    headers = {"Cache-Control": "private, max-age=86400" if name == "plotly.js" else "no-cache"}
    return Response(_asset(name), media_type=_TYPES[name], headers=headers)


@cache
def _asset(name: str) -> bytes:
    here = resources.files("pilothouse.report")
    if name == "plotly.js":
        return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    if name == "view.css":
        return (chart_style() + here.joinpath("page.css").read_text("utf-8")).encode() + here.joinpath(
            "view", name
        ).read_bytes()
    return here.joinpath("view", name).read_bytes()


def _missing(view: View, request: Request) -> Response:
    return _fault(view, request, "There is nothing at this address.", 404)
