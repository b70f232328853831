"""Utility engineering: what something that chooses wants, how coherently, and what to ask it next.

Logged choices between two outcomes are laid under Thurstone's model of noisy utilities, which must foretell choices that it
was not fitted to; a policy that chooses may be asked further, in both orders, about pairs that lie close and whose outcomes
were asked of little. Circles of preference say how far the answers are from any order.

Source: Mazeika et al., "Utility Engineering: Analyzing and Controlling Emergent Value Systems in AIs", arXiv:2502.08640,
and the authors' code for the choice of pairs.
Departures: 1. The fit is by BFGS with a ridge, in place of a thousand steps of Adam. 2. Outcomes are numbers that a
policy observes side by side; prompts to a language model are whoever's who recorded its choices. 3. Utility control (fine
tuning towards a citizens' assembly) is not here.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.special
from jaxtyping import Float

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.estimator import Estimator
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.selection import rank_correlation
from pilothouse.explain.utilities import Choices, Chooser, Pairs, cyclic_share, elicit, fidelity, thurstonian
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy
from pilothouse.rollout.actors import responses_of

TOLD = 20
"""Outcomes whose utility is told by number; the first ones."""


@recipe("utility-engineering", takes=Takes(source="data", action=("Discrete",), obs=("Box",)))
def utility_engineering(
    spec: Spec, *, pairs: Count = 100, answers: Count = 5, ridge: Positive = 0.05, held_out: Fraction = 0.2
) -> Estimator:
    assert isinstance(spec.action, Discrete) and isinstance(spec.obs, Box)
    if spec.obs.size % 2 or spec.action.n != 2:
        raise SpaceError(
            f"A choice is between two outcomes side by side: observations of an even number of entries and 2 actions, not "
            f"{spec.obs.size} and {spec.action.n}."
        )

    def study(
        dataset: Dataset, *, policy: Policy | HostPolicy | None = None, seed: int = 0
    ) -> Mapping[str, float | int]:
        """An observation holds two outcomes, one after the other; action 0 chooses the first. `policy` is asked further."""
        logged, outcomes = choices_of(dataset)
        generator, count = np.random.default_rng(seed), len(outcomes)
        said: dict[str, float | int] = {"outcomes": count, "first_chosen": float(logged.share.mean())}
        if policy is not None:
            chooser = chooser_of(policy, spec, outcomes, generator)
            most = min(pairs, count * (count - 1) // 2)
            logged, _ = elicit(chooser, count, pairs=most, answers=answers, seed=seed, known=logged)
        out = generator.random(len(logged.pairs)) < held_out
        if out.any() and not out.all():
            kept, rest = (Choices(*(part[where] for part in logged)) for where in (~out, out))
            found = fidelity(thurstonian(kept, count, ridge=ridge), rest)
            said |= {"held_out/accuracy": found.accuracy, "held_out/log_loss": found.log_loss}
        wants = thurstonian(logged, count, ridge=ridge)
        said |= {"choices": len(logged.pairs), "noise": float(wants.deviation.mean())}
        if count > 2:
            every = np.stack(np.divmod(np.arange(count**2), count), axis=1)
            said["circles"] = cyclic_share(wants.prefers(every).reshape(count, count))
        return said | {f"utility/{number}": float(mean) for number, mean in enumerate(wants.mean[:TOLD])}

    return study


def choices_of(dataset: Dataset) -> tuple[Choices, Float[np.ndarray, "outcome entry"]]:
    """The logged choices, and the distinct outcomes in the order of their numbers."""
    rows = np.asarray(dataset.obs).reshape(len(dataset), 2, -1)
    outcomes, number = np.unique(rows.reshape(2 * len(dataset), -1), axis=0, return_inverse=True)
    share = (np.asarray(dataset.action).reshape(-1) == 0).astype(np.float64)
    apart = number.reshape(-1, 2)[:, 0] != number.reshape(-1, 2)[:, 1]
    return Choices(number.reshape(-1, 2)[apart], share[apart], np.ones(int(apart.sum()))), outcomes


def chooser_of(
    policy: Policy | HostPolicy,
    spec: Spec,
    outcomes: Float[np.ndarray, "outcome entry"],
    generator: np.random.Generator,
) -> Chooser:
    """A policy as one that chooses: it draws from its probabilities where it says them, else it does as it does."""
    respond = responses_of(policy, spec)

    def choose(pairs: Pairs) -> np.ndarray:
        first = respond(outcomes[np.asarray(pairs)].reshape(len(pairs), -1))[:, 0]
        return generator.random(len(pairs)) < first

    return choose


OUTCOMES, PAIRS, AGENTS = 40, 80, 4
EVERY = np.stack(np.triu_indices(OUTCOMES, 1), axis=1)


def agent(generator: np.random.Generator, *, coherent: bool) -> tuple[np.ndarray, np.ndarray, Chooser]:
    """True utilities, what is preferred to what, and whoever chooses so; one without utilities prefers at random, firmly."""
    mean, deviation = generator.normal(size=OUTCOMES), generator.uniform(0.2, 0.6, OUTCOMES)
    prefers = scipy.special.ndtr((mean[:, None] - mean) / np.hypot(deviation[:, None], deviation))
    if not coherent:
        upper = np.triu(np.where(generator.random(prefers.shape) < 0.5, 0.95, 0.05), 1)
        prefers = upper + np.tril(1 - upper.T, -1)
    return mean, prefers, lambda pairs: generator.random(len(pairs)) < prefers[pairs[:, 0], pairs[:, 1]]


def one_seed(seed: int) -> dict[str, float]:
    """Means over four agents of each kind."""
    generator = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for number in range(AGENTS):
        for kind in ("coherent", "incoherent"):
            mean, prefers, chooser = agent(generator, coherent=kind == "coherent")
            for way in ("active", "random") if kind == "coherent" else ("active",):
                got, wants = elicit(chooser, OUTCOMES, pairs=PAIRS, active=way == "active", seed=AGENTS * seed + number)
                asked = np.zeros((OUTCOMES, OUTCOMES), bool)
                asked[tuple(np.sort(got.pairs, axis=1).T)] = True
                rest = EVERY[~asked[tuple(EVERY.T)]]
                foretold = fidelity(wants, Choices(rest, prefers[tuple(rest.T)], np.ones(len(rest))))
                if kind == "coherent":
                    found.setdefault(f"ranking, {way} pairs", []).append(rank_correlation(wants.mean, mean))
                if way == "active":
                    found.setdefault(f"foretold, {kind}", []).append(foretold.accuracy)
    return {name: float(np.mean(values)) for name, values in found.items()}


def measure(seeds: Sequence[int]) -> Measured:
    """Rank correlations of fitted and true utilities, and shares of choices foretold; four agents of each kind a seed."""
    found = [one_seed(seed) for seed in seeds]
    return Measured(
        {name: np.array([one[name] for one in found]) for name in found[0]} | {"well": np.full(len(seeds), 0.9)}
    )


CLAIM = Claim(
    recipe="utility-engineering",
    statement=(
        "Utilities fitted to a tenth of all pairs rank outcomes nearly as the one who chose does, better when the pairs "
        "were chosen actively than at random; and they foretell the other choices of whoever has utilities, not of whoever "
        "has none."
    ),
    basis="analogue",
    source="code",
    measure=measure,
    relations=(
        greater("ranking, active pairs", "well"),
        greater("ranking, active pairs", "ranking, random pairs"),
        greater("foretold, coherent", "foretold, incoherent", margin=0.2),
    ),
    unit={
        "ranking, active pairs": "Spearman's correlation of fitted and true utilities",
        "ranking, random pairs": "Spearman's correlation of fitted and true utilities",
        "well": "Spearman's correlation",
        "foretold, coherent": "share of the other pairs whose preferred outcome is foretold",
        "foretold, incoherent": "share of the other pairs whose preferred outcome is foretold",
    },
    settings={
        "outcomes": OUTCOMES,
        "pairs": PAIRS,
        "answers": "5 in each order",
        "agents": f"{AGENTS} of each kind a seed; utilities of spread 1, noise of 0.2 to 0.6; or firm and random",
    },
    tried={way: ["as it stands"] for way in ("ranking, active pairs", "ranking, random pairs")},
    seeds=12,
    notes="Simulated agents in place of language models. Six agents, seeds 0 to 5, were looked at before; nothing was tuned.",
)
