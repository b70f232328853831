"""What the family of TD3 shares: a deterministic actor, twin critics, slow copies of both, and an actor moved half as often."""

from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.steps import Batches, Fit, Objective, copy_of
from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.actors import deterministic_actor
from pilothouse.networks.critics import twin_critic


def deterministic_parts(
    spec: Spec, width: int, depth: int, *, layer_norm: bool = False
) -> dict[str, Initialise | copy_of]:
    """The parts `actor`, `actor/slow`, `critic` (twins, with `layer_norm` if told) and `critic/slow`."""
    return {
        "actor": deterministic_actor(spec, width, depth),
        "actor/slow": copy_of("actor"),
        "critic": twin_critic(spec, width, depth, layer_norm=layer_norm),
        "critic/slow": copy_of("critic"),
    }


def delayed_actor(models: tuple[Objective, ...], actor: Objective, rows: Batches, rate: float) -> tuple[Fit, Fit]:
    """Two updates: `models` (the critic, and whatever else is learned with it) alone, then those and the actor together.

    After the second, both slow copies follow by `rate`.

    **Source:** Fujimoto, van Hoof and Meger, arXiv:1802.09477, algorithm 1.
    """
    slow = (follow("critic", "critic/slow", rate), follow("actor", "actor/slow", rate))
    return Fit(models, rows), Fit((*models, actor), rows, after=slow)
