"""SCOPE-RL: off-policy evaluation and selection as one protocol, and how good the evaluation itself is.

Every candidate policy is held against one log by every estimator, with its interval, the worst share of its returns and
the number of episodes that speak for it; and where the candidates' true values are known, every estimator by how well it
ranks them and what it risks when its top k are tried.

Source: Kiyohara et al., "SCOPE-RL: A Python Library for Offline Reinforcement Learning and Off-Policy Evaluation",
arXiv:2311.18206, and "Towards Assessing and Benchmarking Risk-Return Tradeoff of Off-Policy Evaluation",
arXiv:2311.18207.
Departures: 1. Choices for actions; models are linear in features of states (tables where states are choices), where the
library fits networks. 2. Episodes of any length; the library wants one length. 3. Where the log holds no propensities
they are estimated from it.
"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.evaluate.candidates import (
    Candidate,
    behaviour_propensities,
    estimates,
    order_agreement,
    quality_of_choice,
)
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.estimator import Estimator
from pilothouse.evaluate.logged import Logged, Rows, effective_episodes
from pilothouse.evaluate.relations import less
from pilothouse.evaluate.return_distribution import ReturnDistribution
from pilothouse.evaluate.scripted_tabular import tabular_log
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import expected_return, optimal


@recipe("scope-rl", takes=Takes(source="data", action=("Discrete",), obs=("Box", "Discrete")))
def scope_rl(
    spec: Spec,
    *,
    discount: Fraction = 0.99,
    worst: Fraction = 0.25,
    most: NotNegative = 10.0,
    ridge: Positive = 1e-3,
    top: Count = 3,
) -> Estimator:
    assert isinstance(spec.action, Discrete)
    even = np.full(spec.action.n, 1 / spec.action.n)

    def assess(
        dataset: Dataset,
        *,
        candidates: Mapping[str, Candidate] | None = None,
        behaviour: Rows | None = None,
        truths: Mapping[str, float] | None = None,
        baseline: float | None = None,
    ) -> Mapping[str, float | int]:
        candidates = candidates or {"uniform": lambda obs: np.tile(even, (len(obs), 1))}
        behaviour = behaviour_propensities(dataset) if behaviour is None else behaviour
        said: dict[str, float | int] = {}
        values: dict[str, dict[str, float]] = {}
        for name, candidate in candidates.items():
            found, logged = estimates(
                dataset, candidate, behaviour=behaviour, discount=discount, most=most, ridge=ridge
            )
            for estimator, estimate in found.items():
                interval = estimate.interval()
                said |= {f"{estimator}/{name}": estimate.value, f"{estimator}/{name}/half_width": interval.half_width}
                values.setdefault(estimator, {})[name] = estimate.value
            said[f"cvar/{name}"] = float(ReturnDistribution.of(logged).cvar(worst))
            said[f"effective_episodes/{name}"] = effective_episodes(logged)
        if truths is not None:
            own = Logged.of(dataset, discount=discount).returns
            earned = float(own.mean()) if baseline is None else baseline
            for estimator, guessed in values.items():
                judged = quality_of_choice(guessed, truths, k=min(top, len(truths)), baseline=earned)
                said |= {f"{measure}/{estimator}": value for measure, value in judged.items()}
        return said

    return assess


DISCOUNT, WORST, EPISODES, LOGS = 0.95, 0.25, 200, 5
ESTIMATORS = ("dm", "tis", "pdis", "dr", "sntis", "snpdis", "sndr", "switch", "sm", "sam")


def softened(world: Tabular, temperature: float) -> np.ndarray:
    """The table of a policy that chooses by the best action values over a temperature."""
    q = optimal(world, discount=DISCOUNT).action_value
    chances = np.exp((q - q.max(1, keepdims=True)) / temperature)
    return chances / chances.sum(1, keepdims=True)


def one_world(seed: int) -> dict[str, float]:
    """Errors and choices over five logs of one random world, eight candidates each."""
    world = Tabular.garnet(12, 3, 4, terminals=3, horizon=60, key=jax.random.key(seed))
    generator = np.random.default_rng(seed)
    behaviour = 0.5 * softened(world, 1.0) + 0.5 / 3
    tables = {f"soft {t:g}": softened(world, t) for t in (0.3, 1.0, 3.0)}
    tables |= {f"drawn {i}": 0.5 * generator.dirichlet(np.ones(3), 12) + 0.5 * behaviour for i in range(5)}
    truths = {name: expected_return(world, table, discount=DISCOUNT) for name, table in tables.items()}
    bad_days = {name: worst_days(world, table, seed) for name, table in tables.items()}
    assess = scope_rl(discount=DISCOUNT, worst=WORST).build(world.spec)
    errors: dict[str, list[float]] = {name: [] for name in (*ESTIMATORS, "cvar", "log's own cvar", "agreement")}
    for number in range(LOGS):
        log = tabular_log(world, behaviour, episodes=EPISODES, seed=1000 * seed + number)
        candidates = {name: lambda obs, table=table: table[obs] for name, table in tables.items()}
        said = assess(log, candidates=candidates, behaviour=behaviour[log.obs, log.action], truths=truths)
        for estimator in ESTIMATORS:
            errors[estimator].append(said[f"mse/{estimator}"])
        own = worst_of(log)
        errors["cvar"] += [(said[f"cvar/{name}"] - bad_days[name]) ** 2 for name in tables]
        errors["log's own cvar"] += [(own - bad_days[name]) ** 2 for name in tables]
        accuracy = {estimator: -said[f"mse/{estimator}"] for estimator in ESTIMATORS}
        promise = {estimator: said[f"sharpe/{estimator}"] for estimator in ESTIMATORS}
        errors["agreement"].append(order_agreement(accuracy, promise))
    found = {name: float(np.sqrt(np.mean(values))) for name, values in errors.items() if name != "agreement"}
    return found | {"agreement": float(np.mean(errors["agreement"])), "one order": 1.0}


def worst_of(log: Dataset) -> float:
    """The mean discounted return of the worst share of the log's episodes."""
    returns = np.sort(Logged.of(log, discount=DISCOUNT).returns)
    return float(returns[: max(1, round(WORST * len(returns)))].mean())


def worst_days(world: Tabular, table: np.ndarray, seed: int) -> float:
    return worst_of(tabular_log(world, table, episodes=20_000, seed=seed))


def measure(seeds: Sequence[int]) -> Measured:
    """Root mean squared errors over candidates and logs, a random world a seed, and Kendall's tau of two orders."""
    found = [one_world(seed) for seed in seeds]
    return Measured({name: np.array([one[name] for one in found]) for name in found[0]})


CLAIM = Claim(
    recipe="scope-rl",
    statement=(
        "Doubly robust and marginal estimates of several candidates err less than importance sampling by whole episodes; "
        "the weighted distribution of returns tells a candidate's bad days better than the log's own; and what the "
        "chosen top three promise for their risk orders estimators otherwise than their errors do."
    ),
    basis="ours",
    source="paper",
    measure=measure,
    relations=(
        less("dr", "tis"),
        less("sam", "tis"),
        less("cvar", "log's own cvar"),
        less("agreement", "one order", margin=0.2),
    ),
    unit={
        **{name: "root mean squared error of the discounted return" for name in ESTIMATORS},
        **{name: f"root mean squared error of the worst {WORST:.0%} of returns" for name in ("cvar", "log's own cvar")},
        **{name: "Kendall's tau of the orders by error and by SharpeRatio@3" for name in ("agreement", "one order")},
    },
    settings={
        "world": "12 states, 3 actions, 4 successors, 3 terminal states, at most 60 steps",
        "log": {"episodes": EPISODES, "logs": LOGS, "behaviour": "half the softened best policy, half uniform"},
        "candidates": "the best policy softened by 0.3, 1 and 3, and five half-random ones near the behaviour",
        "discount": DISCOUNT,
    },
    tried={name: ["as it stands"] for name in ("dr", "tis", "sam", "cvar")},
    seeds=12,
    notes=(
        "A software paper, which states no effect sizes: what it says its protocol shows is asserted of random tabular "
        "worlds, whose true values are exact (the worst returns from 20,000 episodes of each candidate). Propensities are "
        "the true ones. Nothing was tuned; three worlds, seeds 0 to 2, with ten logs each, were looked at before."
    ),
)
