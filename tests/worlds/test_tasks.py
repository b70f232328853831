import json

import jax
import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.worlds.arithmetic import Arithmetic, decode
from pilothouse.worlds.tasks import tasks_from_jsonl


def file_of(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_a_file_becomes_one_stack_of_tasks(tmp_path):
    rows = [{"prompt": "12+7=", "answer": "19"}, {"prompt": "3-10=", "answer": "-7", "more": 1}]
    tasks = tasks_from_jsonl(file_of(tmp_path / "t.jsonl", rows[0], "", rows[1], ""))
    assert tasks.prompt.shape == (2, 6) and tasks.answer.shape == (2, 3) and tasks.prompt_length.tolist() == [6, 6]
    assert [decode(prompt) for prompt in tasks.prompt] == ["12+7=", "3-10="]
    place = Arithmetic(1, prompt=6, longest=3)
    states, _ = jax.vmap(place.reset)(tasks, jax.random.split(jax.random.key(0), 2))
    np.testing.assert_array_equal(states.answer, tasks.answer)


def test_room_may_be_given(tmp_path):
    path = file_of(tmp_path / "t.jsonl", {"prompt": "1+1=", "answer": "2"})
    tasks = tasks_from_jsonl(path, prompt=9, longest=4)
    assert tasks.prompt.shape == (1, 9) and tasks.answer.shape == (1, 4)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: not JSON"),
        ([1], "line 2: list in place of an object"),
        ({"prompt": "1+1="}, "line 2: 'answer' is 'missing'"),
        ({"prompt": "1+1=", "answer": 2}, "line 2: 'answer' is 2"),
        ({"prompt": "one", "answer": "2"}, "line 2: 'one' holds"),
        ({"prompt": "", "answer": "2"}, "line 2: an empty prompt"),
    ],
)
def test_a_fault_names_its_line(tmp_path, line, told):
    path = file_of(tmp_path / "t.jsonl", {"prompt": "1+1=", "answer": "2"}, line)
    with pytest.raises(DataError, match=told):
        tasks_from_jsonl(path)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        tasks_from_jsonl(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="is empty"):
        tasks_from_jsonl(file_of(tmp_path / "t.jsonl", "", ""))
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        tasks_from_jsonl(tmp_path / "b.jsonl")
