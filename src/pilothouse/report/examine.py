"""From the names of a policy and a place to an examination with its page: the one call of the command and the library."""

from collections.abc import Mapping
from pathlib import Path

from pilothouse.evaluate.texts import Writing
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.language_model import LanguageModel
from pilothouse.policies.policy import Policy
from pilothouse.report.examination import Constraint, Examination, Plan, examine
from pilothouse.report.examination_report import write_examination_report
from pilothouse.report.text_examination import examine_texts
from pilothouse.report.text_examination_report import TEXTS
from pilothouse.train.learned_values import value_of
from pilothouse.train.policies_from import (
    fingerprint_of,
    open_language_model,
    place_named,
    policy_and_place,
)
from pilothouse.train.run import Tell
from pilothouse.worlds.tasks import read_tasks


def examine_and_report(
    policy: Policy | HostPolicy | str | Path,
    *,
    env: str | None = None,
    world: str | None = None,
    quick: bool = False,
    episodes: int | None = None,
    seed: int = 0,
    constraints: Mapping[str, Constraint] | None = None,
    builder: str | None = None,
    trust: bool = False,
    normalize: str | Path | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell | None = None,
    command: str = "",
) -> Examination:
    """Examine a policy in the environment `env` or the world `world`, and write the page into its folder.

    `policy` is one, or what `open_policy` opens (with `builder`, `trust` and `normalize`); the rest is as for
    `pilothouse.report.examination.examine`. `constraints`: by name, `(obs, action, next_obs) -> (rows,)`, true where a
    step does what none should.
    """
    about, value, name = {}, None, getattr(policy, "name", "policy")
    if isinstance(policy, str | Path):
        name = str(policy)
        policy, place = policy_and_place(
            policy, env=env, world=world, builder=builder, trust=trust, normalize=normalize
        )
        about, value = {"sha256": fingerprint_of(name)}, value_of(name, place.spec)
    else:
        place = place_named(env=env, world=world, stack=getattr(policy, "stack", 1))
    found = examine(
        policy,
        place,
        Plan(quick=quick, episodes=episodes, seed=seed),
        name=name,
        about=about,
        constraints=constraints,
        value=value,
        out=out,
        resume=resume,
        overwrite=overwrite,
        tell=tell,
        command=command,
    )
    write_examination_report(found.page, found)
    return found


def examine_texts_and_report(
    model: LanguageModel | str | Path,
    task: str | Path,
    verifier: str,
    *,
    writing: Writing | None = None,
    quick: bool = False,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell | None = None,
    command: str = "",
) -> Examination:
    """Examine a language model on the tasks of a file, and write the page into its folder.

    `model` is one, or what `open_language_model` opens; `task`, a JSONL file as `read_tasks` reads it; `verifier`, a
    name of `verifier_named`.
    """
    tasks, name, about = read_tasks(task), getattr(model, "name", "model"), {}
    if not isinstance(model, LanguageModel):
        name, about = str(model), {"sha256": fingerprint_of(model)}
        model = open_language_model(model)
    found = examine_texts(
        model,
        tasks,
        verifier,
        writing or Writing(),
        quick=quick,
        name=name,
        task=str(task),
        about=about,
        out=out,
        resume=resume,
        overwrite=overwrite,
        tell=tell,
        command=command,
    )
    write_examination_report(found.page, found, TEXTS)
    return found
