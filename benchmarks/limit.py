"""The limit that an update is measured against: useful floating-point operations over this machine's matrix rate.

Useful operations are counted by formula and never taken from a compiled program, which would reward waste. With W the
weights of a network (biases left out) and B the batch:

    forward only                    2 W B
    trained                         6 W B     forward, gradient of the weights, gradient of what enters
    passed through, not trained     4 W B     forward, and the gradient of what enters: a critic under its actor's loss

`python benchmarks/limit.py` prints the rates of this machine and the limit of each kind of update.
"""

import argparse
import json
import statistics
import time

FORWARD, TRAINED, THROUGH = 2, 6, 4
GIGA = 1e9


def weights(*sizes: int) -> int:
    """Weights of a network of dense layers with these sizes, ends included."""
    return sum(left * right for left, right in zip(sizes, sizes[1:], strict=False))


def useful_operations(work: str, *, obs: int = 17, action: int = 6, width: int = 256, batch: int = 256) -> float:
    """Floating-point operations of one update of `iql`, `td3bc` or `sac` with two hidden layers of `width`.

    iql     actor, two critics and value trained; two slow critics at (obs, action) and the value at next_obs forward.
    td3bc   two critics trained, slow actor and two slow critics at next_obs forward; every second update the actor is
            trained through one critic.
    sac     two critics trained, actor and two slow critics at next_obs forward, actor trained through both critics.
    """
    critic = weights(obs + action, width, width, 1)
    value = weights(obs, width, width, 1)
    actor = weights(obs, width, width, action)
    gaussian = weights(obs, width, width, 2 * action)
    each = {
        "iql": TRAINED * (actor + 2 * critic + value) + FORWARD * (2 * critic + value),
        "td3bc": TRAINED * 2 * critic + FORWARD * (actor + 2 * critic) + (TRAINED * actor + THROUGH * critic) / 2,
        "sac": TRAINED * (2 * critic + gaussian) + FORWARD * (gaussian + 2 * critic) + THROUGH * 2 * critic,
    }
    return each[work] * batch


def matrix_rate(size: int, *, seconds: float = 1.0) -> float:
    """Float32 operations a second of `size`³ products under XLA on this machine's CPU: the median of many calls."""
    import jax

    cpu = jax.devices("cpu")[0]
    key = jax.random.key(0)
    left = jax.device_put(jax.random.normal(key, (size, size)), cpu)
    right = jax.device_put(jax.random.normal(jax.random.fold_in(key, 1), (size, size)), cpu)
    # Several products a call where one is short, so that the cost of a call does not count; the sum keeps them all.
    times = max(1, 2**27 // size**3)
    product = jax.jit(lambda a, b: jax.lax.fori_loop(0, times, lambda _, total: (total @ b) * (1.0 / size) + a, a))
    product(left, right).block_until_ready()
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(took) < 5:
        started = time.perf_counter()
        product(left, right).block_until_ready()
        took.append(time.perf_counter() - started)
    return 2 * size**3 * times / statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints this machine's matrix rates and the limits that follow.")
    parser.parse_args()
    large, small = matrix_rate(2048, seconds=3.0), matrix_rate(256, seconds=3.0)
    print(json.dumps({"gflops_2048": round(large / GIGA, 1), "gflops_256": round(small / GIGA, 1)}))
    for work in ("iql", "td3bc", "sac"):
        operations = useful_operations(work)
        print(f"{work}: {operations / GIGA:.3f} GFLOP an update, at most {large / operations:.0f} updates/s")


if __name__ == "__main__":
    main()
