"""`Estimator`: what recipes return that say numbers about data or policies and train nothing that acts."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from pilothouse.data.dataset import Dataset


@runtime_checkable
class Estimator(Protocol):
    """`estimator(dataset, …) -> {name: number}`; what else it needs to know are keyword arguments of its own."""

    def __call__(self, dataset: Dataset, *args: Any, **about: Any) -> Mapping[str, float | int]: ...
