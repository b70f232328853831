"""`Watcher`: what recipes return that explain a policy by whole episodes of it."""

from typing import Any, Protocol, runtime_checkable

from pilothouse.explain.watched import Watched


@runtime_checkable
class Watcher(Protocol):
    """`watcher(policy, seen, seed=0) -> explanation`, a frozen record with `as_json()`, of episodes it was watched in.

    The same policy, episodes and seed give the same explanation.
    """

    def __call__(self, policy: Any, seen: Watched, seed: int = 0) -> Any: ...
