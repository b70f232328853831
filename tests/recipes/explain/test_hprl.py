"""The mechanism: programs in a row earn what no single one of the space can, and each is credited with its own."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, MultiDiscrete, Spec
from pilothouse.explain.composed_programs import composed_programs
from pilothouse.policies.decoded import Always
from pilothouse.recipes.explain.hprl import hprl
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.karel_language import Grammar, follows, parsed
from pilothouse.worlds.karel_programs import KarelPrograms

SMALL = KarelPrograms("harvest", side=3, length=2, horizon=8)
"""Programs of two words at most, which pick up one marker of nine at most."""
SETTINGS = {"pretraining": 0, "latent": 2, "width": 16, "depth": 1, "lr": 1e-2, "length": 16, "entropy": 0.0}


def best_alone() -> float:
    """What the best of all programs earns on its own, whatever the start."""
    rows = jnp.array(list(itertools.product(range(Grammar(2, 2).vocabulary), repeat=2)))
    programs = rows[jax.vmap(lambda row: follows(Grammar(2, 2), row))(rows)]
    state, _ = SMALL.reset((), jax.random.key(0))
    paid = jax.jit(jax.vmap(lambda program: SMALL.step(state, program, jax.random.key(0))[1].reward))
    return float(paid(programs).max())


def a_space(wanted: str) -> Any:
    """An embedding that was not learned, loud enough to hold several programs, this one among many of them."""
    algorithm, like = hprl(**SETTINGS).build(SMALL.spec), jnp.asarray(parsed(wanted, SMALL.length))
    latents = jax.random.normal(jax.random.key(0), (200, 2))
    for number in range(40):
        made = algorithm.parts["embedding"](jax.random.key(number))  # pyright: ignore[reportCallIssue]
        loud = jax.tree.map(lambda x: 4.0 * x, made)
        held = (decode(loud, latents) == like).all(axis=1).mean()
        if 0.05 < held < 0.5:
            return loud
    raise AssertionError("no such space")


decode = jax.jit(lambda space, latents: jax.vmap(space.decode)(latents))


def test_a_row_of_programs_earns_what_no_single_one_does() -> None:
    alone, seeds = best_alone(), (0, 1, 2)
    assert alone == pytest.approx(1 / 9)
    space = jax.tree.map(lambda x: jnp.stack([x] * len(seeds)), a_space("pick move"))
    place = WorldSource("karel-programs", SMALL, 16)
    run = learn(hprl(**SETTINGS), place, steps=12_000, seeds=seeds, evaluations=1, adopt={"embedding": space})
    assert (run.final_returns().mean(axis=1) > 1.5 * alone).all()
    # What was given is used as it is: the meta-policy alone has learned.
    after = run.machine.state.parts["embedding"]
    for ours, given in zip(jax.tree.leaves(after), jax.tree.leaves(space), strict=True):
        np.testing.assert_array_equal(ours, given)


def test_what_acts_is_a_program_and_what_is_learned_from_is_its_latent() -> None:
    algorithm = hprl(**SETTINGS).build(SMALL.spec)
    parts = {name: make(jax.random.key(0)) for name, make in algorithm.parts.items()}  # pyright: ignore[reportCallIssue]
    collect, swap = algorithm.stages[-1].cycle[:2]
    obs = SMALL.spec.obs.zeros()
    action, _, extra = collect.policy(parts)(obs, (), jax.random.key(1))  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_array_equal(action, parts["embedding"].decode(extra["latent"]))
    assert parts["agent"](obs)[0].log_prob(extra["latent"]) == pytest.approx(float(extra["log_prob"]), rel=1e-5)
    rows = Batch(action=action, **extra)
    told = swap.change({"rollout": rows}, None, {}, jax.random.key(0))  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_array_equal(told["rollout"].action, extra["latent"])


def test_an_episode_reads_as_the_programs_that_were_run_in_it() -> None:
    """Around the yard by its edges: the fourth corner ends the episode."""
    place, side = KarelPrograms("four-corners", side=3, horizon=6), "while front_is_clear { move } put turn_left"
    always = Always(jnp.asarray(parsed(side, place.length)))
    assert composed_programs(always, place) == [side] * 4


def test_another_language_is_refused() -> None:
    for spec in (Spec(Box((216,)), MultiDiscrete((3, 3))), Spec(Box((7,)), SMALL.spec.action)):
        with pytest.raises(SpaceError, match="karel-programs"):
            hprl().build(spec)
