import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.worlds.action_log import ActionLog, length_of


@given(events=st.lists(st.one_of(st.none(), st.integers(0, 2)), max_size=60), named=st.booleans())
def test_the_log_holds_exactly_what_each_copy_did_since_its_reset(events, named):
    """None is a step of all three copies, a number a reset of that copy; the room begins at two rows."""

    def actions(turn):
        row = np.array([turn * 10, turn * 10 + 1, turn * 10 + 2], np.int32)
        return {"a": row, "b": row[:, None] * 0.5} if named else row

    log, told = ActionLog(actions(0), capacity=2), [[], [], []]
    for turn, event in enumerate(events):
        if event is None:
            log.append(actions(turn))
            for copy in range(3):
                told[copy].append(turn * 10 + copy)
        else:
            log.begin(event)
            told[event] = []
    seen = log.since_reset()
    assert [(history["a"] if named else history).tolist() for history in seen] == told
    assert [length_of(history) for history in seen] == [len(one) for one in told]

    again = ActionLog(actions(0), capacity=2)
    again.restore(seen)
    again.append(actions(99))
    for old, new, copy in zip(seen, again.since_reset(), range(3), strict=True):
        old, new = (old["a"], new["a"]) if named else (old, new)
        assert new.tolist() == [*old.tolist(), 990 + copy]


def test_room_follows_the_longest_episode_and_not_the_run():
    log = ActionLog(np.zeros((2, 3), np.float32), capacity=4)
    for turn in range(1000):
        if turn % 3 == 0:
            log.begin(0)
            log.begin(1)
        log.append(np.full((2, 3), turn, np.float32))
    assert log._room <= 8


def test_a_history_is_safe_to_keep():
    log = ActionLog(np.zeros((1, 1), np.float32))
    log.append(np.ones((1, 1), np.float32))
    kept = log.since_reset()[0]
    log.restore([np.zeros((5, 1), np.float32)])
    assert kept.tolist() == [[1.0]]
