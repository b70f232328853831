"""`pilothouse examine`: its options, and the one call that they become."""

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from pilothouse.cli.texts import add_task, asked, writing_of


def add_options(command: Any, policy: str, *shared: Callable[[Any], None]) -> None:
    """What can be typed after `pilothouse examine`."""
    command.add_argument("policy", metavar="POLICY", help=policy)
    for add in shared:
        add(command)
    command.add_argument("--quick", action="store_true", help="fewer episodes, levels and samples")
    command.add_argument("--episodes", type=int, help="episodes that are watched (50, or 20 with --quick)")
    command.add_argument("--seed", type=int, default=0, help="of the episodes and of all that is drawn (0)")
    command.add_argument(
        "--constraint",
        dest="constraints",
        metavar="NAME=MODULE:FUNCTION",
        nargs="+",
        action="extend",
        default=[],
        help="what no step should do: function(obs, action, next_obs), by rows, is true where one does",
    )
    add_task(command)
    command.add_argument("--out", metavar="DIR", help="folder (runs/examine-<policy>-<n>)")
    command.add_argument("--resume", action="store_true", help="go on in --out, if anything is there")
    command.add_argument("--overwrite", action="store_true", help="empty --out first")


def constraints_of(pairs: list[str]) -> dict[str, Callable[..., Any]]:
    """`name=module:function` as functions by name. Raises `SettingError` for what cannot be found or called."""
    from pilothouse.core.errors import SettingError
    from pilothouse.policies.foreign.modules import named_in_module

    found = {}
    for pair in pairs:
        name, equals, where = pair.partition("=")
        if not equals or not name or ":" not in where:
            raise SettingError(f"--constraint {pair!r}; expected NAME=MODULE:FUNCTION, such as low=checks:too_low.")
        function = named_in_module("--constraint", where)
        if not callable(function):
            raise SettingError(f"--constraint {pair!r}: {where} is no function.")
        found[name] = function
    return found


def run(options: Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Examine, write the page, say what came out; returns the `--json` document."""
    from pilothouse.report import examination_report, text_examination_report

    texts = asked(options)
    found = _of_texts(options, say) if texts else _of_acting(options, say)
    form = text_examination_report.TEXTS if texts else examination_report.ACTING
    for line in [form.headline(found), *form.qualified(found), f"report: {found.page.absolute()}"]:
        say(line)
    return found.as_json()


def _of_acting(options: Namespace, say: Callable[[str], None]) -> Any:
    from pilothouse.report.examine import examine_and_report

    return examine_and_report(
        options.policy,
        env=options.env,
        world=options.world,
        quick=options.quick,
        episodes=options.episodes,
        seed=options.seed,
        constraints=constraints_of(options.constraints),
        builder=options.builder,
        trust=options.trust,
        normalize=options.normalize,
        out=options.out,
        resume=options.resume,
        overwrite=options.overwrite,
        tell=say,
        command=_typed(),
    )


def _of_texts(options: Namespace, say: Callable[[str], None]) -> Any:
    from pilothouse.core.errors import SettingError
    from pilothouse.report.examine import examine_texts_and_report

    given = {"--episodes": options.episodes, "--builder": options.builder, "--normalize": options.normalize}
    strange = [name for name, value in given.items() if value is not None] + ["--constraint"] * bool(
        options.constraints
    )
    if strange:
        raise SettingError(f"{strange[0]} is for policies that act in an environment; it does not go with --task.")
    return examine_texts_and_report(
        options.policy,
        options.task,
        options.verifier,
        writing=writing_of(options),
        quick=options.quick,
        out=options.out,
        resume=options.resume,
        overwrite=options.overwrite,
        tell=say,
        command=_typed(),
    )


def _typed() -> str:
    return "pilothouse " + " ".join(sys.argv[1:])
