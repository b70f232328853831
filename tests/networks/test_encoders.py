"""Every space as one vector: by hand, and what must and must not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete, Space, Tokens
from pilothouse.networks.encoders import IMAGE_FEATURES, ConvolutionalNet, Encoder, convolved, mask_in

KEY = jax.random.key(0)
PICTURE = Box((8, 8, 3), 0, 255, "uint8")


def encoded(space: Space, value: object) -> np.ndarray:
    encoder = Encoder(space, key=KEY)
    found = np.asarray(encoder(value))
    assert found.shape == (encoder.size,) and found.dtype == np.float32
    return found


def test_plain_spaces_by_hand() -> None:
    np.testing.assert_array_equal(encoded(Box((2,)), jnp.array([3.0, -4.0])), [3, -4])
    np.testing.assert_array_equal(encoded(Box((2, 2)), jnp.array([[1.0, 2.0], [3.0, 4.0]])), [1, 2, 3, 4])
    np.testing.assert_array_equal(encoded(Box(()), jnp.float32(7.0)), [7])
    np.testing.assert_array_equal(encoded(Discrete(3), jnp.int32(2)), [0, 0, 1])
    np.testing.assert_array_equal(encoded(MultiDiscrete((2, 3)), jnp.array([1, 0])), [0, 1, 1, 0, 0])
    # Flat bytes: 0..255 become 0..1; bytes that only say 0 or 1 stay.
    np.testing.assert_allclose(encoded(Box((2,), 0, 255, "uint8"), jnp.array([0, 51], jnp.uint8)), [0, 0.2])
    np.testing.assert_array_equal(encoded(Box((2,), 0, 1, "uint8"), jnp.array([0, 1], jnp.uint8)), [0, 1])


def test_a_dict_is_joined_by_name_and_its_mask_left_out() -> None:
    space = DictSpace.of(
        {"z": Box((1,)), "a": Discrete(2), MASK: Box((4,), 0, 1), "m": DictSpace.of({"y": Box((1,)), "b": Box((1,))})}
    )
    value = {
        "z": jnp.array([9.0]), "a": jnp.int32(1), MASK: jnp.ones(4), "m": {"y": jnp.array([5.0]), "b": jnp.array([4.0])}
    }  # fmt: skip
    np.testing.assert_array_equal(encoded(space, value), [0, 1, 4, 5, 9])  # a, m/b, m/y, z
    again = {name: value[name] for name in sorted(value, reverse=True)}
    np.testing.assert_array_equal(encoded(space, again), [0, 1, 4, 5, 9])


def test_a_name_may_hold_a_slash() -> None:
    space = DictSpace.of({"arm/far": Box((1,)), "arm/eye": PICTURE, "b": DictSpace.of({"c/d": Box((1,))})})
    encoder = Encoder(space, key=KEY)
    assert list(encoder.nets) == ["arm/eye"]
    value = {"arm/far": jnp.array([7.0]), "arm/eye": jnp.zeros((8, 8, 3), jnp.uint8), "b": {"c/d": jnp.array([5.0])}}
    np.testing.assert_array_equal(encoder(value), [0.0] * IMAGE_FEATURES + [7, 5])


def test_the_mask_is_found_only_where_there_is_one() -> None:
    np.testing.assert_array_equal(mask_in({MASK: jnp.array([[1, 0], [0, 1]])}), [[True, False], [False, True]])
    assert mask_in({"obs": jnp.zeros(2)}) is None and mask_in(jnp.zeros(2)) is None


def test_pictures_pass_through_a_net_that_sees_each_pixel_and_gets_gradients() -> None:
    encoder = Encoder(DictSpace.of({"eye": PICTURE, "speed": Box((2,))}), key=KEY)
    assert encoder.size == IMAGE_FEATURES + 2 and list(encoder.nets) == ["eye"]
    dark = {"eye": jnp.zeros((8, 8, 3), jnp.uint8), "speed": jnp.array([1.0, 2.0])}
    np.testing.assert_array_equal(encoder(dark), [0.0] * IMAGE_FEATURES + [1, 2])  # zero pixels, zero biases
    pixels = jax.random.uniform(jax.random.key(1), (8, 8, 3))
    net = encoder.nets["eye"]
    direction = jax.random.normal(jax.random.key(2), (IMAGE_FEATURES,))
    slope = jax.jit(jax.grad(lambda x: net(255 * x) @ direction))(pixels)
    assert np.all(slope != 0), "a pixel that nothing depends on"
    grads = jax.jit(jax.grad(lambda e: e(dark | {"eye": (255 * pixels).astype(jnp.uint8)}).sum()))(encoder)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(grads))


def test_pixels_are_shares_of_255() -> None:
    net = ConvolutionalNet((8, 8, 3), 4, key=KEY)
    pixels = jax.random.randint(KEY, (8, 8, 3), 0, 128).astype(jnp.uint8)
    # Without biases the net is homogeneous: twice the pixels, twice the features.
    np.testing.assert_allclose(net(2 * pixels), 2 * net(pixels), rtol=1e-4, atol=1e-6)
    assert 0 < float(net(jnp.full((8, 8, 3), 255, jnp.uint8)).max()) < 10


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 9, 2), (64, 64, 4)])
def test_pictures_of_any_size_have_so_many_features(shape: tuple[int, ...]) -> None:
    net = jax.eval_shape(lambda: ConvolutionalNet(shape, key=KEY)(jnp.zeros(shape, jnp.uint8)))
    assert net.shape == (IMAGE_FEATURES,)


def test_two_cameras_have_nets_of_their_own_and_tokens_are_refused() -> None:
    encoder = Encoder(DictSpace.of({"left": PICTURE, "right": PICTURE}), key=KEY)
    kernels = [net.kernels[0] for net in encoder.nets.values()]
    assert len(kernels) == 2 and np.any(kernels[0] != kernels[1])
    with pytest.raises(SpaceError, match="transformer"):
        Encoder(Tokens(5, 3, 2), key=KEY)


@pytest.mark.parametrize(("sides", "stride"), [((5, 8), 1), ((5, 8), 2), ((7, 4), 3)])
def test_a_convolution_is_the_sum_over_its_window_with_zeros_around(sides: tuple[int, int], stride: int) -> None:
    x, kernel = np.random.default_rng(0).normal(size=(*sides, 2)), np.random.default_rng(1).normal(size=(3, 3, 2, 4))
    ours = convolved(jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32), stride=stride)
    layout = ("NHWC", "HWIO", "NHWC")
    args = (jnp.asarray(x[None], jnp.float32), jnp.asarray(kernel, jnp.float32), (stride, stride), "SAME")
    np.testing.assert_allclose(ours, jax.lax.conv_general_dilated(*args, dimension_numbers=layout)[0], atol=1e-5)
    if stride == 1:  # slowly, at one place in the middle
        window = x[1:4, 2:5]
        np.testing.assert_allclose(ours[2, 3], np.einsum("ijc,ijco->o", window, kernel), rtol=1e-5)
