"""IPO's squared loss is what keeps sure preferences regularised."""

import numpy as np

from pilothouse.recipes.language import ipo


def test_the_squared_loss_stops_at_the_regularised_optimum_where_the_logistic_one_runs_on(monkeypatch) -> None:
    # Fails if DPO's loss stands in for IPO's. By hand at tau 1: logits (1/3, 0, -1/3), probabilities .448 .321 .230.
    np.testing.assert_allclose(ipo.optimum(1.0), [0.4484, 0.3213, 0.2302], atol=1e-4)
    monkeypatch.setattr(ipo, "TAUS", (1.0,))
    monkeypatch.setattr(ipo, "UPDATES", 3_000)
    assert ipo.distances("ipo", 1e-2, [0, 1]).max() < 0.02
    assert ipo.distances("dpo", 1e-2, [0, 1]).min() > 0.2
