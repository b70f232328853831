"""Language models asked in words for a probability, a judgement or a series: what benchmarks of text put to the test."""

import re
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import SettingError
from pilothouse.evaluate.contextual_forecasts import SampleForecaster
from pilothouse.evaluate.forecasting import Forecaster
from pilothouse.evaluate.vignettes import Judge
from pilothouse.policies.language_model import Written

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
ENTRY = re.compile(r"\(\s*(\d+)\s*,\s*(-?\d+(?:\.\d+)?)\s*\)")


@runtime_checkable
class Writer(Protocol):
    """Whatever writes behind prompts, as `LanguageModel` does."""

    def write(
        self,
        prompts: Sequence[str],
        *,
        samples: int = 1,
        longest: int = 128,
        temperature: float = 1.0,
        seed: int = 0,
        chat: bool = False,
    ) -> list[list[Written]]: ...


def asked_for_a_probability(model: Writer, *, longest: int = 64, chat: bool = False) -> Forecaster:
    """The last probability of its likeliest answer: a percentage, or a number from 0 to 1; 1/2 where it names none."""

    def forecast(question: str) -> float:
        prompt = f"{question}\nAnswer with a probability between 0 and 1.\nProbability:"
        [[answer]] = model.write([prompt], longest=longest, temperature=0.0, chat=chat)
        percents = [float(one) / 100 for one in PERCENT.findall(answer.text)]
        numbers = percents or [float(one) for one in NUMBER.findall(answer.text)]
        likely = [one for one in numbers if 0 <= one <= 1]
        return likely[-1] if likely else 0.5

    return forecast


def asked_to_judge(model: Writer, *, samples: int = 8, longest: int = 8, seed: int = 0, chat: bool = False) -> Judge:
    """How many of its answers begin with yes, of those that begin with yes or no; 1/2 where none do."""

    def judge(story: str) -> float:
        [answers] = model.write(
            [f"{story}\nAnswer Yes or No.\nAnswer:"], samples=samples, longest=longest, seed=seed, chat=chat
        )
        first = [found[0].casefold() for one in answers if (found := re.findall(r"\w+", one.text))]
        yes, no = first.count("yes"), first.count("no")
        return yes / (yes + no) if yes + no else 0.5

    return judge


def asked_for_a_series(model: Writer, *, longest: int = 512, tries: int = 3, chat: bool = False) -> SampleForecaster:
    """Direct prompting: the whole forecast at once, as lines of step and value, drawn again and again for a distribution.

    Answers that leave a step out are asked for again, `tries` times in all; whole ones are drawn again where some stayed
    away. The forecaster raises `SettingError` where none was whole.

    **Source:** Williams, Ashok et al., arXiv:2410.18959, section 4.
    """

    def forecast(
        history: np.ndarray, context: str, steps: int, samples: int, generator: np.random.Generator
    ) -> Float[np.ndarray, "sample step"]:
        wanted = range(len(history) + 1, len(history) + steps + 1)
        known = "\n".join(f"({step}, {value:.4g})" for step, value in enumerate(history, 1))
        prompt = (
            f"Forecast a series.\n<context>\n{context}\n</context>\n<history>\n{known}\n</history>\nWrite (step, value) "
            f"for every step from {wanted[0]} to {wanted[-1]}, one a line, between <forecast> and </forecast>.\n<forecast>\n"
        )
        whole: list[list[float]] = []
        for _ in range(tries):
            if len(whole) == samples:
                break
            seed = int(generator.integers(2**31))
            [answers] = model.write([prompt], samples=samples - len(whole), longest=longest, seed=seed, chat=chat)
            told = [{int(step): float(value) for step, value in ENTRY.findall(one.text)} for one in answers]
            whole += [[one[step] for step in wanted] for one in told if all(step in one for step in wanted)]
        if not whole:
            raise SettingError(
                f"None of {tries} times {samples} answers held all of {steps} steps; give it more than {longest} tokens, "
                "or a model that keeps to the form."
            )
        return np.array(whole)[np.r_[: len(whole), generator.integers(len(whole), size=samples - len(whole))]]

    return forecast
