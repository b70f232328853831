"""`examine`: how good a policy is, where it breaks, why it acts so, and how far each explanation is to be trusted.

Every part is one small file in the folder, kept as soon as it is finished, so that an examination killed anywhere goes on
from there; the page is made of these files alone:

config.json        what is examined: nothing else may be resumed into this folder
episodes.npz       the episodes that all parts look at
parts/<name>.json  returns, failures, robustness (a file a level), drives, surrogate, clusters, prediction, counterfactuals
films/             the worst episodes
examination.json   the answer
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.errors import PilothouseError, SettingError, SpaceError
from pilothouse.core.plain import plain
from pilothouse.core.spaces import Box, Tokens
from pilothouse.evaluate.episodes import check_policy_fits, evaluate_policy
from pilothouse.explain.attribution import attribute, response_at
from pilothouse.explain.clusters import study_clusters
from pilothouse.explain.counterfactual_states import study_counterfactuals
from pilothouse.explain.inside import with_told
from pilothouse.explain.prediction import study_prediction
from pilothouse.explain.surrogates import study_surrogates
from pilothouse.explain.value_collapse import value_collapses, values_of_episodes
from pilothouse.explain.watched import Watched, watch
from pilothouse.policies.host import HostPolicy, brief
from pilothouse.policies.policy import Policy, Random
from pilothouse.report.frames import frames_of
from pilothouse.report.video import encode_video
from pilothouse.rollout.actors import Responses, responses_of
from pilothouse.statistics import interquartile_mean, mean_interval
from pilothouse.statistics.proportions import wilson_interval
from pilothouse.statistics.tails import worst_mean, worst_mean_interval
from pilothouse.train.evaluation import HELD_OUT
from pilothouse.train.run import Tell, default_folder
from pilothouse.train.sources import SimulatorSource, WorldSource
from pilothouse.train.storage import write_bytes, write_json
from pilothouse.train.work_folder import kept, work_folder

Place = WorldSource | SimulatorSource
Document = dict[str, Any]
Constraint = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]
"""`(obs (rows, features), action, next_obs) -> (rows,)`: True where a step breaks the constraint."""
Value = Callable[[PyTree, PyTree], Any]
"""`(obs, action) -> (rows,)`: the discounted return that whoever trained the policy expects from there."""

FILM = 200
"""Pictures of a film at most, or half as many if quick: of the end of a longer episode."""


@dataclass(frozen=True)
class Plan:
    """What an examination is to do. `episodes` are watched (50, or 20 if `quick`); what is quick is also tried less."""

    quick: bool = False
    episodes: int | None = None
    seed: int = 0

    @property
    def watched(self) -> int:
        return self.episodes if self.episodes is not None else 20 if self.quick else 50

    def check(self) -> None:
        """Raises `SettingError` for numbers out of range."""
        if self.watched < 4:
            raise SettingError(f"episodes={self.watched}; expected at least 4, so that some can be held out.")
        if self.seed < 0:
            raise SettingError(f"seed={self.seed}; expected at least 0.")


@dataclass(frozen=True)
class Examination:
    """All of it: one plain document a part; a part that could not be made says why under `absent`."""

    folder: Path
    policy: str
    place: str
    plan: Plan
    parts: Mapping[str, Document]
    seconds: Mapping[str, float]
    command: str = ""

    @property
    def page(self) -> Path:
        """Where its page belongs."""
        return self.folder / "report.html"

    def part(self, name: str) -> Document | None:
        """The document of a part that was made; None where it does not apply or failed."""
        found = self.parts.get(name)
        return None if found is None or "absent" in found else found

    def explanations(self) -> list[Document]:
        """Every explanation with its measured fidelity and whether it passed its sanity check (None: it has none)."""
        return [row for found in self.parts.values() for row in found.get("trust", [])]

    def as_json(self) -> Document:
        returns = self.parts["returns"]
        failures, robustness = self.part("failures"), self.part("robustness")
        document = {
            "policy": self.policy,
            "env": self.place,
            "run": str(self.folder),
            "quick": self.plan.quick,
            "episodes": len(returns["returns"]),
            "return": {name: returns[name] for name in ("mean", "interval", "iqm", "random")},
            "worst_decile": returns["worst_decile"],
            "success": returns["success"],
            "violations": returns["violations"],
            "failures": [] if failures is None else failures["worst"],
            "robustness": [] if robustness is None else robustness["curves"],
            "explanations": self.explanations(),
            "drives": self.part("drives"),
            "surrogate": self.part("surrogate"),
            "clusters": self.part("clusters"),
            "prediction": self.part("prediction"),
            "counterfactuals": self.part("counterfactuals"),
            "absent": {name: found["absent"] for name, found in self.parts.items() if "absent" in found},
            "seconds": sum(self.seconds.values()),
            "report": str(self.page.absolute()),
        }
        if "self_knowledge" in self.parts:  # of language models alone
            document["self_knowledge"] = self.part("self_knowledge")
        return document


@dataclass
class Study:
    """A policy, where it is examined, and what every part looks at; `value` is what the policy's maker learned."""

    policy: Policy | HostPolicy
    place: Place
    plan: Plan
    folder: Path
    constraints: Mapping[str, Constraint]
    value: Value | None
    tell: Tell

    @property
    def seed(self) -> int:
        return HELD_OUT + self.plan.seed

    @cached_property
    def watched(self) -> Watched:
        """The episodes, from the folder where they were watched before."""
        path = self.folder / "episodes.npz"
        if not path.is_file():
            found = watch(self.policy, self.place, self.plan.watched, self.seed)
            arrays = {name: getattr(found, name) for name in _ARRAYS}
            arrays["names"] = np.asarray(found.names)
            arrays |= {f"extras/{name}": value for name, value in found.extras.items()}
            _write_npz(path, arrays)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        extras = {name.removeprefix("extras/"): value for name, value in arrays.items() if name.startswith("extras/")}
        spec = self.place.spec
        own = {name: arrays[name] for name in _ARRAYS}
        return Watched(spec=spec, names=tuple(map(str, arrays["names"])), extras=extras, **own)


_ARRAYS = ("obs", "action", "reward", "next_obs", "terminated", "truncated", "episode", "step")


def _write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    import io

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def examine(
    policy: Policy | HostPolicy,
    place: Place,
    plan: Plan,
    *,
    name: str = "policy",
    about: Mapping[str, Any] | None = None,
    constraints: Mapping[str, Constraint] | None = None,
    value: Value | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell | None = None,
    command: str = "",
) -> Examination:
    """Examine a policy in a place, in `out` (`runs/examine-<policy>-<n>`).

    **Arguments:** `about`: what tells this policy from any other (its file's checksum), kept with what is examined;
    `constraints`: by name, what no step should do; `value`: the policy's own expectation, where one is known.

    Raises `PilothouseError`s for what is wrong with the input, before anything is written, and for a policy that fails
    in its undisturbed episodes. Any other part that fails is reported in its place and stops no other.
    """
    plan.check()
    check_policy_fits(policy, place)
    folder, say = Path(out) if out is not None else default_folder("examine", name), tell or (lambda line: None)
    config = {
        "policy": {"name": name, **(about or {})},
        "place": place.describe(),
        "constraints": sorted(constraints or {}),
        "plan": asdict(plan),
    }
    with work_folder(folder, "examine", config, resume=resume, overwrite=overwrite, command=command):
        study = Study(policy, place, plan, folder, constraints or {}, value, say)
        parts, seconds = made({part: partial(PARTS[part], study) for part in parts_of(study)}, folder, say)
        found = Examination(folder, name, place.name, plan, parts, seconds, command)
        write_json(folder / "examination.json", found.as_json())
    return found


def made(
    makers: Mapping[str, Callable[[], Document]], folder: Path, say: Tell
) -> tuple[dict[str, Document], dict[str, float]]:
    """Make every part that the folder does not hold yet; the parts, and the seconds that each took when it was made.

    The first part has to succeed; another that fails is left out with the reason, and stops no other.
    """
    parts: dict[str, Document] = {}
    for number, (part, make) in enumerate(makers.items()):
        say(f"[{number + 1}/{len(makers)}] {TITLES[part]}")
        parts[part] = kept(folder / "parts" / f"{part}.json", partial(_timed, make, needed=not number))
        if "absent" in parts[part]:
            say(f"{TITLES[part]}: left out: {parts[part]['absent']}")
    return parts, {part: float(found["seconds"]) for part, found in parts.items()}


def parts_of(study: Study) -> list[str]:
    """Which parts apply. For text only the returns; explanations by features need features."""
    spec = study.place.spec
    if isinstance(spec.action, Tokens):
        return ["returns"]
    if isinstance(spec.obs, Box) and spec.obs.is_image:
        return ["returns", "robustness"]
    return list(PARTS)


def _timed(make: Callable[[], Document], *, needed: bool) -> Document:
    """A part with the seconds it took; one that is not needed and fails is left out with the reason."""
    began = time.perf_counter()
    try:
        found = make()
    except PilothouseError as fault:
        if needed:
            raise
        found = {"absent": str(fault)}
    except Exception as fault:  # a fault of ours in one explanation is no reason to withhold the others
        if needed:
            raise
        found = {"absent": f"It failed ({type(fault).__name__}: {brief(fault)}). Please report this."}
    return plain({**found, "seconds": time.perf_counter() - began})


# ------------------------------------------------------------------------------------------------------- how good it is


def _returns(study: Study) -> Document:
    if isinstance(study.place.spec.action, Tokens):
        return _returns_of_text(study)
    watched = study.watched
    returns, last = watched.returns, _last_rows(watched)
    random = watch(Random(study.place.spec.action), study.place, study.plan.watched, study.seed).returns
    ended = watched.terminated[last]
    return {
        **_summary(returns, random),
        "lengths": last + 1 - np.concatenate([[0], last[:-1] + 1]),
        "terminated": ended,
        "success": None,
        "violations": _violations(study),
    }


def _returns_of_text(study: Study) -> Document:
    found = evaluate_policy(study.policy, study.place, episodes=study.plan.watched, seed=study.plan.seed)
    random = evaluate_policy("random", study.place, episodes=study.plan.watched, seed=study.plan.seed)
    solved = sum(one > 0 for one in found.returns)
    success = {"share": solved / found.episodes, "interval": wilson_interval(solved, found.episodes)}
    return {**_summary(found.returns, random.returns), "success": success, "violations": []}


def _summary(returns: Any, random: Any) -> Document:
    returns = np.asarray(returns, np.float64)
    return {
        "returns": returns,
        "mean": float(returns.mean()),
        "interval": mean_interval(returns),
        "iqm": float(interquartile_mean(returns)),
        "worst_decile": {"mean": float(worst_mean(returns)), "interval": worst_mean_interval(returns)},
        "random": float(np.mean(random)),
    }


def _last_rows(watched: Watched) -> np.ndarray:
    """The last row of each episode; rows of an episode lie together."""
    return np.flatnonzero(np.append(watched.episode[1:] != watched.episode[:-1], True))


def _violations(study: Study) -> list[Document]:
    """What no step should do, and how often one does: actions beyond their bounds, and the user's own constraints."""
    watched, rows = study.watched, {}
    space = study.place.spec.action
    if isinstance(space, Box) and not isinstance(study.policy, HostPolicy):  # those are clipped where they come in
        low, high = space.bounds()
        beyond = np.maximum(low.ravel() - watched.action, watched.action - high.ravel())
        rows["actions beyond their bounds"] = (beyond > 1e-5 * np.maximum(np.abs(high.ravel()), 1.0)).any(axis=1)
    for name, constraint in study.constraints.items():
        try:
            broken = np.asarray(constraint(watched.obs, watched.action, watched.next_obs))
        except Exception as fault:
            raise SettingError(f"The constraint {name!r} raised {type(fault).__name__}: {fault}") from fault
        if broken.shape != (len(watched),):
            raise SettingError(f"The constraint {name!r} gave shape {broken.shape}; expected ({len(watched)},).")
        rows[name] = broken.astype(bool)
    found = []
    for name, broken in rows.items():
        episodes = len(np.unique(watched.episode[broken]))
        sure = wilson_interval(episodes, len(watched.episodes))
        found.append({"name": name, "steps": float(broken.mean()), "episodes": episodes, "interval": sure})
    return found


# -------------------------------------------------------------------------------------------------------- where it fails


def _failures(study: Study) -> Document:
    watched = study.watched
    values, source, explained = _expected(study)
    apart = [values[watched.episode == one] for one in watched.episodes]
    falls = value_collapses(apart)
    order = np.argsort(watched.returns, kind="stable")[: 1 if study.plan.quick else 3]
    worst = []
    for place in order:
        episode, fall = int(watched.episodes[place]), falls[place]
        mine = watched.rows(watched.episode == episode)
        worst.append(
            {
                "episode": episode,
                "return": float(mine.reward.sum()),
                "length": len(mine),
                "ended": "by the task" if mine.terminated[-1] else "by the time limit",
                "collapse": None if fall is None else {"step": fall.step, "fall": fall.fall},
                "values": apart[place],
                **_film(study, episode, mine),
            }
        )
    return {
        "value": source,
        "explained": explained,
        "collapses": sum(fall is not None for fall in falls),
        "worst": worst,
    }


def _expected(study: Study) -> tuple[np.ndarray, str, float | None]:
    """What could be expected at each row: by the policy's maker, the policy itself, or fitted to these episodes."""
    watched = study.watched
    space = study.place.spec.obs
    if study.value is not None and isinstance(space, Box):
        obs = watched.obs.reshape(len(watched), *space.shape)
        return np.asarray(study.value(obs, _actions(study, watched)), np.float64), "learned in training", None
    told = watched.extras.get("value")
    if told is not None and told.shape == (len(watched),):
        return np.asarray(told, np.float64), "told by the policy", None
    fitted = values_of_episodes(watched.obs, watched.reward, watched.episode, seed=study.plan.seed)
    return fitted.values, "fitted to these episodes", fitted.explained


def _actions(study: Study, watched: Watched) -> np.ndarray:
    """Actions in the shape of the place's own space."""
    space = study.place.spec.action
    return watched.action.reshape(len(watched), *space.shape) if isinstance(space, Box) else watched.action


def _film(study: Study, episode: int, mine: Watched) -> Document:
    """The episode on film, in a file of its own."""
    frames = frames_of(
        study.place, study.seed + episode, _actions(study, mine), most=FILM // 2 if study.plan.quick else FILM
    )
    video = encode_video(frames.images, largest=1_500_000) if frames.images else None
    if video is None or video.data is None:
        return {"film": None, "reason": frames.reason or (video.reason if video is not None else "")}
    path = study.folder / "films" / f"episode-{episode}.{video.media_type.split('/')[1]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, video.data)
    shown = {name: getattr(video, name) for name in ("media_type", "width", "height", "fps", "reason")}
    return {"film": str(path.relative_to(study.folder)), "first": frames.first, "every": frames.every, **shown}


# ------------------------------------------------------------------------------------------------------- how brittle it is


def _robustness(study: Study) -> Document:
    from pilothouse.guard.robustness import robustness

    def remember(name: str, work: Callable[[], Document]) -> Document:
        safe = "".join(c if c.isalnum() or c in "-." else "-" for c in name)
        return kept(study.folder / "parts" / "robustness" / f"{safe}.json", lambda: plain(work()))

    def progress(done: int, total: int, what: str) -> None:
        study.tell(f"{TITLES['robustness']}: {what} ({done + 1} of {total})")

    curves = robustness(
        study.policy,
        study.place,
        episodes=10 if study.plan.quick else 30,
        seed=study.plan.seed,
        quick=study.plan.quick,
        progress=progress,
        remember=remember,
    )
    return {"curves": [curve.as_json() for curve in curves]}


# ------------------------------------------------------------------------------------------------------------ explanations


def _responses(study: Study) -> Responses:
    """How the policy responds to observations alone. Raises `SpaceError` where that is not all that it goes by."""
    policy = study.policy
    carry = policy.begin(1, 0) if isinstance(policy, HostPolicy) else policy.reset(None, (), jax.random.key(0))
    if jax.tree.leaves(carry):
        raise SpaceError("The policy remembers, so its action does not follow from one observation.")
    return responses_of(policy, study.place.spec)


def _drives(study: Study) -> Document:
    _responses(study)
    watched, quick = study.watched, study.plan.quick
    found = attribute(study.policy, study.place, watched.obs, seed=study.plan.seed, quick=quick)
    shares = np.asarray(found.feature_importance)
    order = np.argsort(-shares, kind="stable")
    enough = int(np.searchsorted(np.cumsum(shares[order]), 0.5)) + 1
    even = 1.0 / len(shares)
    most = [watched.names[i] for i in order[: min(enough, 3)] if shares[i] > even] if found.sanity_passed else []
    document = found.as_json()
    for name in ("observations", "values"):
        document.pop(name)
    trust = [
        {
            "method": f"attribution by {one.method}",
            "measure": "deletion and insertion, beyond random orders",
            "fidelity": one.curves.gain,
            "compared": f"0; infidelity {one.infidelity:.2g} (0 exact, 1 as good as nothing)",
            "sanity_passed": one.sanity.passed,
        }
        for one in found.explanations
    ]
    return {**document, "features": watched.names, "most": most, "trust": trust}


def _surrogate(study: Study) -> Document:
    studies = study_surrogates(
        study.watched,
        _responses(study),
        seed=study.plan.seed,
        quick=study.plan.quick,
        place=study.place,
        policy=study.policy,
    )
    box = isinstance(study.place.spec.action, Box)
    measure = "R² in unseen episodes" if box else "agreement in unseen episodes"
    trust = [
        {
            "method": f"surrogate: {one.surrogate.name}",
            "measure": measure,
            "fidelity": one.fidelity,
            "compared": f"{one.shuffled:.2f} when fitted to shuffled answers",
            "sanity_passed": one.sanity_passed,
        }
        for one in studies
    ]
    return {"surrogates": [{"name": one.surrogate.name, **one.as_json()} for one in studies], "trust": trust}


def _clusters(study: Study) -> Document:
    seen = with_told(study.watched, study.policy)
    found = study_clusters(seen, seed=study.plan.seed, quick=study.plan.quick)
    trust = {
        "method": f"phases: {len(found.clusters)} clusters of the {found.embedding}",
        "measure": "uncertainty of held-out transitions that they take away",
        "fidelity": found.fidelity,
        "compared": f"0; stability {found.stability:.2f} between halves (1: the same clusters)",
        "sanity_passed": found.sanity_passed,
    }
    return {**found.as_json(), "trust": [trust]}


def _prediction(study: Study) -> Document:
    found = study_prediction(study.watched, seed=study.plan.seed, quick=study.plan.quick)
    trust = [
        {
            "method": f"prediction of {_foretold(one.what, one.ahead)}",
            "measure": "accuracy in unseen episodes" if one.nominal is None else "R² in unseen episodes",
            "fidelity": one.score,
            "compared": f"{one.base:.2f} by the base rate",
            "sanity_passed": one.sanity_passed,
        }
        for one in found.predictions
    ]
    return {**found.as_json(), "trust": trust}


def _foretold(what: str, ahead: int) -> str:
    if what == "failure":
        return "failure"
    return "the next action" if not ahead else f"the action {ahead} step{'s' if ahead > 1 else ''} on"


def _counterfactuals(study: Study) -> Document:
    spec, policy = study.place.spec, study.policy
    responses = _responses(study)
    traced = not isinstance(policy, HostPolicy) and isinstance(spec.obs, Box)
    function = partial(response_at, spec, policy) if traced else None  # pyright: ignore[reportArgumentType]
    found = study_counterfactuals(
        study.watched, responses, seed=study.plan.seed, quick=study.plan.quick, function=function
    )
    trust = {
        "method": "counterfactual observations",
        "measure": "validity: share that change the action, asked again",
        "fidelity": found.validity,
        "compared": f"{found.by_chance:.2g} of moves as far in random directions",
        "sanity_passed": found.sanity_passed,
    }
    return {**found.as_json(), "names": study.watched.names, "trust": [trust]}


PARTS: dict[str, Callable[[Study], Document]] = {
    "returns": _returns,
    "failures": _failures,
    "robustness": _robustness,
    "drives": _drives,
    "surrogate": _surrogate,
    "clusters": _clusters,
    "prediction": _prediction,
    "counterfactuals": _counterfactuals,
}

TITLES = {
    "returns": "How good it is",
    "failures": "Where it fails",
    "robustness": "How brittle it is",
    "drives": "What drives it",
    "surrogate": "A readable copy",
    "clusters": "What it does, in phases",
    "prediction": "What it will do next",
    "counterfactuals": "What would change it",
    "self_knowledge": "Whether it knows when it is wrong",
}
