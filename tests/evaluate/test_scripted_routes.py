"""Two routes: how long each takes, how many take it, and that their mean leads nowhere."""

import numpy as np

from pilothouse.evaluate.scripted_routes import lengths_by_route, two_routes


def test_routes_differ_in_length_and_the_mean_of_their_first_steps_is_no_step() -> None:
    data = two_routes(steps=1_500, long=0.5)
    short, long = lengths_by_route(data)
    assert len(short) > 20 and len(long) > 20 and short.max() <= 18 < 20 <= long.min()
    first = data.action[data.starts][:, 1]
    assert (np.abs(first) > 0.5).all() and abs(first.mean()) < 0.4


def test_the_share_of_long_walks_is_as_told() -> None:
    for share, low, high in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.8, 0.6, 0.95)):
        short, long = lengths_by_route(two_routes(steps=1_500, long=share))
        assert low <= len(long) / (len(short) + len(long)) <= high
