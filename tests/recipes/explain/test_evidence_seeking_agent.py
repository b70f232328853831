"""The mechanism: what is asked next depends on the answers, which no fixed set of as many features can make up for."""

import jax.numpy as jnp
import numpy as np

from pilothouse.recipes.explain.evidence_seeking_agent import SPEC, Physician, evidence_seeking_agent


def test_the_agent_reads_the_sign_that_names_the_others_and_then_those() -> None:
    # Fails where the plan is one set for all patients: that loses more, as it cannot follow the first answer.
    physician = Physician(jnp.array([4, 7, 2, 0, 9, 1, 3, 5, 6, 8]), jnp.ones((2, 2)))
    patients = np.random.default_rng(0).normal(size=(4000, 10)).astype(np.float32)
    found = evidence_seeking_agent(levels=2, budget=3).build(SPEC)(physician, patients)
    assert found.loss < 0.9 * found.fixed < 0.9 * found.unasked
    assert found.share["x4"] > 0.95 and min(found.share[f"x{i}"] for i in (0, 2, 7, 9)) > 0.3
    assert max(found.share[f"x{i}"] for i in (1, 3, 5, 6, 8)) < 0.1
    assert found.faithful and found.sanity_passed
