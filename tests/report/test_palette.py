"""Colours: readable on light and dark, and apart for those who see colours differently."""

import re

import numpy as np
import pytest

from pilothouse.report.charts import chart_style

# Machado, Oliveira and Fernandes 2009: linear RGB as seen with protanopia, deuteranopia and tritanopia.
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def palettes() -> list[dict[str, str]]:
    light, dark = chart_style().split("@media", 1)
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", part)) for part in (light, dark)]


def linear(colour: str) -> np.ndarray:
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted((linear(a) @ weights, linear(b) @ weights))
    return float((high + 0.05) / (low + 0.05))


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.0888])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark"])
def test_text_and_lines_stand_out_from_the_page(palette):
    for paper in (palette["paper"], palette["wash"]):
        assert contrast(palette["ink"], paper) > 7
        assert contrast(palette["quiet"], paper) > 4.5
        assert contrast(palette["accent"], paper) > 4.5
    assert all(contrast(palette[f"c{i}"], palette["paper"]) > 3 for i in range(1, 7))


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark"])
def test_the_first_four_series_can_be_told_apart(palette, sight):
    seen = [lab(np.asarray(SIGHTS[sight]) @ linear(palette[f"c{i}"])) for i in range(1, 5)]
    assert min(np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[i + 1 :]) > 14
