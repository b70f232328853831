"""RA-NLD: the directions in which a policy's decisions are least stable, over states and over time.

Along what the policy met, take the gradient of the cross-entropy of its choice probabilities with its own choice; the
leading eigenvectors of these gradients' second moment are its correlated unstable directions. Followed over time, and
compared between policies, they show what training for robustness does to the decision boundary.

Source: Korkmaz, "Understanding and Diagnosing Deep Reinforcement Learning", arXiv:2406.16979. Written from the abstract
and a summary of the method; the paper was not at hand line by line.
Departures: 1. CartPole's four numbers in place of Atari's pixels. 2. Probabilities of an actor in place of a softmax of
action values. 3. Training for robustness is PPO in Gaussian noise on the observations; the paper's networks were trained
against adversaries. 4. Over time: windows of states, each with a direction of its own.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Positive
from pilothouse.core.errors import PolicyError
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, less
from pilothouse.explain.attribution import probabilities_known, response_at
from pilothouse.explain.explainer import Explainer
from pilothouse.explain.unstable_directions import (
    Instability,
    decision_gradient,
    flips,
    oscillation,
    overlap,
    unstable_directions,
)
from pilothouse.policies.actor_critic import ModeOfAgent
from pilothouse.policies.policy import Policy
from pilothouse.recipes.online.ppo import ppo
from pilothouse.rollout.collect import collect_fresh
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.noise import NoisyObservations


@recipe("ra-nld", takes=Takes(source="world", action=("Discrete",), obs=("Box",)))
def ra_nld(spec: Spec, *, radius: Positive = 0.1, window: Count = 10, lines: Count = 32) -> Explainer:
    @jax.jit
    def program(policy: Policy, obs: Any, key: Any) -> tuple[Any, ...]:
        probabilities = partial(response_at, spec, policy)
        gradients = jax.vmap(partial(decision_gradient, probabilities))(obs)
        found = unstable_directions(gradients)
        tried = jnp.concatenate([found.directions[:1], jax.random.normal(key, (lines, obs.shape[1]))])
        flipped = flips(probabilities, obs, tried, radius)
        return *found, flipped[0], flipped[1:].mean(), oscillation(gradients, window)

    def explain(policy: Policy, observations: Float[np.ndarray, "rows features"], seed: int = 0) -> Instability:
        if not probabilities_known(policy, spec):
            raise PolicyError("The policy does not say how likely its choices are; their stability has no gradient.")
        found = program(policy, jnp.asarray(observations, jnp.float32), jax.random.key(seed))
        strength, directions, *numbers = (np.asarray(x) for x in found)
        first, at_random, turning = (float(x) for x in numbers)
        return Instability(strength, directions, float(radius), first, at_random, turning)

    return explain


WORLD = CartPole(horizon=200)
TRAINED = {"steps": 50_000, "lr": 1e-3, "environments": 16}
SIGMA, RADIUS, WINDOW, EPISODES, LINES = 0.2, 0.1, 10, 16, 16


def looked_at(agent: Any, key: Any) -> dict[str, Any]:
    """One agent's first unstable direction where it goes, how far it turns, and what moves along it do."""
    policy = ModeOfAgent(agent)
    rows, _ = collect_fresh(policy, WORLD, (), EPISODES, WORLD.horizon, key)
    probabilities = partial(response_at, WORLD.spec, policy)
    gradients = jax.vmap(jax.vmap(partial(decision_gradient, probabilities)))(rows.obs)
    flat, valid = rows.obs.reshape(-1, 4), rows.valid.reshape(-1)
    first = unstable_directions(gradients.reshape(-1, 4), valid).directions[0]
    tried = jnp.concatenate([first[None], jax.random.normal(key, (LINES, 4))])
    flipped = flips(probabilities, flat, tried, RADIUS, valid)
    turning = jax.vmap(lambda g, v: oscillation(g, WINDOW, v), in_axes=1)(gradients, rows.valid)
    return {
        "first": first,
        "flips, first direction": flipped[0],
        "flips, random directions": flipped[1:].mean(),
        "oscillation": jnp.nanmean(turning),
    }


def measure(seeds: Sequence[int]) -> Measured:
    """Two standard policies and a robust one a seed, trained alike but for the noise, each looked at where it goes."""
    worlds = {"cartpole": (WORLD, (0, 500_000)), "noisy cartpole": (NoisyObservations(WORLD, SIGMA), (0,))}
    agents, diverged = [], np.zeros(len(seeds), bool)
    for name, (world, shifts) in worlds.items():
        run = learn(
            ppo(lr=TRAINED["lr"]),
            WorldSource(name, world, int(TRAINED["environments"])),
            steps=int(TRAINED["steps"]),
            seeds=[seed + shift for shift in shifts for seed in seeds],
        )
        agents.append(run.machine.state.parts["agent"])
        diverged |= np.asarray(run.diverged()).reshape(len(shifts), -1).any(axis=0)
    keys = jax.vmap(jax.random.key)(jnp.tile(jnp.asarray(seeds, jnp.uint32), 3))
    looked = jax.jit(jax.vmap(looked_at))(jax.tree.map(lambda *x: jnp.concatenate(x), *agents), keys)
    standard, another, robust = (
        {what: np.asarray(x).reshape(3, len(seeds), *x.shape[1:])[which] for what, x in looked.items()}
        for which in range(3)
    )
    overlaps = jax.jit(jax.vmap(overlap))
    values = {
        f"{what}, {name}": found[what]
        for name, found in (("standard", standard), ("robust", robust))
        for what in ("flips, first direction", "flips, random directions", "oscillation")
    }
    values["overlap, standard and robust"] = np.asarray(overlaps(standard["first"], robust["first"]))
    values["overlap, two standard"] = np.asarray(overlaps(standard["first"], another["first"]))
    return Measured(values, dict.fromkeys(values, diverged))


CLAIM = Claim(
    recipe="ra-nld",
    statement=(
        "Choices change more often along the first unstable direction than along random ones; training for robustness "
        "leads to other unstable directions than standard training does, and to directions that turn more over time."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(
        greater("flips, first direction, standard", "flips, random directions, standard"),
        less("overlap, standard and robust", "overlap, two standard"),
        greater("oscillation, robust", "oscillation, standard"),
    ),
    unit={
        **{
            f"flips, {which}, {name}": f"share of states at which a move of {RADIUS:g} changes the choice"
            for which in ("first direction", "random directions")
            for name in ("standard", "robust")
        },
        **{f"overlap, {pair}": "absolute cosine" for pair in ("standard and robust", "two standard")},
        **{f"oscillation, {name}": "1 - absolute cosine of successive windows" for name in ("standard", "robust")},
    },
    settings={"ppo": TRAINED, "robust": {"sigma": SIGMA}, "radius": RADIUS, "window": WINDOW, "episodes": EPISODES},
    notes=(
        "CartPole of 200 steps. Directions, moves and noise are in the units of the observation (m, m/s, rad, rad/s), as "
        "one pixel is like another. Every policy is looked at where it goes itself. The second standard policy of a seed "
        "is trained with that seed plus 500,000. Nothing was tuned: one set of settings was tried."
    ),
)
