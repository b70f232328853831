"""Spoiled data: how many rows, how much, and nothing else."""

import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.evaluate.corrupted_data import corrupted
from pilothouse.evaluate.scripted_data import mixed_pendulum

CLEAN = mixed_pendulum(random=600, poor=0, good=0)


@pytest.mark.parametrize("element", ["obs", "action", "reward", "next_obs"])
def test_a_share_of_one_element_is_spoiled_within_its_scale(element: str) -> None:
    found = corrupted(CLEAN, element, share=0.3, scale=0.5, seed=1)  # type: ignore[arg-type]
    for name in ("obs", "action", "reward", "next_obs", "terminated", "truncated"):
        same = np.array_equal(getattr(found, name), getattr(CLEAN, name))
        assert same == (name != element), name
    old, new = np.asarray(getattr(CLEAN, element)), np.asarray(getattr(found, element))
    assert new.dtype == old.dtype
    changed = (new != old).reshape(len(old), -1).any(axis=1)
    assert 0.24 < changed.mean() < 0.36
    if element == "reward":
        assert np.abs(new[changed]).max() <= 15 and new[changed].max() > 10  # rewards of Pendulum are not above 0
    else:
        assert (np.abs(new - old) <= 0.5 * old.std(axis=0) + 1e-5).all()
    if element == "action":
        assert np.abs(new).max() <= 2
    assert found.fingerprint != CLEAN.fingerprint
    assert found.fingerprint == corrupted(CLEAN, element, share=0.3, scale=0.5, seed=1).fingerprint  # type: ignore[arg-type]


def test_none_and_all() -> None:
    assert corrupted(CLEAN, "obs", share=0.0, scale=1.0).fingerprint == CLEAN.fingerprint
    assert (corrupted(CLEAN, "reward", share=1.0, scale=1.0).reward != CLEAN.reward).all()
    with pytest.raises(SettingError, match="between 0 and 1"):
        corrupted(CLEAN, "obs", share=1.5, scale=1.0)
