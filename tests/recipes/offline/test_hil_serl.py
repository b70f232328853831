"""HIL-SERL: interventions are learned from twice, as what was done; RLPD has only what the policy meant to do."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.evaluate.scripted_data import SwingUp, mixture
from pilothouse.policies.policy import Memoryless
from pilothouse.recipes.offline.hil_serl import hil_serl
from pilothouse.recipes.offline.rlpd import rlpd
from pilothouse.train.session import Session, open_session, plan_for
from pilothouse.train.sources import ContinuedSource, WorldSource
from pilothouse.worlds.overseen import Overseen
from pilothouse.worlds.pendulum import SparsePendulum


class Always(Memoryless):
    push: float

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.full(1, self.push), carry, {}


SMALL = {"width": 4, "depth": 1, "batch": 4, "warmup": 2, "capacity": 64, "updates": 1, "members": 2}
ALONE = ContinuedSource(
    mixture("pendulum-sparse", [(SwingUp(2.0, 0.2), 50)]), WorldSource("pendulum-sparse", SparsePendulum(), 1)
)
WATCHED: Any = Overseen(SparsePendulum(), Always(1.0), 3, 2)
SEEN = replace(ALONE, place=WorldSource("overseen", WATCHED, 1), measured=ALONE.place)


def lived(bound: Any, source: ContinuedSource) -> Session:
    session = open_session(bound, source, seeds=[0], episodes=0)
    session.run(plan_for(session.machine, source, 25, evaluations=1))
    return session


def rows_of(session: Session, part: str) -> Any:
    store = jax.tree.map(lambda x: np.asarray(x)[0], session.machine.state.parts[part])
    return jax.tree.map(lambda x: x[: int(store.added)], store.rows)


def test_what_the_overseer_did_is_kept_as_done_and_twice() -> None:
    session = lived(hil_serl(**SMALL), SEEN)
    everything, shown = rows_of(session, "replay"), rows_of(session, "interventions")
    assert len(everything.action) == 25 and 0 < len(shown.action) < 25
    np.testing.assert_allclose(shown.action, 0.5)  # torque 1 of 2, in unit actions
    theirs = everything.action[:, 0] == 0.5
    assert theirs.sum() == len(shown.action)
    np.testing.assert_array_equal(everything.obs[theirs], shown.obs)
    # RLPD in the same world believes that its own actions were done: the mechanism is what it lacks.
    assert not (rows_of(lived(rlpd(**SMALL), SEEN), "replay").action == 0.5).any()


def test_without_an_overseer_nobody_intervenes() -> None:
    session = lived(hil_serl(**SMALL), ALONE)
    assert len(rows_of(session, "replay").action) == 25 and len(rows_of(session, "interventions").action) == 0
