"""The stable Python names: what `pilothouse.<name>` resolves to."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pilothouse.algorithm.recipe import Bound, saying_what
from pilothouse.algorithm.registry import load_recipe
from pilothouse.catalogue.catalogue import papers as papers
from pilothouse.core.errors import SettingError
from pilothouse.data.dataset import Dataset
from pilothouse.data.tables import ColumnMap
from pilothouse.evaluate.episodes import Evaluation, evaluate_policy
from pilothouse.evaluate.until import goal_of
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy
from pilothouse.report.examination import Examination
from pilothouse.report.examine import examine_and_report
from pilothouse.train.policies_from import policy_and_place
from pilothouse.train.policy_files import load as load
from pilothouse.train.resolve import check_same_spaces, environment_source, resolve, with_spaces_of, world_source
from pilothouse.train.run import Run
from pilothouse.train.run import train as _train
from pilothouse.train.sources import ContinuedSource, DataSource, SimulatorSource, Source, WorldSource
from pilothouse.worlds.registry import names as world_names


def recipe(name: str, **settings: Any) -> Bound:
    """A published method with settings. Raises `UnknownNameError`, or `SettingError` for a wrong setting."""
    return load_recipe(name)(**settings)


def dataset(path: str | Path, *, columns: ColumnMap | None = None, images: bool = False) -> Dataset:
    """Read a dataset of any known format into flat arrays; see `pilothouse.data.reading.read_dataset`. Raises `DataError`."""
    from pilothouse.data.reading import read_dataset

    return read_dataset(path, columns=columns, images=images)


def _place(name: str, stack: int = 1) -> WorldSource | SimulatorSource:
    """A JAX world if one has that name, else a Gymnasium environment; `stack` observations shown together."""
    return world_source(name, stack=stack) if name in world_names() else environment_source(name, stack=stack)


def _source(named: str | Path | Dataset | Source) -> Source:
    if isinstance(named, Dataset):
        return DataSource(named)
    if isinstance(named, Path) or (isinstance(named, str) and Path(named).exists()):
        return resolve(data=named)
    return _place(named) if isinstance(named, str) else named


def train(
    algorithm: Bound,
    source: str | Path | Dataset | Source,
    *,
    steps: int | None = None,
    seeds: int = 1,
    out: str | Path | None = None,
    env: str | None = None,
    **more: Any,
) -> Run:
    """Learn. `source` is a dataset (or the path of one), the name of a world, or the id of an environment.

    `env` is the world or environment where what is learned from a dataset is measured, and where an offline-to-online
    recipe goes on for `online_steps=`.
    """
    with saying_what(algorithm.name, algorithm.recipe.takes):
        source = _source(source)
        if env is not None:
            if not isinstance(source, DataSource):
                raise SettingError(f"env={env!r} goes with a dataset; {source.name} is a place to learn in already.")
            source = _measured(source.dataset, env, algorithm)
    return _train(algorithm, source, steps=steps, seeds=seeds, out=out, **more)


def _measured(dataset: Dataset, env: str, algorithm: Bound) -> Source:
    takes, place = algorithm.recipe.takes, _place(env)
    dataset = with_spaces_of(dataset, place)
    check_same_spaces(dataset, place)
    if takes is None or takes.source != "continued":
        return DataSource(dataset, place)
    return ContinuedSource(dataset, replace(place, environments=1))


def evaluate(
    policy: Policy | HostPolicy | str | Path,
    env: str,
    *,
    episodes: int | None = None,
    seed: int = 0,
    until: str | None = None,
    precision: float | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    builder: str | None = None,
    trust: bool = False,
    normalize: str | Path | None = None,
) -> Evaluation:
    """Measure a policy on held-out episodes of an environment or world: 20, unless told otherwise.

    With `until`, such as `"return > 200"`, or a `precision` (half-width) it goes on until that is shown or contradicted
    at this `level`, or `episodes` (1000) are spent: see `.settled`. `bounds`: the lowest and highest possible return; the
    answer then holds at every number of episodes, and is asymptotic without.

    `policy` may be `random`, the path of a saved one, or whatever `pilothouse.train.policies_from.open_policy` opens:
    a Stable-Baselines3 `.zip`, `.onnx`, `.pt`, `module:function`. `builder`, `trust` and `normalize` are for those.
    """
    goal = goal_of(until, precision=precision, bounds=bounds, level=level)
    if not isinstance(policy, str | Path):
        place, name = _place(env, getattr(policy, "stack", 1)), getattr(policy, "name", "policy")
        return evaluate_policy(policy, place, episodes=episodes, goal=goal, seed=seed, name=name)
    where = {"world": env} if env in world_names() else {"env": env}
    opened, place = policy_and_place(policy, **where, builder=builder, trust=trust, normalize=normalize)
    return evaluate_policy(opened, place, episodes=episodes, goal=goal, seed=seed, name=str(policy))


def examine(policy: Policy | HostPolicy | str | Path, env: str, **given: Any) -> Examination:
    """How good a policy is, where it breaks, why it acts so: everything of it, and a page in its folder.

    `policy` and `env` as for `evaluate`; the rest as for `pilothouse.report.examine.examine_and_report`: `quick`,
    `episodes`, `seed`, `constraints`, `out`, and more.
    """
    return examine_and_report(policy, **{"world" if env in world_names() else "env": env}, **given)


__all__: Sequence[str] = ("dataset", "evaluate", "examine", "load", "papers", "recipe", "train")
