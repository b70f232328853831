"""What language models need in place of an environment: tasks and a verifier; and `pilothouse sample`."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any


def add_task(command: Any) -> None:
    """The options that stand in for `--env`, of `evaluate` and `examine`."""
    texts = command.add_argument_group("language models, in place of --env")
    texts.add_argument("--task", metavar="FILE", help='JSONL of {"prompt": …, "answer": …}')
    texts.add_argument("--verifier", metavar="NAME", help="exact, contains, number, math or module:function")
    texts.add_argument("--samples", type=int, help="completions of each prompt (1)")
    _writing(texts)


def add_sample(command: Any, policy: str) -> None:
    """What can be typed after `pilothouse sample`."""
    command.add_argument("policy", metavar="POLICY", help=policy)
    command.add_argument("--prompt", metavar="TEXT", required=True, help="what stands before")
    command.add_argument("--samples", type=int, help="how many completions (1)")
    command.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    _writing(command)


def _writing(command: Any) -> None:
    command.add_argument("--longest", type=int, metavar="N", help="tokens of a completion at most (128)")
    command.add_argument(
        "--temperature", type=float, metavar="T", help="0 takes the likeliest token (0, or 1 for several samples)"
    )
    command.add_argument("--chat", action="store_true", help="ask in the model's own form of a conversation")


def writing_of(options: Namespace) -> Any:
    """How completions are to be drawn. Raises `SettingError` for numbers out of range."""
    from pilothouse.evaluate.texts import Writing

    return Writing(
        samples=1 if options.samples is None else options.samples,
        longest=128 if options.longest is None else options.longest,
        temperature=options.temperature,
        seed=options.seed,
        chat=options.chat,
    )


def asked(options: Namespace) -> bool:
    """Whether the options ask for texts. Raises `SettingError` for half of it, or for both texts and a place."""
    from pilothouse.core.errors import SettingError

    given = options.task is not None or options.verifier is not None
    if given and (options.task is None or options.verifier is None):
        raise SettingError("--task FILE and --verifier NAME go together: what is asked, and what counts as right.")
    if given and (options.env is not None or options.world is not None):
        raise SettingError("--task stands in place of --env and --world; give one of them.")
    alone = [name for name in ("samples", "longest", "temperature") if getattr(options, name) is not None]
    if not given and (alone or options.chat):
        raise SettingError(f"--{alone[0] if alone else 'chat'} goes with --task FILE --verifier NAME.")
    return given


def evaluate(options: Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Write behind every prompt, verify, say how often it is right."""
    from pilothouse.evaluate.texts import evaluate_texts
    from pilothouse.train.policies_from import open_language_model
    from pilothouse.worlds.tasks import read_tasks

    tasks = read_tasks(options.task)
    found = evaluate_texts(
        open_language_model(options.policy),
        tasks,
        options.verifier,
        writing_of(options),
        name=options.policy,
        task=options.task,
        tell=say,
    )
    say(str(found))
    return found.as_json()


def sample(options: Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Write behind one prompt."""
    from pilothouse.train.policies_from import open_language_model

    writing = writing_of(options)
    model = open_language_model(options.policy)
    (found,) = model.write(
        [options.prompt],
        samples=writing.samples,
        longest=writing.longest,
        temperature=writing.heat,
        seed=writing.seed,
        chat=writing.chat,
    )
    for number, one in enumerate(found):
        say(one.text if one.ended else f"{one.text} […]")
        if number + 1 < len(found):
            say("---")
    rows = [
        {"text": one.text, "log_prob": one.log_prob, "tokens": len(one.tokens), "ended": one.ended} for one in found
    ]
    return {"policy": options.policy, "prompt": options.prompt, "samples": rows}
