"""Where learning gets its experience, and where the result is measured: one face for data, worlds, simulators, text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.algorithm.interpreter import Source as TracedSource
from pilothouse.algorithm.recipe import Source as SourceKind
from pilothouse.core.errors import DataError, SpaceError
from pilothouse.core.spaces import Spec, Tokens
from pilothouse.data.dataset import LABELS
from pilothouse.data.host_rows import HostRows
from pilothouse.rollout.episodes import tasks_for
from pilothouse.train.simulators import Simulators
from pilothouse.worlds.world import World

BANK = 1024
"""How many problems a text world without given prompts is trained on."""


@dataclass(frozen=True)
class Scaling:
    """How a policy's own units relate to the source's: standardised observations (flat float boxes only)."""

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@runtime_checkable
class Source(Protocol):
    """What `train` needs to know of a source."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> SourceKind: ...

    @property
    def spec(self) -> Spec: ...

    @property
    def scaling(self) -> Scaling: ...

    def fixed(self) -> Mapping[str, PyTree]: ...

    def worlds(self, lane_seeds: tuple[int, ...]) -> Mapping[str, Any]: ...

    def describe(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class WorldSource:
    """A JAX world; `environments` copies of it are acted in at once."""

    name: str
    world: World
    environments: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)
    prompts: PyTree | None = None
    stack: int = 1
    """How many observations `world` shows together (it is stacked already)."""

    @property
    def kind(self) -> SourceKind:
        return "text" if isinstance(self.spec.action, Tokens) else "world"

    @property
    def spec(self) -> Spec:
        return self.world.spec

    @property
    def scaling(self) -> Scaling:
        return Scaling()

    def make(self, size: int) -> Any:
        """The world as a `HostWorld` of `size` copies, for policies that cannot be traced."""
        from pilothouse.worlds.on_host import OnHost

        return OnHost(self.world, size, self.name)

    def fixed(self) -> Mapping[str, PyTree]:
        """A text world brings `prompts`: the tasks given, or a bank of its own problems; held-out ones are drawn anew."""
        if self.prompts is not None:
            return {"prompts": self.prompts}
        return {"prompts": tasks_for(self.world, BANK, jax.random.key(0))} if self.kind == "text" else {}

    def worlds(self, lane_seeds: tuple[int, ...]) -> Mapping[str, Any]:
        from pilothouse.worlds.wrappers import unit_actions

        return {"world": TracedSource(unit_actions(self.world), self.environments)}

    def describe(self) -> dict[str, Any]:
        return {
            "world": self.name,
            "environments": self.environments,
            "options": dict(self.options),
            "stack": self.stack,
        }


@dataclass(frozen=True)
class SimulatorSource:
    """A Gymnasium environment, `environments` copies for each lane, stepped on the host."""

    name: str
    environments: int = 1
    stack: int = 1

    kind: SourceKind = "world"

    @property
    def spec(self) -> Spec:
        world = self.make(1)
        try:
            return world.spec
        finally:
            world.close()

    @property
    def scaling(self) -> Scaling:
        return Scaling()

    def make(self, size: int) -> Any:
        from pilothouse.worlds.host import GymnasiumWorld
        from pilothouse.worlds.wrappers import frame_stack

        world = GymnasiumWorld(self.name, size)
        return world if self.stack == 1 else frame_stack(world, self.stack)

    def fixed(self) -> Mapping[str, PyTree]:
        return {}

    def worlds(self, lane_seeds: tuple[int, ...]) -> Mapping[str, Any]:
        from pilothouse.worlds.wrappers import unit_actions

        world = unit_actions(self.make(len(lane_seeds) * self.environments))
        return {"world": Simulators(world, lane_seeds, self.environments)}

    def describe(self) -> dict[str, Any]:
        return {"env": self.name, "environments": self.environments, "stack": self.stack}


@dataclass(frozen=True)
class DataSource:
    """A dataset; `evaluation` is where its policies are measured, if anywhere.

    Whole in memory, or on disk where its flat form is larger than the budget (`pilothouse.data.flat_cache.budget`).
    """

    dataset: Any
    evaluation: WorldSource | SimulatorSource | None = None
    standardise: bool = True
    lacking: tuple[str, ...] = ()
    """Labels that whoever learns from it can do without in some rows (`Dataset.rows`)."""

    kind: SourceKind = "data"

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def spec(self) -> Spec:
        return self.dataset.spec

    @property
    def scaling(self) -> Scaling:
        if not self.standardise or len(getattr(self.spec.obs, "shape", (0, 0))) != 1 or self.spec.obs.kind != "Box":
            return Scaling()
        if getattr(self.spec.obs, "dtype", "") != "float32":
            return Scaling()
        mean, std = self.dataset.scaler()
        return Scaling(tuple(float(x) for x in mean), tuple(float(x) for x in std))

    def fixed(self) -> Mapping[str, PyTree]:
        from pilothouse.data import flat_cache

        if flat_cache.size_of(self.dataset) > flat_cache.budget():
            return {"data": HostRows(self.name, len(self.dataset), self._rows(self.scaling))}
        return self.in_memory()

    def in_memory(self) -> Mapping[str, PyTree]:
        """All rows, whatever their size."""
        return {"data": self._rows(self.scaling)(None)}

    def _rows(self, scaling: Scaling) -> Callable[[Any], Any]:
        mean, std = (None if x is None else np.asarray(x, np.float32) for x in (scaling.mean, scaling.std))

        def rows(at: Any) -> Any:
            found = self.dataset.rows(at, lacking=self.lacking)
            if mean is None:
                return found
            return found.replace(obs=(found.obs - mean) / std, next_obs=(found.next_obs - mean) / std)

        return rows

    def worlds(self, lane_seeds: tuple[int, ...]) -> Mapping[str, Any]:
        return {}

    def describe(self) -> dict[str, Any]:
        where = self.evaluation.describe() if self.evaluation is not None else None
        return {"data": self.name, "fingerprint": self.dataset.fingerprint, "evaluation": where}


@dataclass(frozen=True)
class ContinuedSource:
    """A dataset, and the world where learning goes on and is measured.

    What is lived there is in the units of the data's rows: bounded actions in [-1, 1], observations standardised by the
    mean and deviation of the *data*, which never move. So a batch may hold rows of both. Policies are measured there
    too, or in `measured`, where that is another (one in which nobody lends a hand).
    """

    dataset: Any
    place: WorldSource | SimulatorSource
    standardise: bool = True
    measured: WorldSource | SimulatorSource | None = None

    kind: SourceKind = "continued"

    @property
    def offline(self) -> DataSource:
        """The dataset alone, measured in the same place."""
        return DataSource(self.dataset, self.place, self.standardise)

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def spec(self) -> Spec:
        return self.dataset.spec

    @property
    def scaling(self) -> Scaling:
        return self.offline.scaling

    def fixed(self) -> Mapping[str, PyTree]:
        return self.offline.in_memory()

    def worlds(self, lane_seeds: tuple[int, ...]) -> Mapping[str, Any]:
        from pilothouse.worlds.wrappers import standardised

        found, (mean, std) = self.place.worlds(lane_seeds), (self.scaling.mean, self.scaling.std)
        if mean is None or std is None:
            return found
        around = {}
        for name, source in found.items():
            if isinstance(source, Simulators):
                around[name] = Simulators(standardised(source.world, mean, std), lane_seeds, source.environments)
            else:
                around[name] = replace(source, world=standardised(source.world, mean, std))
        return around

    def describe(self) -> dict[str, Any]:
        return {**self.offline.describe(), "continued": True}


@dataclass(frozen=True)
class PairSource:
    """Fixed preference pairs."""

    name: str
    pairs: PyTree
    spec: Spec
    fingerprint: str = ""
    evaluation: WorldSource | None = None

    kind: SourceKind = "pairs"

    @property
    def scaling(self) -> Scaling:
        return Scaling()

    def fixed(self) -> Mapping[str, PyTree]:
        return {"data": self.pairs}

    def worlds(self, lane_seeds: tuple[int, ...]) -> Mapping[str, Any]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {"pairs": self.name, "fingerprint": self.fingerprint}


def check_fits(name: str, takes: Any, source: Source) -> None:
    """Raises `SpaceError` unless the recipe learns from this kind of source and takes its spaces.

    And `DataError` where rows of a dataset lack a label that the recipe needs.
    """
    if takes is None:
        return
    wants = {
        "data": "a dataset (--data)",
        "world": "an environment (--env or --world)",
        "continued": "a dataset and goes on in the world (--data with --env or --world, and --online-steps)",
        "text": "a text world",
        "pairs": "preference pairs",
    }
    if takes.source != source.kind:
        raise SpaceError(f"Recipe {name!r} learns from {wants[takes.source]}, and was given {wants[source.kind]}.")
    takes.check(name, source.spec)
    if isinstance(source, DataSource | ContinuedSource):
        for label in LABELS:
            if label not in takes.lacking:
                source.dataset.require(f"recipe {name!r}", label)
            elif source.dataset.missing(label) == len(source.dataset):
                raise DataError(
                    f"{source.name}: no row has its {label}, and recipe {name!r} learns from those that have. Record some."
                )


def in_hand(takes: Any, source: Source) -> Mapping[str, PyTree]:
    """The fixed data of a source for a recipe, whose labels may be missing where it says so."""
    if takes is not None and takes.lacking and isinstance(source, DataSource):
        source = replace(source, lacking=takes.lacking)
    return source.fixed()
