"""Identity preference optimisation (IPO): learn from pairs without running away from the reference.

Of two texts one was preferred. The policy is moved until it prefers that one, relative to the reference, by a margin of
exactly `1 / (2 tau)` nats: a squared error in place of DPO's logistic loss, whose margin grows without end where the
preference is sure, whatever its strength of regularisation.

Source: Azar et al., "A General Theoretical Paradigm to Understand Learning from Human Preferences", arXiv:2310.12036.
Departures: 1. There is no pretrained model at hand: `pretraining` updates first clone the chosen texts, and the
reference is what they end with. 2. The log-likelihood of a text is summed over its tokens, as in the paper; averaging
over them, as some implementations do, is left out.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import copy
from pilothouse.algorithm.settings import Count, Natural, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage, copy_of
from pilothouse.core.batch import Batch
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Spec, Tokens
from pilothouse.data.batches import Uniform
from pilothouse.evaluate.claim import Claim
from pilothouse.evaluate.relations import less, within
from pilothouse.networks.transformer import TransformerConfig, transformer
from pilothouse.objectives.preference import (
    clone_chosen,
    identity_preference_loss,
    logistic_preference_loss,
    prefer,
    text_margin,
)
from pilothouse.policies.language import greedy_text
from pilothouse.train.machine import Lanes, Machine


@recipe("ipo", takes=Takes(source="pairs", action=("Tokens",), obs=("Dict", "Discrete")))
def ipo(
    spec: Spec,
    *,
    tau: Positive = 0.1,
    lr: Positive = 1e-4,
    batch: Count = 32,
    pretraining: Natural = 300,
    width: Count = 128,
    layers: Count = 4,
) -> Algorithm:
    if not isinstance(spec.action, Tokens):
        raise SpaceError(f"IPO learns from pairs of texts, and these have {spec.action.kind} actions.")
    model = transformer(TransformerConfig(spec.action.vocabulary, width, layers, feedforward=4 * width))
    loss = prefer(text_margin(), partial(identity_preference_loss, tau=tau), name="ipo")
    imitate = Fit((Objective(clone_chosen, ("policy",)),), Uniform("data", batch))
    learn = Stage((Fit((Objective(loss, ("policy",)),), Uniform("data", batch)),), optimizer=optax.adam(lr))
    before = (Stage((imitate,), pretraining, optax.adam(1e-3)), Stage((copy("policy", "ref"),), 1))
    return Algorithm(
        parts={"policy": model, "ref": copy_of("policy")},
        stages=(*before, learn) if pretraining else (learn,),
        acts=greedy_text("policy", spec.action.longest),
        optimizer=optax.adam(lr),
    )


# The paper's bandit: three actions, and one observed preference for each pair of them, all of one total order.
CHOSEN, REJECTED = np.array([0, 1, 0], np.int32), np.array([1, 2, 2], np.int32)
TAUS = (0.1, 0.5, 1.0)
UPDATES, BATCH = 18_000, 9
LOSSES = {"ipo": ("tau", identity_preference_loss), "dpo": ("beta", logistic_preference_loss)}
RATES = (1e-3, 3e-3, 1e-2)
SETTINGS = {"ipo": {"lr": 1e-3, "taus": list(TAUS)}, "dpo": {"lr": 1e-3, "betas": list(TAUS)}}


def bandit(strength: float, arm: str, floats: Mapping[str, Any]) -> Algorithm:
    """A softmax over three actions, learning from the pairs; the reference is uniform."""

    def margin(parts: Mapping[str, Any], batch: Batch) -> Any:
        logits = jax.nn.log_softmax(parts["policy"])  # the uniform reference cancels
        return logits[batch.chosen] - logits[batch.rejected]

    name, loss = LOSSES[arm]
    fit = Fit(
        (Objective(prefer(margin, partial(loss, **{name: strength}), name=arm), ("policy",)),), Uniform("data", BATCH)
    )
    parts = {"policy": lambda key: jax.random.normal(key, (3,))}
    return Algorithm.of(parts=parts, cycle=(fit,), acts=lambda p: p["policy"], optimizer=optax.adam(floats["lr"]))


def optimum(tau: float) -> np.ndarray:
    """The policy at which IPO's loss on the three pairs is least: margins a-b, b-c and a-c all drawn to 1 / (2 tau).

    With logits (x, 0, -x): least squares of x, x and 2x to c gives x = 2c/3.
    """
    logits = np.array([1.0, 0.0, -1.0]) / (3.0 * tau)
    return np.exp(logits) / np.exp(logits).sum()


def distances(arm: str, lr: float, seeds: Sequence[int]) -> np.ndarray:
    """Total variation between what was learned and IPO's optimum, mean over the strengths, for each seed."""
    data = Batch(chosen=jnp.asarray(CHOSEN), rejected=jnp.asarray(REJECTED))
    found = []
    for tau in TAUS:
        lanes = Lanes.of(list(seeds), {"lr": lr})
        machine = Machine(partial(bandit, tau, arm), lanes, fixed={"data": data}, cycles=UPDATES)
        machine.advance(UPDATES)
        policy = np.asarray(jax.nn.softmax(machine.state.parts["policy"], axis=-1))
        found.append(0.5 * np.abs(policy - optimum(tau)).sum(axis=-1))
    return np.mean(found, axis=0)


def measure(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Distance to the regularised optimum at the end; `exact` is that optimum itself."""
    found = {arm: distances(arm, SETTINGS[arm]["lr"], seeds) for arm in LOSSES}
    return found | {"exact": np.zeros(len(seeds))}


CLAIM = Claim(
    recipe="ipo",
    statement=(
        "From deterministic preferences IPO keeps to the policy that its regularisation asks for, where DPO leaves it "
        "for a deterministic one."
    ),
    basis="paper",
    source="paper",
    measure=measure,
    relations=(within("ipo", "exact", 0.01), less("ipo", "dpo", 0.05)),
    unit="total variation to the regularised optimum (bandit of three actions, mean over three strengths)",
    settings=SETTINGS,
    tried={arm: [f"lr={rate:g}" for rate in RATES] for arm in LOSSES},
    seeds=8,
    notes="The paper's bandit with a total order. 18,000 updates of batches of 9; rates were chosen on seeds 0 to 3.",
)
