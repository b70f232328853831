"""Shapley values and occlusion: each feature's share of what a policy answers, measured against a background.

Shapley values are the one division that is fair in Shapley's sense: the shares add up to the answer less the mean
answer over the background (efficiency), features that enter alike get alike (symmetry), what is not read gets nothing
(dummy). Exact over all coalitions for few features; over sampled orders, each with its reverse, for many.

    coalitions = shapley_coalitions(obs.shape[1])
    values = attributed(responses, obs, background, coalitions)          # any policy
    values = jax.jit(attributed_traced, static_argnums=0)(…)             # one that traces

**Source:** Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", arXiv:1705.07874; orders with their
reverse: Mitchell, Cooper, Frank and Holmes, "Sampling Permutations for Shapley Value Estimation", arXiv:2104.12199.
"""

import math

import numpy as np

from pilothouse.core.errors import SettingError
from pilothouse.explain.coalitions import Coalitions

EXACT = 10
"""Up to so many features all coalitions are asked: 1024 of them."""


def shapley_coalitions(features: int, *, orders: int = 16, seed: int = 0, exact: int = EXACT) -> Coalitions:
    """All coalitions up to `exact` features, else those of `orders` drawn orders and of their reverses."""
    return all_coalitions(features) if features <= exact else sampled_coalitions(features, orders, seed)


def all_coalitions(features: int) -> Coalitions:
    """Every set of features: 2 ** features of them, and exact Shapley values.

    The share of feature i is the sum over sets S without it of |S|! (features - |S| - 1)! / features! times what
    it adds to S.
    """
    if not 1 <= features <= 20:
        raise SettingError(f"{features} features were given for all coalitions; expected 1 to 20.")
    known = (np.arange(2**features)[:, None] >> np.arange(features)) & 1 == 1
    size = known.sum(axis=1)
    factorial = math.factorial
    joining = np.array([factorial(n) * factorial(features - n - 1) / factorial(features) for n in range(features)])
    # A set that holds the feature is what it made of the set one smaller; one that lacks it is what it would add to.
    with_it, without = joining[np.maximum(size - 1, 0)], joining[np.minimum(size, features - 1)]
    return Coalitions(known, np.where(known.T, with_it, -without))


def sampled_coalitions(features: int, orders: int, seed: int = 0) -> Coalitions:
    """The sets that grow along `orders` random orders of the features and along their reverses; each set once.

    Unbiased, and the shares add up exactly however few the orders. The same orders serve every observation.
    """
    if features < 1 or orders < 1:
        raise SettingError(f"{orders} orders of {features} features were asked for; expected at least one of each.")
    generator = np.random.default_rng(seed)
    drawn = np.array([generator.permutation(features) for _ in range(orders)])
    return coalitions_of(np.concatenate([drawn, drawn[:, ::-1]]))


def coalitions_of(orders: np.ndarray) -> Coalitions:
    """The sets that grow along these orders `(orders, features)`, and the mean of what each feature adds there."""
    count, features = orders.shape
    rank = np.argsort(orders, axis=1)
    grown = rank[:, None, :] < np.arange(features + 1)[None, :, None]
    known, where = np.unique(grown.reshape(-1, features), axis=0, return_inverse=True)
    where = where.reshape(count, features + 1)
    weights = np.zeros((features, len(known)))
    for place in range(features):
        np.add.at(weights, (orders[:, place], where[:, place + 1]), 1 / count)
        np.add.at(weights, (orders[:, place], where[:, place]), -1 / count)
    return Coalitions(known, weights)


def occlusion_coalitions(features: int) -> Coalitions:
    """The answer less the answer without the one feature: features + 1 sets. Shares need not add up to anything.

    **Source:** Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901, with the
    background in place of a grey patch.
    """
    if features < 1:
        raise SettingError(f"{features} features were given; expected at least one.")
    known = np.concatenate([np.ones((1, features), bool), ~np.eye(features, dtype=bool)])
    return Coalitions(known, np.concatenate([np.ones((features, 1)), -np.eye(features)], axis=1))
