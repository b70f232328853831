"""TQ and SACo: how good a dataset acts and how much of the world it has seen, as two numbers before any training.

Trajectory quality is the mean return, 0 at the worst and 1 at the best that is known; state-action coverage is the
number of distinct pairs over that of a reference, such as all that an online run has seen. What an offline method will
make of the data shows in them: cloning lives off the first, Q-learning off the second, and what holds Q-learning to the
data's actions does with either.

Source: Schweighofer et al., "A Dataset Perspective on Offline Reinforcement Learning", arXiv:2111.04714; in the claim
discrete BCQ, Fujimoto et al., arXiv:1910.01708.
Departures: 1. Pairs are counted exactly, not by HyperLogLog. 2. In the claim CartPole stops after 200 steps, data are
20,000 transitions (100,000) and training is 4,000 updates (500,000) at a larger rate; slow copies follow; BCQ lacks the
small penalty on the size of logits. One data-making run and one training per seed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.quality import Grid, quality
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.estimator import Estimator
from pilothouse.evaluate.relations import greater
from pilothouse.networks.actors import actor
from pilothouse.networks.critics import q_network
from pilothouse.objectives.batch_constrained import bcq_td
from pilothouse.objectives.cloning import clone
from pilothouse.objectives.temporal_difference import double_dqn_td
from pilothouse.policies.batch_constrained import batch_constrained
from pilothouse.policies.exploration import Greedy, greedy
from pilothouse.policies.policy import Random, mode_of
from pilothouse.recipes.online.dqn import dqn
from pilothouse.rollout.collect import begin, collect
from pilothouse.train.evaluation import evaluation, random_returns
from pilothouse.train.machine import Lanes, Machine
from pilothouse.train.session import learn
from pilothouse.train.sources import Scaling, WorldSource
from pilothouse.worlds.cartpole import CartPole


@recipe("dataset-tq-saco", takes=Takes(source="data", action=("Box", "Discrete", "MultiDiscrete", "Dict"), masks=True))
def dataset_tq_saco(spec: Spec, *, bins: Count = 100) -> Estimator:
    def diagnose(
        dataset: Dataset, *, reference: Dataset, lowest: float, highest: float, grid: Grid | None = None
    ) -> Mapping[str, float | int]:
        grid = grid or Grid.over((dataset, reference), bins=bins)
        return quality(dataset, lowest=lowest, highest=highest, reference=reference, grid=grid)

    return diagnose


PLACE = WorldSource("cartpole", CartPole(horizon=200), 4)
KINDS = ("random", "mixed", "replay", "noisy", "expert")
ROWS, UPDATES, DISCOUNT, EPSILON = 20_000, 4_000, 0.95, 0.2
ONLINE = {"warmup": 50, "block": 1, "batch": 64, "width": 64, "discount": DISCOUNT, "capacity": ROWS}
LR, BATCH, WIDTH, RATE, THRESHOLD = 1e-3, 64, 64, 0.01, 0.3


def algorithm(method: str) -> Algorithm:
    """BC, DQN or discrete BCQ on the data that each lane was given."""
    spec = PLACE.spec.unit()
    cloning, rows = Objective(clone, ("actor",)), Uniform("data", BATCH, DISCOUNT)
    parts: dict[str, Any] = {"data": lambda key: (), "actor": actor(spec, WIDTH)}
    if method == "bc":
        return Algorithm.of(
            parts=parts, cycle=(Fit((cloning,), rows),), acts=mode_of("actor"), optimizer=optax.adam(LR)
        )
    td = Objective(double_dqn_td() if method == "dqn" else bcq_td(THRESHOLD), ("critic",))
    fit = Fit((td,) if method == "dqn" else (td, cloning), rows, after=(follow("critic", "critic/slow", RATE),))
    acts = greedy("critic") if method == "dqn" else batch_constrained("actor", "critic", THRESHOLD)
    parts |= {"critic": q_network(spec, WIDTH), "critic/slow": copy_of("critic")}
    return Algorithm.of(parts=parts, cycle=(fit,), acts=acts, optimizer=optax.adam(LR))


def recorded(critic: Any, key: Any) -> dict[str, Batch]:
    """What a random policy, the last policy, and the last policy made noisy do in `ROWS` steps each."""
    policies = {"random": Random(PLACE.spec.action), "expert": Greedy(critic), "noisy": Greedy(critic, EPSILON)}
    rows = {}
    for number, (kind, policy) in enumerate(policies.items()):
        own = jax.random.fold_in(key, number)
        rows[kind] = collect(policy, PLACE.world, begin(PLACE.world, (), 4, own), "record", ROWS // 4, None, own)[1]
    return rows


def datasets(seeds: Sequence[int]) -> tuple[list[dict[str, Dataset]], np.ndarray]:
    """For each seed the five kinds of data, as many rows in each, and the best mean return of its online run."""
    run = learn(dqn(**ONLINE), PLACE, steps=ROWS, seeds=seeds, evaluations=10)
    best = np.max([look.returns.mean(axis=1) for look in run.looks if look.returns is not None], axis=0)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    acted = jax.jit(jax.vmap(recorded))(run.machine.state.parts["critic"], keys)
    found = []
    for lane in range(len(seeds)):
        rows = {kind: jax.tree.map(lambda x, lane=lane: np.asarray(x[lane]), acted[kind]) for kind in acted}
        flat = jax.tree.map(lambda x, lane=lane: np.asarray(x[lane]), run.machine.state.parts["replay"].rows)
        rows["replay"] = in_order(flat)
        made = {kind: dataset_from_transitions(rows[kind], PLACE.spec, name=kind) for kind in rows}
        found.append(made | {"mixed": joined(made["random"], made["expert"])})
    return found, best


def in_order(rows: Batch) -> Batch:
    """The rows of several environments with those of an episode next to each other."""
    order = np.argsort(rows.episode_id, kind="stable")
    return jax.tree.map(lambda x: x[order], rows)


def joined(most: Dataset, rest: Dataset, share: float = 0.8) -> Dataset:
    """The first `share` of the rows of one dataset, and as many of another as there were to begin with."""
    cut, fields = int(share * len(most)), ("obs", "action", "reward", "next_obs", "terminated", "truncated")
    rows = {f: np.concatenate([getattr(most, f)[:cut], getattr(rest, f)[: len(most) - cut]]) for f in fields}
    rows["truncated"][cut - 1] |= ~rows["terminated"][cut - 1]
    return dataset_from_transitions(rows, most.spec, name="mixed")


def study(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """`(seed, kind)` each: TQ, SACo, and the normalised return of every method."""
    made, best = datasets(seeds)
    lowest = float(random_returns(PLACE, episodes=1000).mean())
    diagnose = dataset_tq_saco().build(PLACE.spec)
    said = []
    for by_kind, highest in zip(made, best, strict=True):
        about = {"reference": by_kind["replay"], "grid": Grid.over([by_kind["replay"]])}
        said.append([diagnose(by_kind[kind], lowest=lowest, highest=float(highest), **about) for kind in KINDS])
    found = {name: np.array([[one[name] for one in row] for row in said]) for name in ("tq", "saco")}
    data = jax.tree.map(lambda *x: np.stack(x), *(by_kind[kind].rows() for by_kind in made for kind in KINDS))
    lanes = Lanes.of([seed for seed in seeds for _ in KINDS])
    for method in ("bc", "dqn", "bcq"):
        build = lambda floats, method=method: algorithm(method)  # noqa: E731
        machine = Machine(build, lanes, adopt={"data": data}, cycles=UPDATES)
        machine.advance(UPDATES)
        returns = evaluation(build, PLACE, Scaling(), episodes=20)(machine.state.parts, {}).mean(axis=1)
        found[method] = (returns.reshape(len(seeds), -1) - lowest) / (best[:, None] - lowest)
    return found


def measure(seeds: Sequence[int]) -> Measured:
    """Over the five datasets of each seed: how two methods' returns go with TQ and SACo, and every method's mean."""
    found = study(seeds)

    def together(method: str, number: str) -> np.ndarray:
        pairs = zip(found[method], found[number], strict=True)
        return np.array([np.corrcoef(returns, numbers)[0, 1] for returns, numbers in pairs])

    values = {f"{method} with {n}": together(method, n) for method in ("bc", "dqn", "bcq") for n in ("tq", "saco")}
    values |= {method: found[method].mean(axis=1) for method in ("bc", "dqn", "bcq")}
    return Measured(values | {"nothing": np.zeros(len(seeds))})


CLAIM = Claim(
    recipe="dataset-tq-saco",
    statement=(
        "Cloning does well where trajectory quality is high and Q-learning where state-action coverage is; Q-learning "
        "held to the data's actions does well over all kinds of data."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(
        greater("bc with tq", "nothing"),
        greater("dqn with saco", "nothing"),
        greater("bcq", "bc"),
        greater("bcq", "dqn"),
    ),
    unit={
        **{f"{m} with {n}": "correlation over 5 datasets" for m in ("bc", "dqn", "bcq") for n in ("tq", "saco")},
        **{m: "return, 0 random and 1 best online, mean over 5 datasets" for m in ("bc", "dqn", "bcq")},
        "nothing": "correlation",
    },
    settings={"data": {"rows": ROWS, "kinds": list(KINDS), **ONLINE}, "updates": UPDATES, "batch": BATCH, "lr": LR},
    tried={method: [f"lr={LR:g}"] for method in ("bc", "dqn", "bcq")},
    seeds=8,
    notes=(
        "Nothing was tuned: rates, widths and counts were set once. Each seed makes its own data: a DQN run of 20,000 "
        "steps (replay), its last policy (expert), that with 20% random choices (noisy), random, and 80% random with "
        "20% expert (mixed). The grid of SACo is that of the replay, as in the authors' code."
    ),
)
