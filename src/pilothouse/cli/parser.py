"""What can be typed. Nothing here imports more than the standard library and `core.errors`."""

import argparse
from typing import Any, NoReturn

from pilothouse import __version__
from pilothouse.cli import compare, examine, texts
from pilothouse.core.errors import SettingError, nearest, unknown

POLICY = "a run, a checkpoint, a policy folder, a Stable-Baselines3 .zip, .onnx, .pt, .stablehlo, module:function, or `random`"


class Parser(argparse.ArgumentParser):
    """Raises `PilothouseError`s in place of printing usage: one clear line, exit 2."""

    def error(self, message: str) -> NoReturn:
        raise SettingError(f"{message}. See `{self.prog} --help`.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = "command" if isinstance(action, argparse._SubParsersAction) else f"value of {action.dest}"
            raise unknown(kind, str(value), [str(choice) for choice in action.choices])

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            known = [option for parser in self.everything() for option in parser._option_string_actions]
            raise SettingError(f"Unknown argument {rest[0]!r}.{nearest(rest[0], known)} See `pilothouse --help`.")
        return parsed

    def everything(self) -> list["argparse.ArgumentParser"]:
        found: list[argparse.ArgumentParser] = [self]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    found += parser.everything() if isinstance(parser, Parser) else [parser]
        return found


def make_parser() -> Parser:
    """All commands."""
    parser = Parser(
        prog="pilothouse", description="Learn, compare, understand, steer and guard policies.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"pilothouse {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    _quickstart(commands)
    _train(commands)
    compare.add_options(_command(commands, "compare", "say which method to trust on your data"), _place, _columns)
    _evaluate(commands)
    examine.add_options(
        _command(commands, "examine", "say how good, how brittle and why a policy is"), POLICY, _place, elsewhere
    )
    _sample(commands)
    _record(commands)
    _export(commands)
    _data(commands)
    _catalogue(commands)
    report = _command(commands, "report", "write the report page of a run")
    report.add_argument("run", metavar="RUN", help="a run folder")
    view = _command(commands, "view", "look at runs, the catalogue and datasets in a browser")
    view.add_argument("folder", metavar="DIR", nargs="?", default="runs", help="a folder of runs (runs)")
    view.add_argument("--port", type=int, default=8420, help="8420, or 0 for any that is free")
    view.add_argument("--host", default="127.0.0.1", help="another than this machine asks for a token (127.0.0.1)")
    return parser


def _command(commands: Any, name: str, what: str) -> Parser:
    made = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".", allow_abbrev=False)
    made.add_argument("--json", action="store_true", help="one JSON document on standard output")
    made.add_argument("--quiet", action="store_true", help="no progress")
    return made


def _place(command: Parser) -> None:
    command.add_argument("--env", metavar="ID", help="a Gymnasium environment, ID or module:ID")
    command.add_argument("--world", metavar="NAME", help="a JAX world, such as cartpole")


def elsewhere(command: Parser) -> None:
    """What policies of other libraries may need."""
    command.add_argument("--builder", metavar="MODULE:NAME", help="makes the torch module whose state a .pt holds")
    command.add_argument(
        "--normalize", metavar="FILE", help="statistics of observations: .npz with mean and var, or VecNormalize's .pkl"
    )
    command.add_argument("--trust", action="store_true", help="open what only unpickling opens, which may run anything")


def _quickstart(commands: Any) -> None:
    command = _command(commands, "quickstart", "learn online, record, learn offline, compare, report: the main job")
    command.add_argument("--out", metavar="DIR", help="run folder (runs/quickstart-<environment>-<n>)")
    command.add_argument("--seed", type=int, default=0, help="of the first run (0)")


def _train(commands: Any) -> None:
    command = _command(commands, "train", "learn a policy with a recipe")
    command.add_argument("recipe", metavar="RECIPE", nargs="?")
    command.add_argument(
        "--data", metavar="PATH", help="a dataset: a file, a folder, or an id that Minari has installed"
    )
    _columns(command)
    _place(command)
    command.add_argument("--steps", type=int, help="per seed: environment steps online, gradient updates offline")
    command.add_argument(
        "--online-steps",
        metavar="N",
        type=int,
        help="per seed: environment steps after the data, where a recipe goes on",
    )
    command.add_argument("--seeds", type=int, help="how many seeds (1)")
    command.add_argument("--seed", type=int, help="the first of them (0)")
    command.add_argument("--envs", type=int, help="environments acted in at once")
    command.add_argument("--stack", type=int, help="observations shown together (1)")
    command.add_argument(
        "--schedule", metavar="NAME", help="of learning rates: constant (the default), linear or cosine"
    )
    command.add_argument("--episodes", type=int, help="held-out episodes at every look (20; 0 for none)")
    command.add_argument("--out", metavar="DIR", help="run folder (runs/<recipe>-<source>-<n>)")
    command.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in --out, if there is one"
    )
    command.add_argument("--overwrite", action="store_true", help="empty --out first")
    command.add_argument(
        "--set",
        dest="settings",
        metavar="k=v",
        nargs="+",
        action="extend",
        default=[],
        help="settings of the recipe; `show RECIPE` lists them",
    )
    command.add_argument("--config", metavar="FILE", help="the config.json of a run, for what is not given here")
    command.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")
    trackers = ("tensorboard", "wandb")
    command.add_argument("--track", choices=trackers, nargs="+", default=[], help="write metrics there too")


def _evaluate(commands: Any) -> None:
    command = _command(commands, "evaluate", "measure a policy on held-out episodes")
    command.add_argument("policy", metavar="POLICY", help=POLICY)
    _place(command)
    elsewhere(command)
    command.add_argument("--episodes", type=int, help="how many episodes (20); with a goal, at most (1000)")
    command.add_argument("--seed", type=int, default=0, help="of the episodes (0)")
    command.add_argument("--until", metavar="GOAL", help="stop when settled: 'return > 200', 'success > 0.9'")
    command.add_argument("--precision", type=float, metavar="X", help="stop when the mean is known to within X")
    command.add_argument(
        "--bounds", type=float, nargs=2, metavar=("LOW", "HIGH"), help="possible returns; without, goals are asymptotic"
    )
    command.add_argument("--level", type=float, default=0.95, help="of confidence in the goal (0.95)")
    texts.add_task(command)


def _sample(commands: Any) -> None:
    what = "write behind a prompt with a language model"
    texts.add_sample(_command(commands, "sample", what), "a run in a text world, or a folder of Hugging Face")


def _record(commands: Any) -> None:
    command = _command(commands, "record", "record a policy's experience as a Minari dataset")
    command.add_argument("policy", metavar="POLICY", help=POLICY)
    _place(command)
    elsewhere(command)
    command.add_argument("--steps", type=int, required=True, help="how many environment steps")
    command.add_argument("--seed", type=int, default=0, help="of the episodes (0)")
    command.add_argument("--out", metavar="PATH", required=True, help="the dataset's folder; ends in NAME-vN")


def _export(commands: Any) -> None:
    command = _command(commands, "export", "write a policy for other programs: ONNX, StableHLO, safetensors")
    command.add_argument("policy", metavar="POLICY", help=POLICY)
    command.add_argument("--to", choices=("onnx", "stablehlo", "safetensors"), required=True, help="the format")
    command.add_argument("--out", metavar="PATH", required=True, help="the file; for safetensors, the folder")
    _place(command)
    elsewhere(command)


def _data(commands: Any) -> None:
    group = commands.add_parser(
        "data", help="look into datasets", description="Look into datasets.", allow_abbrev=False
    )
    inner = group.add_subparsers(dest="data_command", metavar="COMMAND", required=True, parser_class=Parser)
    inspect = _command(inner, "inspect", "say what is in a dataset")
    inspect.add_argument("path", metavar="PATH")
    _columns(inspect)
    inspect.add_argument("--out", metavar="DIR", help="write a report page there (report.html)")
    inspect.add_argument("--reference", metavar="PATH", help="a dataset that has seen much, to count coverage against")
    suite = _command(inner, "record-suite", "record the offline suite: datasets of known origin to compare methods on")
    suite.add_argument("--out", metavar="DIR", default="suite", help="where the datasets go (./suite)")
    suite.add_argument("--size", metavar="N", type=int, help="transitions a set (200000)")
    suite.add_argument("--sets", metavar="NAME", nargs="+", default=[], help="only these, or what begins so (hopper)")
    suite.add_argument("--train", action="store_true", help="train the agents anew, in place of those that are shipped")
    convert = _command(inner, "convert", "write a dataset in another format")
    convert.add_argument("path", metavar="PATH")
    convert.add_argument(
        "--out", metavar="PATH", required=True, help="NAME-vN for Minari, NAME.npz for OGBench's, NAME.hdf5 for D4RL's"
    )
    convert.add_argument("--images", action="store_true", help="with the images of a LeRobot folder")
    _columns(convert)


def _columns(command: Parser) -> None:
    command.add_argument(
        "--columns",
        metavar="ROLE=NAME",
        nargs="+",
        action="extend",
        default=[],
        help="which column of a table is what: obs=a,b action=c reward=r episode=e terminated=t",
    )


def _catalogue(commands: Any) -> None:
    papers = _command(commands, "papers", "list the literature, with what is built and measured")
    papers.add_argument("--wing", metavar="W", help="only this wing")
    show = _command(commands, "show", "show a method: paper, settings, parts, claim, record")
    show.add_argument("name", metavar="NAME")
    reproduce = _command(commands, "reproduce", "measure the claims of methods and write their records")
    reproduce.add_argument("names", metavar="NAME", nargs="*")
    reproduce.add_argument("--all", action="store_true", dest="everything", help="every claim there is")
    reproduce.add_argument("--stale", action="store_true", help="those measured with earlier parts")
    reproduce.add_argument("--seeds", type=int, help="how many (as many as the claim says)")
    reproduce.add_argument("--seed", type=int, help="new seeds from here, into --out, never over the record")
    reproduce.add_argument("--out", metavar="DIR", help="where the records go (./reproductions)")
