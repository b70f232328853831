"""From what a user names (a path, an environment, a world) to a source."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pilothouse.core.errors import SettingError
from pilothouse.train.sources import ContinuedSource, DataSource, SimulatorSource, Source, WorldSource


def world_source(name: str, *, environments: int = 8, stack: int = 1) -> WorldSource:
    """A JAX world by name, showing its last `stack` observations. Raises `UnknownNameError` with the nearest."""
    from pilothouse.worlds.registry import world
    from pilothouse.worlds.wrappers import frame_stack

    made = world(name)
    return WorldSource(name, made if stack == 1 else frame_stack(made, stack), environments, stack=stack)


def environment_source(name: str, *, environments: int = 1, stack: int = 1) -> SimulatorSource:
    """A Gymnasium environment by id; made once here, so that a wrong id is found at once."""
    source = SimulatorSource(name, environments, stack)
    _ = source.spec
    return source


def data_source(
    path: str | Path,
    *,
    evaluation: WorldSource | SimulatorSource | None = None,
    columns: Mapping[str, Any] | None = None,
) -> DataSource:
    """A dataset in a file or folder, or installed under an id; measured in `evaluation`, if given."""
    from pilothouse.data.reading import read_dataset

    dataset = read_dataset(path, columns=columns)
    if evaluation is not None:
        dataset = with_spaces_of(dataset, evaluation)
        check_same_spaces(dataset, evaluation)
    return DataSource(dataset, evaluation)


def with_spaces_of(dataset: Any, place: WorldSource | SimulatorSource) -> Any:
    """The dataset with the spaces of `place`, if its own were inferred from its numbers and are of that kind and shape."""

    def form(space: Any) -> tuple[Any, ...]:
        return space.kind, getattr(space, "shape", None), getattr(space, "dtype", None)

    pairs = [(dataset.spec.obs, place.spec.obs), (dataset.spec.action, place.spec.action)]
    fits = all(
        form(ours) == form(theirs) and getattr(ours, "n", 0) <= getattr(theirs, "n", 0) for ours, theirs in pairs
    )
    return replace(dataset, spec=place.spec, inferred=False) if dataset.inferred and fits else dataset


def check_same_spaces(dataset: Any, evaluation: WorldSource | SimulatorSource) -> None:
    """Raises `SettingError` unless shapes, kinds and action bounds agree; observation bounds may differ."""
    from pilothouse.core.spaces import to_json

    if evaluation.spec == dataset.spec:
        return

    def words(space: Any) -> str:
        return (
            f"{space.kind}({', '.join(f'{name}={value}' for name, value in to_json(space).items() if name != 'kind')})"
        )

    ours, theirs = dataset.spec, evaluation.spec
    shapes = [(s.obs.kind, getattr(s.obs, "shape", None), words(s.action)) for s in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise SettingError(
            f"{evaluation.name} does not fit the dataset {dataset.name}: observations {shapes[1][0]}{shapes[1][1]} and "
            f"actions {shapes[1][2]}, where the data have {shapes[0][0]}{shapes[0][1]} and {shapes[0][2]}. "
            "Name the environment that the data came from."
        )


def resolve(
    *,
    data: str | Path | None = None,
    env: str | None = None,
    world: str | None = None,
    environments: int | None = None,
    stack: int = 1,
    continued: bool = False,
    columns: Mapping[str, Any] | None = None,
) -> Source:
    """The source that these name: a dataset (measured in `env` or `world`, if given), an environment, or a world.

    `columns` says which column of a table is what. `continued`: learning goes on from the dataset in `env` or `world`,
    if both are given.
    """
    if env is not None and world is not None:
        raise SettingError("Give --env or --world, not both.")
    if data is not None and stack != 1:
        raise SettingError(f"--stack {stack} is for environments and worlds; a dataset is learned from as it is.")
    place = None
    if env is not None:
        place = environment_source(env, environments=environments or 1, stack=stack)
    elif world is not None:
        place = world_source(world, environments=environments or (1 if continued else 8), stack=stack)
    if data is not None and place is not None and continued:
        return ContinuedSource(data_source(data, evaluation=place, columns=columns).dataset, place)
    if data is not None:
        return data_source(data, evaluation=place, columns=columns)
    if place is None:
        raise SettingError("No source. Give --data PATH, --env ID or --world NAME.")
    return place
