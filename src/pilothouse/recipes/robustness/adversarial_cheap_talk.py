"""Adversarial cheap talk (ACT): a voice that says nothing new, learned so that whoever learns beside it learns badly.

Behind every observation stand a few numbers that depend on it alone. They neither change the world nor tell anything
that is not there, but a learner takes them for features. Evolution strategies find the messages, each candidate scored
by the return of a victim that learns beside it from nothing; an ally wants that return high, an adversary low.

Source: Lu, Willi, Letcher and Foerster, "Adversarial Cheap Talk", arXiv:2211.11030, and the authors' code.
Departures: 1. Messages of training time only; the paper's control of the victim at test time, through messages that
depend on a goal, is left out. 2. All victims of a generation live with the same random numbers. 3. Populations and victims
are small enough for a laptop; the authors' population is 1,024 and their victims live for 32,768 steps. 4. `--steps` counts
what the victim taught beside the voice of the generation before does; lives within a generation are thought.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.algorithm.evolution import evolution_state, evolve
from pilothouse.algorithm.interpreter import Source
from pilothouse.algorithm.lifetimes import lifetime
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Natural, Positive, Real
from pilothouse.algorithm.steps import Algorithm, Collect, copy_of
from pilothouse.core.aliases import Parts
from pilothouse.core.errors import SpaceError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, less
from pilothouse.networks.actors import actor_and_value
from pilothouse.networks.messages import messenger
from pilothouse.policies.actor_critic import ModeOfAgent
from pilothouse.policies.told import Told
from pilothouse.recipes.online.ppo import ppo
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds import registry
from pilothouse.worlds.cheap_talk import CheapTalk, with_messages
from pilothouse.worlds.world import World


def victim(world: World, message: Any, key: PRNGKeyArray, *, symbols: int, environments: int, cycles: int, **how: Any):
    """One life of PPO in the world with this voice: its agent at the end, and the mean return of its whole life."""
    place = CheapTalk(world, message, symbols)
    parts, earned = lifetime(ppo(**how).build(place.spec), Source(place, environments), cycles, key)
    return parts["agent"], earned


@recipe("adversarial-cheap-talk", takes=Takes(source="world", action=("Discrete",), obs=("Box",)))
def adversarial_cheap_talk(
    spec: Spec,
    *,
    world: str = "cartpole",
    wish: Real = -1.0,
    symbols: Count = 2,
    population: Count = 1024,
    sigma: Positive = 0.1,
    lr: Positive = 0.01,
    width: Count = 32,
    depth: Count = 2,
    hidden: Natural = 2,
    lives: Count = 32,
    environments: Count = 4,
    length: Count = 256,
    epochs: Count = 16,
    minibatches: Count = 4,
) -> Algorithm:
    """`wish`: what a victim's return is worth to the voice, below 0 to an adversary and above to an ally. `population`: candidates a generation, in mirrored pairs. `lives`: cycles of each victim's life. The victims' PPO has `length`, `epochs`, `minibatches`, `width`, `depth`;
    the voice has `hidden` layers of `width`."""
    place = registry.world(world)
    if place.spec.action != spec.action or place.spec.obs.size != spec.obs.size:
        raise SpaceError(f"Victims learn in {world!r}, and this is another place. Give `world=` its name.")
    life = {
        **{"symbols": symbols, "environments": environments, "cycles": lives, "length": length, "epochs": epochs},
        **{"minibatches": minibatches, "width": width, "depth": depth, "lr": 0.01, "entropy": 0.01},
    }

    def live(parts: Parts, message: Any, key: PRNGKeyArray) -> tuple[jax.Array, dict[str, PyTree]]:
        del parts
        agent, earned = victim(place, message, key, **life)
        return wish * earned, {"agent": agent, "heard": message}

    def acts(parts: Parts) -> Told:
        return Told(ModeOfAgent(parts["agent"]), parts["heard"])

    voice = messenger(place.spec.obs.size, symbols, width, hidden)
    return Algorithm.of(
        parts={
            "voice": voice,
            "voice/moments": evolution_state(voice, lr),
            "heard": copy_of("voice"),
            "agent": actor_and_value(with_messages(place.spec, symbols), width, depth),
        },
        cycle=(
            evolve("voice", live, keeps=("agent", "heard"), pairs=(population + 1) // 2, sigma=sigma, lr=lr),
            Collect("lived", length, acts),
        ),
        acts=acts,
        optimizer=optax.identity(),
    )


LIFE: dict[str, Any] = {"environments": 8, "length": 32, "epochs": 4, "minibatches": 1, "width": 16, "depth": 1}
LIVES, LEARNED = 16, {"population": 16, "hidden": 0, "sigma": 0.3, "lr": 0.1}
GENERATIONS, FRESH = 20, 16


def heard(voice: Any, key: PRNGKeyArray) -> jax.Array:
    """The mean return of the lives of new victims, who learn beside this voice."""
    place, how = registry.world("cartpole"), {"symbols": 2, "cycles": LIVES, "lr": 0.01, "entropy": 0.01, **LIFE}
    return jax.vmap(lambda own: victim(place, voice, own, **how)[1])(jax.random.split(key, FRESH)).mean()


def measure(seeds: Sequence[int]) -> Measured:
    """Voices learned by an adversary and by an ally, one random and one silent: what new victims earn while they learn."""
    wishes, count = {"adversary": -1.0, "ally": 1.0}, len(seeds)
    run = learn(
        adversarial_cheap_talk(lives=LIVES, **LIFE, **LEARNED),
        WorldSource("cartpole", registry.world("cartpole"), 1),
        steps=GENERATIONS * LIFE["length"],
        seeds=[*seeds] * len(wishes),
        floats={"wish": [wish for wish in wishes.values() for _ in seeds]},
        episodes=0,
    )
    voices: dict[str, Any] = {
        arm: jax.tree.map(lambda x, n=n: x[n * count : (n + 1) * count], run.machine.state.parts["voice"])
        for n, arm in enumerate(wishes)
    }
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    voices["random"] = jax.vmap(messenger(4, 2, LIFE["width"], LEARNED["hidden"]))(keys)
    voices["silent"] = jax.tree.map(jnp.zeros_like, voices["random"])
    program = jax.jit(jax.vmap(lambda voice, key: heard(voice, named(key, "new victims"))))
    return Measured({arm: np.asarray(program(voice, keys)) for arm, voice in voices.items()})


CLAIM = Claim(
    recipe="adversarial-cheap-talk",
    statement=(
        "Messages that say nothing new, learned by an adversary, make new victims earn less while they learn than random "
        "messages or silence do; learned by an ally, more."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(
        less("adversary", "random"),
        less("adversary", "silent"),
        greater("ally", "random"),
        greater("ally", "silent"),
    ),
    unit="mean return over a victim's life (CartPole, 4,096 steps)",
    settings={"learned": LEARNED, "generations": GENERATIONS, "victims": {**LIFE, "cycles": LIVES, "lr": 0.01}},
    tried={arm: ["sigma=0.3 lr=0.1"] for arm in ("adversary", "ally")},
    seeds=8,
    notes=(
        "Each value is the mean over 16 new victims, who live with other random numbers than those the voice was learned "
        "from, and the same in every arm. "
        "Voices are linear maps under a hyperbolic tangent, ten numbers, learned over 20 generations of 16 candidates. "
        "Victims are the same in every arm. Nothing was tuned: one set of settings was tried."
    ),
)
