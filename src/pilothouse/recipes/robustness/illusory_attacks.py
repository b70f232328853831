"""Illusory attacks: an adversary that shows the policy another life, with nothing in it to tell it from its own.

The adversary simulates a copy of the world that begins anew and obeys the policy's actions, and shows that one. Whoever
watches sees a sequence as likely as any without an attack, so no test can find it out; but the policy acts on what is not
there. An attack that moves each observation by itself does as much harm and contradicts itself at once.

Source: Franzmeyer, McAleer, Henriques, Foerster, Torr, Bibi and Schroeder de Witt, "Illusory Attacks: Detectability
Matters in Adversarial Attacks on Sequential Decision-Makers", arXiv:2207.10170. Written from the abstract.
Departures: 1. The perfect attack only, which needs a simulator and no learning; the attacks learned under a penalty on
what may be noticed, and the study with people, are left out. 2. `flaw` is ours: how wrong the adversary's copy is. 3. The
detector knows the world's equations, where the paper learns a model.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import NotNegative
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import less, within
from pilothouse.guard.attacks import Attacked, Misleading
from pilothouse.guard.illusions import Illusion, detected, surprise
from pilothouse.policies.actor_critic import ModeOfAgent
from pilothouse.policies.transform import Transform
from pilothouse.recipes.online.ppo import ppo
from pilothouse.rollout.collect import collect_fresh
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds import registry
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.noise import NoisyObservations


@recipe("illusory-attacks", takes=Takes(source="world", action=("Box", "Discrete"), obs=("Box",)))
def illusory_attacks(spec: Spec, *, world: str = "pendulum", flaw: NotNegative = 0.0) -> Transform:
    copy = registry.world(world)
    if copy.spec != spec:
        raise SpaceError(f"The adversary simulates {world!r}, and the policy lives elsewhere. Give `world=` its name.")
    return Illusion(copy, flaw)


PLAIN = CartPole(horizon=200)
SENSED = 0.05
WORLD = NoisyObservations(PLAIN, SENSED)
TRAINED = {"steps": 60_000, "lr": 1e-3, "environments": 16}
EPISODES, WATCHED = 256, 8
SIZES = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.6)


def expected(obs: Any, action: Any) -> Any:
    """The next observation by the equations of the cart and pole, taking what was seen for the truth."""
    return PLAIN.step(PLAIN.state_of(obs), action, jax.random.key(0))[1].next_obs


def lived(policy: Any, key: Any) -> tuple[Any, Any]:
    """The mean return of so many episodes, and the detector's score of each, from its first transitions."""
    rows, _ = collect_fresh(policy, WORLD, (), EPISODES, PLAIN.horizon, key)
    shown = rows["shown"] if "shown" in rows else rows.obs + rows["move"] if "move" in rows else rows.obs
    first = WATCHED + 1
    return rows.reward.sum(axis=0).mean(), surprise(expected, shown[:first], rows.action[:first])


def one_victim(agent: Any, key: Any) -> dict[str, Any]:
    """What both attacks do to one victim, and how often they show; the sizes of the other are chosen on other episodes."""
    victim, keys = ModeOfAgent(agent), jax.random.split(key, 5)

    def moved(size: Any, key: Any) -> tuple[Any, Any]:
        return lived(Attacked(victim, Misleading(agent, 0.0, -1, draws=1), 1e6, size), key)

    clean, usual = lived(victim, keys[0])
    left, illusion = lived(Illusion(WORLD)(victim), keys[1])
    sizes = jnp.asarray(SIZES)
    tried, _ = jax.vmap(lambda size: moved(size, keys[2]))(sizes)
    enough = tried <= lived(Illusion(WORLD)(victim), keys[3])[0]
    size = jnp.where(enough.any(), sizes[jnp.argmax(enough)], sizes[jnp.argmin(tried)])
    also, contradiction = moved(size, keys[4])
    return {
        "illusory": detected(illusion, usual),
        "moved": detected(contradiction, usual),
        "illusory, return": left,
        "moved, return": also,
        "unattacked, return": clean,
        "moved, size": size,
    }


def measure(seeds: Sequence[int]) -> Measured:
    """One victim a seed: PPO on CartPole of 200 steps seen through sensors with noise."""
    run = learn(ppo(lr=TRAINED["lr"]), WorldSource("sensed cartpole", WORLD, TRAINED["environments"]),
                steps=TRAINED["steps"], seeds=seeds, episodes=1)  # fmt: skip
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    found = jax.jit(jax.vmap(one_victim))(run.machine.state.parts["agent"], keys)
    values = {arm: np.asarray(value) for arm, value in found.items()} | {"chance": np.full(len(seeds), 0.5)}
    return Measured(values, {arm: run.diverged() for arm in found})


CLAIM = Claim(
    recipe="illusory-attacks",
    statement=(
        "A perfect illusory attack takes much of a victim's return and is not told from no attack by a test of transitions; "
        "an attack that moves single observations, and takes as much, is."
    ),
    basis="paper",
    source="abstract",
    measure=measure,
    relations=(
        within("illusory", "chance", 0.05),
        less("illusory", "moved", 0.2),
        less("illusory, return", "unattacked, return", 50.0),
    ),
    unit={
        **dict.fromkeys(("illusory", "moved", "chance"), "area under the detector's curve"),
        **{f"{arm}, return": "return (CartPole, 200 steps)" for arm in ("illusory", "moved", "unattacked")},
        "moved, size": "Euclidean norm of a step's move",
    },
    settings={"ppo": TRAINED, "sensors": SENSED, "episodes": EPISODES, "watched": WATCHED, "sizes": list(SIZES)},
    tried={arm: ["sensors=0.05 watched=8"] for arm in ("illusory", "moved")},
    seeds=8,
    notes=(
        "The test's score is the mean squared gap between what is seen and what the equations foretell, over an episode's "
        "first 8 transitions; its area under the curve is over 256 episodes each with and without the attack. The other "
        "attack follows the gradient of the victim's least likely action at every step; its size is the smallest of seven "
        "that, on other episodes, left the victim no more than the illusion did. Seeds 0 and 1 were looked at once; the sizes "
        "were made finer after it, which matches the damage more closely."
    ),
)
