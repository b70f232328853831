"""An episode of a policy that acts by programs, as text: it is its own explanation."""

from typing import Any

import jax
import numpy as np

from pilothouse.policies.policy import Policy
from pilothouse.rollout.collect import collect_fresh
from pilothouse.worlds.karel_language import program_text
from pilothouse.worlds.karel_programs import KarelPrograms


def composed_programs(policy: Policy, place: KarelPrograms, seed: int = 0) -> list[str]:
    """The programs that a policy runs in one episode, in order, as `worlds.karel_language` writes them."""

    def episode(key: Any) -> Any:
        rows, _ = collect_fresh(policy, place, (), 1, place.horizon, key)
        return rows.action[:, 0], rows.valid[:, 0]

    programs, valid = jax.jit(episode)(jax.random.key(seed))
    return [program_text(program) for program in np.asarray(programs)[np.asarray(valid)]]
