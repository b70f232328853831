"""Dichotomy of Control (DoC): cloning given a future from which everything that was luck has been taken out.

An encoder reads a latent choice off what followed, and an actor that is told it clones what was done. An energy learns to
tell from the choice what a step's reward and next observation will be, beyond what observation and action say already, and
the encoder is held to give it nothing to tell. To act, likely choices are drawn, and the one of highest value is followed.

Source: Yang, Schuurmans, Abbeel and Nachum, "Dichotomy of Control: Separating What You Can Control from What You Cannot",
arXiv:2210.13435, by its abstract and the authors' code (google-research/dichotomy_of_control).
Departures: 1. The latent is one of `choices`, as in the authors' tabular code, and means over it are exact, not by drawing;
their neural code has a normal one. 2. The encoder descends what the energy ascends, as the paper's constraint asks; in the
authors' code one loss trains both. 3. Observations stand for histories. 4. Choices are drawn anew at every step, by what
is likely there, as in the authors' code. 5. The future is read by a gated recurrent unit, over the next `length` steps. 6. The
likeliest action is taken.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pilothouse.algorithm.recipe import Bound, Takes, recipe
from pilothouse.algorithm.return_conditioning import note_returns
from pilothouse.algorithm.settings import Count, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data.trajectories import Futures
from pilothouse.evaluate.arms import learned_apart
from pilothouse.evaluate.claim import Claim
from pilothouse.evaluate.relations import greater, less
from pilothouse.evaluate.scripted_choices import CONTEXTS, WON, choices_with_chance
from pilothouse.networks.actors import actor
from pilothouse.networks.critics import state_value
from pilothouse.networks.futures import future_encoder, outcome_energy, told_choice
from pilothouse.objectives.future_conditioned import clone_what_can_be_controlled
from pilothouse.objectives.return_conditioned import untrained_scale
from pilothouse.policies.return_conditioned import best_choice
from pilothouse.recipes.offline.bc import bc
from pilothouse.recipes.offline.decision_transformer import decision_transformer


@recipe("doc", takes=Takes(source="data", action=("Box", "Discrete")))
def doc(
    spec: Spec,
    *,
    choices: Count = 32,
    constraint: NotNegative = 1.0,
    samples: Count = 100,
    length: Count = 20,
    block: Count = 100,
    lr: Positive = 1e-3,
    batch: Count = 64,
    width: Count = 128,
    depth: Count = 2,
) -> Algorithm:
    conditioned = told_choice(spec, choices)
    trained = ("actor", "future", "energy", "prior", "value")
    controlled = Objective(clone_what_can_be_controlled(constraint), trained)
    return Algorithm(
        parts={
            "actor": actor(conditioned, width, depth),
            "future": future_encoder(spec, choices, width),
            "energy": outcome_energy(spec, choices, width, depth),
            "prior": actor(Spec(spec.obs, Discrete(choices)), width, depth),
            "value": state_value(conditioned, width, depth),
            "returns": untrained_scale,
        },
        stages=(note_returns(), Stage((Fit((controlled,), Futures("data", batch, length), times=block),))),
        acts=best_choice(samples),
        optimizer=optax.adam(lr),
    )


SHARE, ROWS, UPDATES = 0.1, 4_000, 1_500
SHARED = {"width": 32, "batch": 64, "lr": 3e-3}
DOC = {**SHARED, "depth": 1, "choices": 8, "length": 2}
CLONING = {**SHARED, "depth": 1, "lr": 1e-2}
TRANSFORMER = {**SHARED, "layers": 1, "length": 2, "longest": 2}
CONSTRAINTS = {"doc": 1.0, "luck and all": 0.0}


def first_choices(
    bound: Bound, worlds: Sequence[Any], floats: Mapping[str, Sequence[float]], seeds: Sequence[int]
) -> Any:
    """`[lane, context]`: what each policy chooses in every context, and the return that it looks forward to."""
    machine = learned_apart(bound, [data for _, data in worlds], updates=UPDATES, seeds=seeds, floats=floats)
    spec = worlds[0][0].spec

    def one(parts: Any, floats: Any, context: Any) -> Any:
        policy, key = bound.build(spec, floats).acts(parts), jax.random.key(0)
        action, _, extra = policy(context, policy.reset(None, (), key), key)
        scale = parts.get("returns", untrained_scale(key))
        # A transformer expects what it asks for, and DoC the value of its choice, in the units of `scale`.
        return action, extra["value"] * scale.std + scale.mean if "value" in extra else scale.target

    each = jax.vmap(jax.vmap(one, in_axes=(None, None, 0)), in_axes=(0, 0, None))
    found = jax.jit(each)(machine.state.parts, machine.floats, jnp.arange(CONTEXTS))
    return np.asarray(found[0]), np.asarray(found[1])


def earned(bound: Bound, worlds: Sequence[Any], floats: Mapping[str, Sequence[float]], seeds: Sequence[int]) -> Any:
    """For each lane the exact chance to win in a mean context, and how far it is from what was looked forward to."""
    actions, expected = first_choices(bound, worlds, floats, seeds)
    tables = [np.asarray(world.transition) for world, _ in worlds]
    chances = np.stack([table[np.arange(CONTEXTS), row, WON] for table, row in zip(tables, actions, strict=True)])
    return chances.mean(axis=1), np.abs(expected - chances).mean(axis=1)


def measure(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """The exact chance to win in a mean context, and how far it is from what was looked forward to.

    Each seed learns from 2,000 episodes of a world of its own, in which the best action was taken once in ten times.
    """
    worlds, count = [choices_with_chance(SHARE, ROWS, seed=seed) for seed in seeds], len(seeds)
    lanes = {"constraint": [constraint for constraint in CONSTRAINTS.values() for _ in seeds]}
    chance, gap = earned(doc(**DOC), worlds * 2, lanes, [*seeds, *seeds])
    found = {"doc": chance[:count], "luck and all": chance[count:], "doc, gap": gap[:count]}
    found["transformer"], found["transformer, gap"] = earned(decision_transformer(**TRANSFORMER), worlds, {}, seeds)
    found["cloning"], _ = earned(bc(**CLONING), worlds, {}, seeds)
    return found


CLAIM = Claim(
    recipe="doc",
    statement=(
        "Where winning is largely luck and the best choice is seldom made, DoC wins more often than a decision transformer, "
        "than the same without the constraint and than cloning, and what it looks forward to is nearer to what it gets than "
        "what a decision transformer asks for."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(
        greater("doc", "transformer"),
        greater("doc", "luck and all"),
        greater("doc", "cloning"),
        less("doc, gap", "transformer, gap"),
    ),
    unit="chance to win in a mean context",
    settings={"doc": {**DOC, "constraint": CONSTRAINTS["doc"]}, "luck and all": {**DOC, "constraint": 0.0}}
    | {"transformer": TRANSFORMER, "cloning": CLONING},
    tried={"doc": [f"constraint={c:g} lr=0.003" for c in (1.0, 2.0, 4.0)]}
    | {arm: [f"lr={lr:g}" for lr in (1e-3, 3e-3, 1e-2)] for arm in ("luck and all", "transformer", "cloning")},
    seeds=16,
    notes=(
        "Tuned on seeds 0 and 1. Chances to win in the order of the settings tried: doc 0.68, 0.63, 0.67; luck and all 0.49, "
        "0.54, 0.48; transformer 0.43, 0.44, 0.44; cloning 0.27, 0.29, 0.32. At best it is 0.7. The paper's own bandit has "
        "rewards by chance too, and data in which the better arm is seldom chosen. Policies have one choice that counts, so "
        "chances are exact. A gap is the mean over contexts of the distance between the chance to win and the return that was "
        "looked forward to: for the transformer 1, the highest return in the data, for DoC the value of its latent choice. "
        "Measured before on 8 of these seeds, with the same verdicts."
    ),
)
