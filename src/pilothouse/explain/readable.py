"""Policies that can be read: a decision tree, or a few linear laws behind a tree that says which one holds where."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, PyTree

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, MultiDiscrete, Space, Spec
from pilothouse.explain.watched import flat
from pilothouse.policies.host import HostPolicy, choices_in
from pilothouse.policies.policy import Carry, Extra


class Surrogate(HostPolicy):
    """Acts by a readable model of flat features. `respond` gives what the policy's own responses are compared with."""

    def __init__(self, spec: Spec, names: Sequence[str], name: str):
        self.spec, self.names, self.name = spec, tuple(names), name

    def respond(self, obs: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows outputs"]:
        """One-hot choices (those of several joined), or the entries of a box."""
        raise NotImplementedError

    def rules(self) -> list[str]:
        """What it does, in words: a line for each leaf."""
        raise NotImplementedError

    def act_many(self, obs: PyTree, carry: Carry, seed: int) -> tuple[PyTree, Carry, Extra]:
        del seed
        return action_from(self.spec.action, self.respond(flat(self.spec.obs, obs))), carry, {}


class TreeSurrogate(Surrogate):
    """A decision tree: one action for each leaf."""

    def __init__(self, spec: Spec, names: Sequence[str], tree: Any):
        super().__init__(
            spec, names, f"a tree of {tree.get_n_leaves()} lea{'f' if tree.get_n_leaves() == 1 else 'ves'}"
        )
        self.tree = tree

    @property
    def leaves(self) -> int:
        return int(self.tree.get_n_leaves())

    def respond(self, obs: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows outputs"]:
        said = np.asarray(self.tree.predict(np.asarray(obs, np.float32))).reshape(len(obs), -1)
        return _one_hots(self.spec.action, said)

    def rules(self) -> list[str]:
        shown = self.tree.tree_
        total = shown.weighted_n_node_samples[0]
        lines = []
        for node, where in leaves_in_words(self.tree, self.names):
            share = shown.weighted_n_node_samples[node] / total
            lines.append(f"{where}: {self._does(node)} ({share:.0%} of the time)")
        return lines

    def _does(self, node: int) -> str:
        value = self.tree.tree_.value[node]
        if isinstance(self.spec.action, Box):
            return "act " + ", ".join(f"{x:.3g}" for x in value[:, 0])
        classes = self.tree.classes_ if isinstance(self.tree.classes_, list) else [self.tree.classes_]
        return "choose " + ", ".join(str(own[row.argmax()]) for own, row in zip(classes, value, strict=True))


class LinearMixture(Surrogate):
    """A tree that says which of a few linear laws holds, and the laws. Choices go to the law's highest output."""

    def __init__(self, spec: Spec, names: Sequence[str], router: Any, weights: np.ndarray, biases: np.ndarray):
        super().__init__(spec, names, f"{len(weights)} linear law{'s' if len(weights) > 1 else ''}")
        self.router, self.weights, self.biases = router, weights, biases

    def which(self, obs: Float[np.ndarray, "rows features"]) -> np.ndarray:
        """The law that holds at each observation."""
        if self.router is None:
            return np.zeros(len(obs), int)
        return np.asarray(self.router.predict(np.asarray(obs, np.float32)))

    def respond(self, obs: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows outputs"]:
        which = self.which(obs)
        outputs = np.einsum("rf,rfo->ro", np.asarray(obs, np.float64), self.weights[which]) + self.biases[which]
        if isinstance(self.spec.action, Box):
            low, high = (bound.ravel() for bound in self.spec.action.bounds())
            return np.clip(outputs, low, high)
        return _one_hots(self.spec.action, labels_of(self.spec.action, outputs))

    def rules(self) -> list[str]:
        where = [(0, "always")] if self.router is None else list(leaves_in_words(self.router, self.names))
        lines = []
        for node, words in where:
            law = 0 if self.router is None else int(self.router.classes_[self.router.tree_.value[node][0].argmax()])
            lines += [f"{words}: {self._law(law, output)}" for output in range(self.weights.shape[2])]
        return lines

    def _law(self, law: int, output: int) -> str:
        weights = self.weights[law, :, output]
        kept = np.abs(weights) > 1e-3 * max(float(np.abs(weights).max()), 1e-12)
        terms = [f"{w:+.3g}·{name}" for w, name, keep in zip(weights, self.names, kept, strict=True) if keep and w]
        what = "action" if isinstance(self.spec.action, Box) else "score of choice"
        return f"{what} {output} = {' '.join([*terms, f'{self.biases[law, output]:+.3g}'])}"


def leaves_in_words(tree: Any, names: Sequence[str]) -> list[tuple[int, str]]:
    """The leaves of a tree, each with the conditions that lead there, those on one feature joined."""
    shown = tree.tree_
    found: list[tuple[int, str]] = []

    def go(node: int, bounds: dict[int, tuple[float, float]]) -> None:
        left, right = int(shown.children_left[node]), int(shown.children_right[node])
        if left == right:
            parts = [_bounded(names[feature], *between) for feature, between in bounds.items()]
            found.append((node, "if " + " and ".join(parts) if parts else "always"))
            return
        feature, threshold = int(shown.feature[node]), float(shown.threshold[node])
        low, high = bounds.get(feature, (-np.inf, np.inf))
        go(left, {**bounds, feature: (low, min(high, threshold))})
        go(right, {**bounds, feature: (max(low, threshold), high)})

    go(0, {})
    return found


def _bounded(name: str, low: float, high: float) -> str:
    if np.isinf(low):
        return f"{name} ≤ {high:.3g}"
    return f"{name} > {low:.3g}" if np.isinf(high) else f"{low:.3g} < {name} ≤ {high:.3g}"


def labels_of(space: Space, response: Float[np.ndarray, "rows outputs"]) -> np.ndarray:
    """What a model learns from responses: the likeliest choices `(rows, choices at once)`, or the entries of a box."""
    if isinstance(space, Box):
        return np.asarray(response, np.float64)
    ends = np.cumsum(choices_in(space))[:-1]
    return np.stack([part.argmax(axis=1) for part in np.split(response, ends, axis=1)], axis=1)


def _one_hots(space: Space, labels: np.ndarray) -> np.ndarray:
    if isinstance(space, Box):
        return np.asarray(labels, np.float64)
    return np.concatenate(
        [np.eye(n)[labels[:, i].astype(int)] for i, n in enumerate(choices_in(space))],
        axis=1,
    )


def action_from(space: Space, response: Float[np.ndarray, "rows outputs"]) -> np.ndarray:
    """Responses as actions of the space: the likeliest choice, or a box of its shape, clipped to its bounds."""
    match space:
        case Box():
            low, high = space.bounds()
            return np.clip(response.reshape(len(response), *space.shape), low, high).astype(space.dtype)
        case Discrete():
            return labels_of(space, response)[:, 0].astype(space.dtype)
        case MultiDiscrete():
            return labels_of(space, response).astype(space.dtype)
        case _:
            raise SpaceError(f"Surrogates act in Box, Discrete or MultiDiscrete spaces, not in {space.kind}.")
