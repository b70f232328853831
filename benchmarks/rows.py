"""The rows of the benchmark: what is measured, beside whom, and how far we mean to reach. Standard library only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """One program: a script of `benchmarks/`, its arguments, and the environment that it runs in."""

    script: str
    arguments: tuple[str, ...] = ()
    environment: str = "ours"


@dataclass(frozen=True)
class Row:
    """One comparison. `count` is the units of a round, `reach` and `stretch` are ratios of speed, ours to the peer's.

    Where `seconds` is given, the row is judged by our own seconds a unit instead, and the peer is there for scale.
    """

    name: str
    work: str
    unit: str
    peer_name: str
    ours: Side
    peer: Side
    count: int
    reach: float | None = None
    stretch: float | None = None
    seconds: float | None = None
    rounds: int | None = None
    """Where a unit takes minutes: how many rounds, in place of the usual number."""


SAC = "SAC, HalfCheetah-v5, width 256×2, batch 256"
OFFLINE = "17-dim obs, 6-dim action, batch 256, width 256×2"
PPO = "PPO, CartPole, 8 environments × 128 steps, 4 epochs × 4 minibatches, 64×2"
GRPO = "GRPO step, 1M-parameter decoder, 8 prompts × 8 completions × 32 tokens, generation included"


def _sac(library: str, shown: str, block: int, **reach: float) -> Row:
    name = f"sac-{library}" if block == 1 else f"sac-{library}-block{block}"
    arguments = ("--block", str(block))
    return Row(
        name,
        f"{SAC}, block {block}",
        "environment step",
        shown,
        Side("ours/sac.py", arguments),
        Side("peers/sac_sb3.py", ("--library", library, *arguments), "sb3"),
        count=640,
        **reach,
    )


def _offline(method: str, shown: str) -> tuple[Row, Row]:
    ours = Side("ours/offline.py", ("--method", method))
    peer = Side("peers/offline_d3rlpy.py", ("--method", method), "d3rlpy")
    limit = Side("peers/matrix_limit.py", ("--work", method))
    work = f"{shown}, {OFFLINE}"
    return (
        Row(f"{method}-d3rlpy", work, "update", "d3rlpy", ours, peer, count=600, reach=3.0),
        Row(f"{method}-limit", work, "update", "matrix limit", ours, limit, count=1000, reach=0.55, stretch=0.7),
    )


def _beside_d3rlpy(method: str, shown: str, reach: float, count: int) -> Row:
    ours = Side("ours/offline.py", ("--method", method))
    peer = Side("peers/offline_d3rlpy.py", ("--method", method), "d3rlpy")
    return Row(f"{method}-d3rlpy", f"{shown}, {OFFLINE}", "update", "d3rlpy", ours, peer, count=count, reach=reach)


def _ppo(library: str, shown: str, threads: tuple[str, ...] = ()) -> Row:
    peer = Side("peers/ppo_sb3.py", ("--library", library, *threads), "sb3")
    work = f"{PPO}; ours on the JAX world"
    return Row(f"ppo-{library}", work, "environment step", shown, Side("ours/ppo.py"), peer, count=51_200, reach=12.0)


# One thread is the faster of torch's two settings on networks as small as PPO's; elsewhere its default is.
ONE_THREAD = ("--threads", "1")


def _seeds(width: int, reach: float) -> Row:
    def side(arrangement: str) -> Side:
        return Side("ours/seeds.py", ("--width", str(width), "--arrangement", arrangement))

    work = f"8 seeds of TD3+BC, width {width}×2, in the arrangement that `--seeds 8` takes"
    peer_name = "ourselves, one seed after another"
    return Row(f"seeds-{width}", work, "update", peer_name, side("together"), side("apart"), count=400, reach=reach)


def _opening(how: str, reach: float) -> Row:
    peer = Side("ours/opening.py", ("--how", "iterate"))
    work = f"Opening a Minari dataset of 1M transitions, the {how} time, every number read once"
    return Row(
        f"opening-{how}", work, "opening", "Minari, iterated", Side("ours/opening.py", ("--how", how)), peer, 1, reach
    )


def _shapley(way: str, features: int, shown: str, count: int) -> tuple[Row, Row]:
    peer = Side("peers/shapley_shap.py", ("--features", str(features)), "shap")
    work = f"{shown} of {features} features and 2 outputs, network 64×2, 32 rows of background"

    def row(form: str, function: str, reach: float | None) -> Row:
        ours = Side("ours/shapley.py", ("--features", str(features), "--form", form))
        return Row(f"shapley-{way}-{form}", f"{work}, {function}", "observation", "shap", ours, peer, count, reach)

    return row("traced", "ours of the network in JAX", 10.0), row("host", "both of one function in NumPy", None)


def _bootstrap(runs: int, tasks: int, reach: float, count: int) -> Row:
    shape = ("--runs", str(runs), "--tasks", str(tasks))
    work = f"IQM's 95% interval, stratified bootstrap of 2,000 resamples, {runs} runs × {tasks} task{'s' * (tasks > 1)}"
    peer = Side("peers/bootstrap_rliable.py", shape, "rliable")
    ours = Side("ours/bootstrap.py", shape)
    return Row(f"bootstrap-{runs}x{tasks}", work, "interval", "rliable", ours, peer, count, reach)


ROWS = (
    _sac("sbx", "SBX", 1, reach=1.2, stretch=1.3),
    _sac("sbx", "SBX", 32),
    _sac("sb3", "Stable-Baselines3", 1, reach=3.3),
    _sac("sb3", "Stable-Baselines3", 32),
    *_offline("iql", "IQL"),
    *_offline("td3bc", "TD3+BC"),
    _beside_d3rlpy("awac", "AWAC, 1 action sample", 3.0, 400),
    _beside_d3rlpy("cql", "CQL, 10 action samples of each kind", 1.5, 60),
    Row(
        "decision-transformer-d3rlpy",
        "Decision Transformer, 17-dim obs, 6-dim action, batch 64, 20 steps, width 128, 3 layers, dropout 0.1",
        "update",
        "d3rlpy",
        Side("ours/sequences.py"),
        Side("peers/sequences_d3rlpy.py", (), "d3rlpy"),
        count=60,
        reach=1.5,
    ),
    _ppo("sb3", "Stable-Baselines3", ONE_THREAD),
    _ppo("sbx", "SBX"),
    Row(
        "ppo-vectors-sb3",
        f"{PPO}; both through Gymnasium vectors",
        "environment step",
        "Stable-Baselines3",
        Side("ours/ppo.py", ("--vectors",)),
        Side("peers/ppo_sb3.py", ("--library", "sb3", *ONE_THREAD), "sb3"),
        count=51_200,
        reach=1.3,
    ),
    Row(
        "grpo-trl",
        GRPO,
        "optimiser step",
        "TRL",
        Side("ours/grpo.py"),
        Side("peers/grpo_trl.py", (), "trl"),
        count=15,
        reach=1.5,
    ),
    _seeds(64, 1.3),
    _seeds(256, 1.1),
    Row(
        "compare",
        "`pilothouse compare` of 5 methods × 3 seeds × 10,000 updates, width 256, fitted Q of 10,000 a policy, 10 episodes",
        "comparison",
        "`python -c pass`",
        Side("ours/compare.py"),
        Side("ours/help.py", ("--bare",)),
        count=1,
        seconds=900.0,
        rounds=1,
    ),
    *_shapley("exact", 8, "Exact Shapley values", 128),
    *_shapley("sampled", 17, "Shapley values by 10 orders and their reverses", 128),
    _bootstrap(5, 1, 50.0, 4),
    _bootstrap(10, 26, 4.0, 4),
    _opening("first", 3.0),
    _opening("later", 20.0),
    Row(
        "help",
        "`pilothouse --help`",
        "call",
        "`python -c pass`",
        Side("ours/help.py"),
        Side("ours/help.py", ("--bare",)),
        count=10,
        seconds=0.3,
    ),
)
