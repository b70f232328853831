import json

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.data.minari_write import write_minari
from pilothouse.data.references import normalised, read_references


def test_normalised_by_hand():
    np.testing.assert_allclose(normalised([-10.0, 0.0, 5.0, 20.0], (0.0, 10.0)), [-1.0, 0.0, 0.5, 2.0])
    with pytest.raises(SettingError, match="below the second"):
        normalised([1.0], (2.0, 2.0))


def test_references_of_minari(recorded, tmp_path, minari_root):
    minari = pytest.importorskip("minari")
    data = recorded()
    told = write_minari(tmp_path / "told-v0", data, metadata={"ref_min_score": 1.0, "ref_max_score": 3.0})
    assert read_references(told) == (1.0, 3.0)
    score = minari.get_normalized_score(minari.MinariDataset(told / "data"), np.array([2.0, 4.0]))
    np.testing.assert_allclose(score, normalised([2.0, 4.0], (1.0, 3.0)))
    assert read_references(write_minari(tmp_path / "silent-v0", data)) is None
    assert read_references(tmp_path / "nowhere") is None


@pytest.mark.parametrize("pair", [(3.0, 1.0), ("a", 1.0), (float("nan"), 1.0), ([], {})])
def test_references_that_are_none_are_refused(recorded, tmp_path, pair):
    folder = write_minari(tmp_path / "odd-v0", recorded())
    file = folder / "data" / "metadata.json"
    stored = {**json.loads(file.read_text()), "ref_min_score": pair[0], "ref_max_score": pair[1]}
    file.write_text(json.dumps(stored))
    with pytest.raises(DataError, match="reference scores"):
        read_references(folder)
