"""Policy smoothing: noise on every observation, and in return a bound on what an adversary can take from the return.

The policy acts on its observation plus Gaussian noise of its own. An adversary that may move observations by an
Euclidean norm of at most B over the whole episode, however it adapts to what happens, then cannot push the probability
of any outcome p below Phi(Phi^-1(p) - B / sigma); summed over all thresholds of the return, that bounds its mean. No
single action has to be robust.

Source: Kumar, Levine and Feizi, "Policy Smoothing for Provably Robust Reinforcement Learning", arXiv:2106.11420.
Written from the abstract and the published certificate; the paper's experiments were not at hand line by line.
Departures: 1. The policies guarded in the claim are PPO's, trained in the same noise, on CartPole of 200 steps. 2. The
adversary is ours: it follows the gradient of the actor's own log-probabilities, averaged over noise, with the strongest
of 15 goals and sizes.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Positive
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, less
from pilothouse.guard.attacks import Attacked, Misleading
from pilothouse.guard.certificates import action_radius, certified_mean, certified_steps
from pilothouse.guard.smoothing import Smoothing, Voted
from pilothouse.policies.actor_critic import ModeOfAgent
from pilothouse.policies.transform import Transform
from pilothouse.recipes.online.ppo import ppo
from pilothouse.rollout.collect import collect_fresh
from pilothouse.rollout.episodes import traced_episodes
from pilothouse.train.evaluation import random_returns
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.noise import NoisyObservations


@recipe(
    "policy-smoothing", takes=Takes(source="world", action=("Box", "Discrete", "MultiDiscrete", "Dict"), obs=("Box",))
)
def policy_smoothing(spec: Spec, *, sigma: Positive = 0.2) -> Transform:
    return Smoothing(sigma)


WORLD = CartPole(horizon=200)
SIGMA, BUDGETS = 0.2, (0.2, 0.4)
TRAINED = {"steps": 100_000, "lr": 1e-3, "environments": 16}
EPISODES = {"certify": 10_000, "attack": 256, "choose": 64, "vote": 32}
WANTED, SHARES, DRAWS = (-1, 0, 1), (1.0, 0.5, 0.25, 0.125, 0.0625), 1000


def returns_of(policy: Any, key: Any, episodes: int) -> Any:
    return traced_episodes(policy, WORLD, key, episodes=episodes, longest=WORLD.horizon).returns


def strongest(agent: Any, budget: Any, key: Any) -> Any:
    """Mean return of the smoothed agent under the attack that, on other episodes, left it the least."""
    wanted, shares = (jnp.asarray(x) for x in zip(*((w, s) for w in WANTED for s in SHARES), strict=True))

    def under(goal: Any, share: Any, key: Any, episodes: int) -> jax.Array:
        aim = Misleading(agent, SIGMA, goal)
        return returns_of(
            Attacked(Smoothing(SIGMA)(ModeOfAgent(agent)), aim, budget, share * budget), key, episodes
        ).mean()

    tried = jax.vmap(lambda w, s: under(w, s, jax.random.fold_in(key, 0), EPISODES["choose"]))(wanted, shares)
    worst = jnp.argmin(tried)
    return under(wanted[worst], shares[worst], jax.random.fold_in(key, 1), EPISODES["attack"])


def voting(agent: Any, key: Any) -> Any:
    """The votes for each action of an agent that acts by vote, `(step, episode)`, and where they are valid."""
    policy = Voted(ModeOfAgent(agent), SIGMA, DRAWS, 2)
    rows, _ = collect_fresh(policy, WORLD, (), EPISODES["vote"], WORLD.horizon, key)
    return rows["votes"], rows.valid


def measure(seeds: Sequence[int]) -> Measured:
    """One agent a seed, trained in noise on CartPole of 200 steps; what is certain of it, and what an attack leaves."""
    noisy = WorldSource("noisy cartpole", NoisyObservations(WORLD, SIGMA), TRAINED["environments"])
    run = learn(ppo(lr=TRAINED["lr"]), noisy, steps=TRAINED["steps"], seeds=seeds)
    agents, keys = run.machine.state.parts["agent"], jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    smoothed = jax.jit(jax.vmap(lambda a, k: returns_of(Smoothing(SIGMA)(ModeOfAgent(a)), k, EPISODES["certify"])))
    clean = np.asarray(smoothed(agents, keys))
    votes, valid = (np.asarray(x) for x in jax.jit(jax.vmap(voting))(agents, keys))
    attack = jax.jit(jax.vmap(strongest, in_axes=(0, None, 0)))
    chance = random_returns(WorldSource("cartpole", WORLD), episodes=1000).mean()
    values: dict[str, Any] = {"random": np.full(len(seeds), chance), "not attacked": clean.mean(axis=1)}
    for budget in BUDGETS:
        bounds = [certified_mean(each, budget=budget, sigma=SIGMA) for each in clean]
        steps = [
            certified_steps(v, w, lambda n: action_radius(n, DRAWS, sigma=SIGMA), budget=budget).mean()
            for v, w in zip(votes, valid, strict=True)
        ]
        values |= {f"certified, {budget:g}": np.array(bounds), f"per step, {budget:g}": np.array(steps)}
        values[f"attacked, {budget:g}"] = np.asarray(attack(agents, budget, keys))
    return Measured(values, {arm: run.diverged() for arm in values if arm != "random"})


CLAIM = Claim(
    recipe="policy-smoothing",
    statement=(
        "The certified mean return holds under a strong adaptive attack of the same budget, and says something: it is "
        "above a random policy's return, and above what certificates of single actions give."
    ),
    basis="paper",
    source="abstract",
    measure=measure,
    relations=tuple(
        relation
        for budget in BUDGETS
        for relation in (
            less(f"certified, {budget:g}", f"attacked, {budget:g}"),
            greater(f"certified, {budget:g}", "random"),
            greater(f"certified, {budget:g}", f"per step, {budget:g}"),
        )
    ),
    unit="mean return (CartPole, 200 steps)",
    settings={"policy smoothing": {"sigma": SIGMA, "budgets": list(BUDGETS)}, "ppo": TRAINED, "episodes": EPISODES},
    tried={arm: ["sigma=0.1", "sigma=0.2"] for arm in ("certified", "per step")},
    seeds=8,
    notes=(
        "Certified: a lower bound of the mean, 99.9% sure. Budgets are Euclidean norms over a whole episode, in the units of the observation (m, m/s, rad, rad/s). Per "
        "step: a vote of 1,000 noisy looks a step, whose action must hold against the whole budget; its bounds, unlike "
        "the others, are not corrected for their number. The attack may read the agent's weights and is chosen, for each "
        "seed and budget, among 15."
    ),
)
