"""What drives a policy: which features of what it observes its responses rest on, and how far to trust the answer.

`attribute` tries every method that applies to the policy, puts each through the same tests (`fidelity.py`), and chooses
by what was measured. All are reported.

A policy with memory is studied as it is at the start of an episode.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.errors import DataError, SpaceError
from pilothouse.core.spaces import Box, Spec, within
from pilothouse.explain.coalitions import Coalitions, attributed, attributed_traced
from pilothouse.explain.fidelity import (
    MOST_STEPS,
    Curves,
    Sanity,
    Values,
    agreement,
    curves,
    importance,
    infidelity,
    max_sensitivity,
    random_curves,
    sanity,
)
from pilothouse.explain.gradients import Function, gradient, integrated_gradients, smooth_gradient
from pilothouse.explain.randomised import has_weights, inputs_shuffled, weights_redrawn
from pilothouse.explain.shapley import EXACT, occlusion_coalitions, shapley_coalitions
from pilothouse.policies.distribution_at import probabilities_at
from pilothouse.policies.host import HostPolicy, choices_in
from pilothouse.policies.policy import Policy
from pilothouse.rollout.actors import Responses, responses_of

MOST_FEATURES = 256
"""With more features than this only gradients are affordable."""

CLOSE = 0.02
"""Gains that differ by less are taken for equal; then the lesser infidelity decides."""


AGAIN = 4
"""Orders of Shapley values in the tests that explain many times over."""


@dataclass(frozen=True)
class Explained:
    """One method's attribution of a policy, with what its tests measured.

    - `values` `(observations, outputs, features)`: contribution of each feature to each output against the background,
      in the output's units (an action's, or a probability).
    - `importance` `(features,)`: share of all absolute contributions; sums to 1, or is 0 where nothing contributes.
    - `curves`: deletion and insertion against random orders. `infidelity`: 0 exact, 1 as good as nothing; NaN where no
      response changes. `max_sensitivity`: the largest change of the explanation within a hundredth of the features'
      spread, as a share. `sanity`: whether randomising the policy destroys it.
    """

    method: str
    values: Values
    importance: Float[np.ndarray, " features"]
    curves: Curves
    infidelity: float
    max_sensitivity: float
    sanity: Sanity

    def fidelity_json(self) -> dict[str, float | None]:
        numbers = {**self.curves.as_json(), "infidelity": self.infidelity, "max_sensitivity": self.max_sensitivity}
        return {name: float(x) if np.isfinite(x) else None for name, x in numbers.items()}

    def as_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "feature_importance": [float(x) for x in self.importance],
            "fidelity": self.fidelity_json(),
            "sanity_passed": self.sanity.passed,
            "sanity": self.sanity.as_json(),
        }


@dataclass(frozen=True)
class Attribution:
    """What drives a policy: the explanation that was chosen, and all that were tried.

    - `chosen`: in a sentence, why this method. `sanity_passed`: False where no method's explanation passed; then there
      is nothing to trust, and often nothing to explain.
    - `observations` `(observations, features)`: those explained. `outputs`: what the responses are, such as
      "probability of choice 0".
    - `explanations`: every method tried, the chosen one first. `agreement`: rank correlation of each pair, "a / b".
    - `randomised`: how the policy was randomised for the sanity check.
    """

    chosen: str
    observations: Float[np.ndarray, "observations features"]
    outputs: tuple[str, ...]
    explanations: tuple[Explained, ...]
    agreement: dict[str, float]
    randomised: str

    @property
    def best(self) -> Explained:
        return self.explanations[0]

    @property
    def method(self) -> str:
        return self.best.method

    @property
    def feature_importance(self) -> Float[np.ndarray, " features"]:
        return self.best.importance

    @property
    def values(self) -> Values:
        return self.best.values

    @property
    def fidelity(self) -> dict[str, float | None]:
        """deletion, insertion (each also at_random), gain, infidelity, max_sensitivity of the chosen method."""
        return self.best.fidelity_json()

    @property
    def sanity_passed(self) -> bool:
        return self.best.sanity.passed

    def as_json(self) -> dict[str, Any]:
        return {
            **self.best.as_json(),
            "chosen": self.chosen,
            "outputs": list(self.outputs),
            "explanations": [one.as_json() for one in self.explanations],
            "agreement": self.agreement,
            "randomised": self.randomised,
            "observations": self.observations.tolist(),
            "values": self.values.tolist(),
        }


@dataclass(frozen=True)
class Budget:
    """How much is asked: observations explained, rows of background, orders of Shapley values beyond exact ones, points
    and noise of gradients, randomised policies, and observations of the tests that explain again."""

    observations: int
    background: int
    orders: int
    samples: int
    randomised: int = 16
    again: int = 12
    draws: int = 4
    orders_again: int = AGAIN
    random_orders: int = 4
    gradients: tuple[str, ...] = ("gradient", "integrated gradients")


QUICK = Budget(observations=36, background=16, orders=8, samples=16)
FULL = Budget(
    observations=128,
    background=24,
    orders=32,
    samples=64,
    again=24,
    draws=8,
    random_orders=8,
    gradients=("gradient", "integrated gradients", "smooth gradient"),
)

Explainer = Callable[[Any, np.ndarray, np.ndarray, int, int], Values]
"""`(subject, obs, background, orders, seed) -> values`. The subject is a policy of ours, or the responses of any."""


def attribute(
    policy: Policy | HostPolicy,
    place: Any,
    observations: Float[np.ndarray, "rows features"],
    *,
    seed: int = 0,
    quick: bool = False,
    rows: int | None = None,
) -> Attribution:
    """Which features drive the policy's responses at these observations, such as those it met in a place.

    **Arguments:** `place`: a source or world with a `spec`, or a `Spec`, of Box observations and of actions that are a
    box or choices. `observations`: flat; a part is explained and another serves as background, drawn by `seed`. Give
    some hundreds from different episodes. `rows`: of a policy that is slow to answer, ask for about so many answers at
    most: fewer observations are explained, against a smaller background, with fewer randomised policies.

    **Raises:** `SpaceError` for spaces that this does not explain, `DataError` for fewer than four observations.
    """
    spec: Spec = place if isinstance(place, Spec) else place.spec
    seen = observed(spec, observations)
    budget, generator = QUICK if quick else FULL, np.random.default_rng(seed)
    budget = budget if rows is None else within_rows(budget, spec.obs.size, rows)
    picked = seen[generator.permutation(len(seen))[: budget.observations]]
    grounds = [seen[generator.choice(len(seen), min(budget.background, len(seen)), replace=False)] for _ in range(2)]
    function = responses_of(policy, spec)  # one draw for all rows, as in `response_at`
    if isinstance(policy, HostPolicy) or not has_weights(policy):
        subject, explainers = function, asking(spec)
        centre, spread = seen.mean(axis=0), seen.std(axis=0)
        others = [inputs_shuffled(function, centre, spread, seed=seed + i) for i in range(budget.randomised)]
        how = "its weights are out of reach, so its features were shuffled, with random signs, on their way in"
    else:
        subject, explainers = policy, tracing(policy, spec, budget)
        others = [weights_redrawn(policy, key) for key in jax.random.split(jax.random.key(seed), budget.randomised)]
        how = "its weights were drawn anew, each matrix with the spread that it had"
    at_random = random_curves(function, picked, grounds[0], orders=budget.random_orders, seed=seed)
    explained = [
        _tested(name, explain, subject, function, others, picked, grounds, at_random, budget, seed)
        for name, explain in explainers.items()
    ]
    ranked, why = choose(explained)
    pairs = [(a, b) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
    agreeing = {f"{a.method} / {b.method}": agreement(a.values, b.values) for a, b in pairs}
    return Attribution(why, picked, outputs_of(spec), tuple(ranked), agreeing, how)


def rows_asked(budget: Budget, features: int) -> int:
    """About how many answers all methods and tests together ask of a policy that is only asked."""
    sets = {name: make(budget.orders, 0).known.shape[0] for name, make in _sets(features).items()}
    light = {name: make(budget.orders_again, 0).known.shape[0] for name, make in _sets(features).items()}
    whole = sum(sets.values()) * budget.observations
    again = sum(light.values()) * budget.again * (budget.randomised + budget.draws + 3)
    steps = 2 * (min(features, MOST_STEPS) + 1) * (budget.random_orders + len(sets)) * budget.observations
    return (whole + again + steps + 64 * len(sets) * budget.observations) * budget.background


def within_rows(budget: Budget, features: int, rows: int) -> Budget:
    """The budget, halved here and there until it asks for at most so many answers, or is as small as makes sense."""
    least = {"background": 2, "observations": 6, "again": 6, "randomised": 4, "orders": 2, "random_orders": 2}
    while rows_asked(budget, features) > rows:
        room = [name for name, low in least.items() if getattr(budget, name) > low]
        if not room:
            break
        name = max(room, key=lambda name: getattr(budget, name) / least[name])
        budget = replace(budget, **{name: max(least[name], getattr(budget, name) // 2)})
    return budget


def observed(spec: Spec, observations: np.ndarray) -> Float[np.ndarray, "rows features"]:
    """The observations as finite rows of floats. Raises `SpaceError` or `DataError` for what cannot be explained."""
    if not isinstance(spec.obs, Box) or not (isinstance(spec.action, Box) or choices_in(spec.action)):
        raise SpaceError(
            f"Attributions are of boxes of numbers, to actions that are a box or choices; this place has "
            f"{spec.obs.kind} observations and {spec.action.kind} actions."
        )
    rows = np.asarray(observations, np.float32)
    rows = rows.reshape(len(rows), -1) if rows.ndim else rows
    if rows.ndim != 2 or rows.shape[1] != spec.obs.size or len(rows) < 4 or not np.isfinite(rows).all():
        raise DataError(
            f"Observations of shape {np.shape(observations)} were given to explain, or some are not finite; expected at "
            f"least 4 rows of {spec.obs.size} finite features."
        )
    return rows


def outputs_of(spec: Spec) -> tuple[str, ...]:
    """What each number of a response is."""
    sizes = choices_in(spec.action)
    if not sizes:
        return tuple(f"action {i}" for i in range(spec.action.size))
    several = len(sizes) > 1
    return tuple(
        f"probability of choice {i}" + (f" of action {which}" if several else "")
        for which, size in enumerate(sizes)
        for i in range(size)
    )


def asking(spec: Spec) -> dict[str, Explainer]:
    """The methods that only ask: they apply to any policy. Raises `SpaceError` for more than `MOST_FEATURES`."""
    if spec.obs.size > MOST_FEATURES:
        raise SpaceError(
            f"Observations have {spec.obs.size} features, and the policy gives no gradients; at most {MOST_FEATURES} "
            "can be taken away in turn. Explain a policy of a smaller observation."
        )
    return {name: partial(_asked, make) for name, make in _sets(spec.obs.size).items()}


def tracing(policy: Policy, spec: Spec, budget: Budget) -> dict[str, Explainer]:
    """The methods that apply to a policy of ours, compiled: sets of features, and gradients where it has them."""
    respond = partial(response_at, spec)
    sets = _sets(spec.obs.size) if spec.obs.size <= MOST_FEATURES else {}
    found: dict[str, Explainer] = {name: _traced_sets(respond, make, budget.again) for name, make in sets.items()}
    if isinstance(spec.action, Box) or probabilities_known(policy, spec):
        ways = {
            "gradient": _gradient,
            "integrated gradients": partial(_integrated, steps=budget.samples),
            "smooth gradient": partial(_smooth, samples=budget.samples),
        }
        ways = {name: way for name, way in ways.items() if name in budget.gradients}
        found |= {name: _traced_gradients(respond, way, budget.again) for name, way in ways.items()}
    return found


def response_at(spec: Spec, policy: Policy, obs: Float[Array, " features"]) -> Float[Array, " outputs"]:
    """The flat response of a policy of ours at one flat observation, as `responses_of` has it.

    Traces, and has gradients, but for choices whose probabilities are not known: those are a one-hot.
    """
    seen, key = obs.reshape(spec.obs.shape), jax.random.key(0)  # pyright: ignore
    action, _, extra = policy(seen, policy.reset(None, (), key), key)
    sizes = choices_in(spec.action)
    if not sizes:
        return jnp.ravel(within(spec.action, action)).astype(jnp.float32)
    known = extra.get("probabilities")
    known = probabilities_at(policy, seen) if known is None else known
    if known is not None:
        return jnp.ravel(known)
    each = jnp.ravel(jnp.asarray(action))
    return jnp.concatenate([jax.nn.one_hot(choice, size) for choice, size in zip(each, sizes, strict=True)])


def choose(explained: list[Explained]) -> tuple[list[Explained], str]:
    """The explanations, the best first, and why it is: of those that pass the sanity check and say more than nothing (an
    infidelity below 1, where any has that), the largest gain of deletion and insertion over random orders; where gains
    are close, the least infidelity."""
    passing = [one for one in explained if one.sanity.passed] or explained
    saying = [one for one in passing if one.infidelity < 1] or passing
    top = max(one.curves.gain for one in saying)
    close = [one for one in saying if one.curves.gain >= top - CLOSE]
    best = min(close, key=lambda one: np.inf if np.isnan(one.infidelity) else one.infidelity)
    ranked = [best, *sorted((one for one in explained if one is not best), key=lambda one: -one.curves.gain)]
    gain = f"deletion and insertion {best.curves.gain:.2f} above random orders, infidelity {best.infidelity:.2f}"
    if not best.sanity.passed:
        return ranked, (
            f"No explanation passed the sanity check (like itself {best.sanity.same:.2f}, like those of randomised "
            f"policies {best.sanity.randomised:.2f}): none is to be trusted. Least bad: {best.method}, {gain}."
        )
    tie = f", the least among {len(close)} methods whose gains are within {CLOSE:g}" if len(close) > 1 else ""
    return ranked, (
        f"{best.method}: {gain}{tie}; it passed the sanity check, as did {len(passing)} of {len(explained)} methods."
    )


def _tested(
    name: str,
    explain: Explainer,
    subject: Any,
    function: Responses,
    others: list[Any],
    obs: np.ndarray,
    grounds: list[np.ndarray],
    at_random: tuple[np.ndarray, np.ndarray],
    budget: Budget,
    seed: int,
) -> Explained:
    background, again = grounds
    values = explain(subject, obs, background, budget.orders, seed)
    some = obs[: budget.again]

    def light(studied: Any, seen: np.ndarray) -> Values:
        return explain(studied, seen, background, budget.orders_again, seed)

    same = explain(subject, some, again, budget.orders_again, seed + 1)
    destroyed = [light(other, some) for other in others]
    radius = 0.01 * np.concatenate([obs, background]).std(axis=0)
    total = np.abs(values).sum(axis=(0, 1))
    return Explained(
        name,
        values,
        total / max(total.sum(), 1e-300),
        curves(function, obs, background, importance(values), at_random),
        infidelity(function, obs, background, values, seed=seed),
        max_sensitivity(lambda seen: light(subject, seen), some, radius, draws=budget.draws, seed=seed),
        sanity(light(subject, some), same, destroyed),
    )


def _sets(features: int) -> dict[str, Callable[[int, int], Coalitions]]:
    def shapley(orders: int, seed: int) -> Coalitions:
        # All sets where there are few features, and where they are no more than a few orders would ask for.
        few = EXACT if orders > AGAIN else AGAIN + 1
        return shapley_coalitions(features, orders=orders, seed=seed, exact=few)

    return {"shapley": shapley, "occlusion": lambda orders, seed: occlusion_coalitions(features)}


def _asked(
    make: Callable[[int, int], Coalitions], subject: Responses, obs: Any, background: Any, orders: int, seed: int
) -> Values:
    return attributed(subject, obs, background, make(orders, seed))


def _traced_sets(respond: Callable[..., Any], make: Callable[[int, int], Coalitions], together: int) -> Explainer:
    @eqx.filter_jit
    def program(policy: Any, obs: Any, background: Any, known: Any, weights: Any) -> Array:
        return attributed_traced(partial(respond, policy), obs, background, Coalitions(known, weights))

    def explain(policy: Any, obs: np.ndarray, background: np.ndarray, orders: int, seed: int) -> Values:
        known, weights = make(orders, seed)
        # Filled up with sets of no weight to a whole number of 64, so that other draws need no other program.
        idle = -len(known) % 64 if orders else 0
        known, weights = np.pad(known, ((0, idle), (0, 0))), np.pad(weights, ((0, 0), (0, idle)))
        return _in_parts(lambda part: program(policy, part, background, known, weights), obs, together)

    return explain


def _traced_gradients(respond: Callable[..., Any], way: Callable[..., Array], together: int) -> Explainer:
    @eqx.filter_jit
    def program(policy: Any, obs: Any, background: Any, key: PRNGKeyArray) -> Array:
        keys = jax.random.split(key, len(obs))
        return jax.vmap(lambda seen, key: way(partial(respond, policy), seen, background, key))(obs, keys)

    def explain(policy: Any, obs: np.ndarray, background: np.ndarray, orders: int, seed: int) -> Values:
        key = jax.random.key(seed)
        return _in_parts(lambda part: program(policy, part, background, key), obs, together)

    return explain


def _in_parts(program: Callable[[np.ndarray], Array], obs: np.ndarray, together: int) -> Values:
    """So many observations at a time, the last part filled up, so that one program serves all numbers of them."""
    filled = np.concatenate([obs, np.repeat(obs[-1:], -len(obs) % together, axis=0)])
    parts = [np.asarray(program(filled[i : i + together])) for i in range(0, len(filled), together)]
    return np.concatenate(parts).astype(np.float64)[: len(obs)]


def _gradient(function: Function, obs: Array, background: Array, key: PRNGKeyArray) -> Array:
    """The gradient times the distance from the mean background: contributions, as the other methods give them."""
    return gradient(function, obs) * (obs - background.mean(axis=0))


def _integrated(function: Function, obs: Array, background: Array, key: PRNGKeyArray, *, steps: int) -> Array:
    return integrated_gradients(function, obs, background.mean(axis=0), steps=steps)


def _smooth(function: Function, obs: Array, background: Array, key: PRNGKeyArray, *, samples: int) -> Array:
    scale = 0.2 * background.std(axis=0)
    return smooth_gradient(function, obs, scale, key, samples=samples) * (obs - background.mean(axis=0))


def probabilities_known(policy: Policy, spec: Spec) -> bool:
    """Whether a policy of choices says how likely each is, so that its response has a gradient."""

    def known(obs: Array) -> tuple[Any, Any]:
        key, seen = jax.random.key(0), obs.reshape(spec.obs.shape)  # pyright: ignore
        _, _, extra = policy(seen, policy.reset(None, (), key), key)
        return extra.get("probabilities"), probabilities_at(policy, seen)

    said = jax.eval_shape(known, jax.ShapeDtypeStruct((spec.obs.size,), jnp.float32))
    return any(one is not None for one in said)
