"""Whoever compares what was reached before with what is there now knows what an agent wants; means do not tell."""

import jax
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.evaluate.arms import learned_from
from pilothouse.evaluate.scripted_intuitions import SPEC, drawn_plans, endings, filmed
from pilothouse.recipes.explain.irene import irene, told_apart


def test_a_graph_onlooker_learns_what_an_agent_prefers_and_means_do_not() -> None:
    # Of two objects, anywhere around, an agent goes for the one that it went for before. Fails if frames are means of nodes
    # or the trials before are averaged, which is what `relational=False` does: it stays at one half.
    made = filmed(drawn_plans("preference", 600, np.random.default_rng(0)))
    rows = {"data": Batch(obs=made.obs[None], action=made.action[None])}
    pair = endings("preference", 100, np.random.default_rng(1))
    told = {}
    for relational in (True, False):
        bound = irene(relational=relational, lr=1e-2, batch=16, width=16)
        machine = learned_from(bound, SPEC, rows, updates=400, seeds=[0])
        told[relational] = told_apart(jax.tree.map(lambda x: x[0], machine.state.parts["actor"]), *pair)
    assert told[True] > 0.85
    assert told[False] < 0.7
