"""Our side of every row that the engine runs: a session of one recipe, advanced by whole cycles."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

PACKAGES = ("pilothouse", "jax", "equinox", "optax", "numpy", "gymnasium")


class EngineWorker:
    """A unit is an update, or with `unit="env_steps"` an environment step, of one seed.

    `recipe` is the name of one, or an algorithm; `settings` are then only reported.
    """

    def __init__(
        self,
        recipe: Any,
        source: Any,
        settings: dict[str, Any],
        facts: dict[str, Any],
        unit: str = "updates",
        seeds: tuple[int, ...] = (0,),
    ):
        import pilothouse
        from pilothouse.train.session import open_session

        self.about = facts | {"settings": settings}
        self.unit = unit
        algorithm = pilothouse.recipe(recipe, **settings) if isinstance(recipe, str) else recipe
        self.session = open_session(algorithm, source, seeds=seeds, episodes=0)
        self.machine = self.session.machine

    def units(self, cycles: int) -> int:
        """Units done after so many cycles."""
        updates, env_steps = self.machine.counts_at(cycles)
        return env_steps if self.unit == "env_steps" else updates

    def warm_up(self) -> None:
        # Past the first stage, if there is one that only collects, and through the second's program twice.
        stages = self.machine.structure.stages
        before = sum(stage.cycles or 0 for stage in stages[:-1])
        self.machine.advance(before + 2)
        self.machine.advance(2)

    def run(self, count: int) -> int:
        import jax

        done = self.machine.done
        each = self.units(done + 1) - self.units(done)
        cycles = -(-count // each)
        self.machine.advance(cycles)
        jax.block_until_ready(self.machine.state)
        return cycles * each

    def facts(self) -> dict[str, Any]:
        return self.about
