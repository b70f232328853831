import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.worlds import drawing

BLACK = (0, 0, 0)
WHITE = (255, 255, 255)
places = st.floats(-60, 100)


def covered(image) -> float:
    """Painted area in pixels, edges by their share."""
    return float((255.0 - image[..., 0]).sum() / 255)


def test_a_disc_has_the_area_of_a_disc():
    image = drawing.blank(64, 64, WHITE)
    drawing.disc(image, (32, 32), 20, BLACK)
    np.testing.assert_allclose(covered(image), np.pi * 400, rtol=0.01)


def test_a_capsule_is_a_rectangle_with_round_ends():
    image = drawing.blank(64, 64, WHITE)
    drawing.capsule(image, (16, 20), (44, 41), 6, BLACK)  # 35 long
    np.testing.assert_allclose(covered(image), 35 * 12 + np.pi * 36, rtol=0.01)


def test_a_polygon_covers_its_area_whichever_way_round():
    corners = [(10, 10), (50, 14), (40, 50)]
    area = 0.5 * abs(40 * 40 - 30 * 4)
    for way in (corners, corners[::-1]):
        image = drawing.blank(64, 64, WHITE)
        drawing.polygon(image, way, BLACK)
        np.testing.assert_allclose(covered(image), area, rtol=0.02)


def test_a_box_on_pixel_edges_is_exact():
    image = drawing.blank(8, 10, WHITE)
    drawing.box(image, 2, 1, 6, 5, BLACK)
    assert (image[1:5, 2:6] == 0).all() and covered(image) == 16


@given(a=st.tuples(places, places), b=st.tuples(places, places), radius=st.floats(0, 50))
def test_shapes_may_stick_out(a, b, radius):
    image = drawing.blank(40, 30)
    drawing.capsule(image, a, b, radius, BLACK)
    drawing.polygon(image, [a, b, (radius, radius)], BLACK)
    assert image.shape == (40, 30, 3)


def test_text_is_legible_and_cut_at_the_edge():
    image = drawing.blank(20, 20, WHITE)
    drawing.text(image, 0, 0, "1", BLACK, scale=1)
    assert covered(image) == 2 + 8  # the dots of a 1: its cap 2 of 1+2, four of the stem, a foot of 3
    drawing.text(image, 12, 15, "=?x", BLACK, scale=2)
    assert image.shape == (20, 20, 3)
