"""Updates of the decision transformer through the engine, on the data that d3rlpy gets."""

from engine import PACKAGES, EngineWorker
from protocol import serve
from synthetic import ACTIONS, OBSERVATIONS, SEQUENCES, transitions


def make() -> EngineWorker:
    from pilothouse.core.spaces import Box, Spec
    from pilothouse.data.episodes import dataset_from_transitions
    from pilothouse.train.sources import DataSource

    spec = Spec(Box((OBSERVATIONS,)), Box((ACTIONS,), -1.0, 1.0))
    source = DataSource(dataset_from_transitions(transitions(), spec, name="synthetic"))
    facts = {"obs": OBSERVATIONS, "action": ACTIONS}
    return EngineWorker("decision-transformer", source, {**SEQUENCES, "longest": 1001, "block": 20}, facts)


if __name__ == "__main__":
    serve(make, *PACKAGES)
