"""The scratchpad itself: what it takes, what copies of it are, and what its errors say."""

import copy
import pickle

import pytest

from interlock.contracts.errors import PermanentError
from interlock.contracts.scratchpad import Scratchpad, derive_note_id
from interlock.contracts.scratchpad_errors import ScratchpadFullError, ScratchpadOverError

WHERE = {"superstep": "c1", "step_id": "s", "worker": "w", "attempt": 1}


def test_a_note_is_kept_before_it_is_taken() -> None:
    """The keeper hears of every note first; what it refuses is not on the pad."""
    heard: list[str] = []

    def keep(text: str) -> None:
        heard.append(text)
        if text == "too much":
            raise PermanentError("full")

    pad = Scratchpad(("before",), keep=keep)
    pad.append("one")
    with pytest.raises(PermanentError):
        pad.append("too much")
    assert heard == ["one", "too much"]
    assert (list(pad), pad.added, len(pad)) == (["before", "one"], ("one",), 2)


def test_a_copy_is_the_same_pad() -> None:
    """A note on a copy of a brief is not lost; pickled, only the notes travel."""
    heard: list[str] = []
    pad = Scratchpad(keep=heard.append)
    copy.copy(pad).append("shallow")
    copy.deepcopy(pad).append("deep")
    assert heard == list(pad) == ["shallow", "deep"]
    travelled = pickle.loads(pickle.dumps(pad))
    travelled.append("elsewhere")
    assert list(travelled) == ["shallow", "deep", "elsewhere"]
    assert heard == ["shallow", "deep"]


def test_notes_have_one_name_each() -> None:
    """Equal notes of one attempt have different ids, told apart by their number and nothing else."""
    ids = {
        derive_note_id("t", text=text, nth=nth, **{**WHERE, **changed})  # type: ignore[arg-type]
        for text in ("a", "b", "a\x1f")
        for nth in (0, 1)
        for changed in (
            {},
            {"attempt": 2},
            {"worker": "v"},
            {"superstep": "c2"},
            {"step_id": "o/s"},
        )
    }
    assert len(ids) == 3 * 2 * 5
    again = derive_note_id("t", text="a", nth=0, **WHERE)  # type: ignore[arg-type]
    assert again in ids


@pytest.mark.parametrize(
    "error",
    [
        ScratchpadFullError(step_id="s", worker="w", setting="max_notes", limit=2000, asked=2001),
        ScratchpadFullError(step_id="s", worker="w", setting="max_note_bytes", limit=1, asked=2),
        ScratchpadOverError(note="x" * 500),
    ],
)
def test_errors_pickle_and_are_permanent(error: PermanentError) -> None:
    """What a worker raised says the same in another process, in one paragraph."""
    revived = pickle.loads(pickle.dumps(error))
    assert (type(revived), str(revived)) == (type(error), str(error))
    assert isinstance(error, PermanentError)
    assert len(str(error)) < 500
    assert "\n" not in str(error)


def test_what_is_too_much_is_told_in_numbers() -> None:
    """How much was asked for, how much there may be, and the setting to raise."""
    error = ScratchpadFullError(
        step_id="s", worker="w", setting="max_bytes", limit=1000, asked=12_345
    )
    assert str(error) == (
        "With one more note the scratchpad of worker 'w' on step 's' would hold 12,345 bytes of "
        "notes: 1,000 at most. It was not taken; the notes before it are kept. Note less, or raise "
        "RunPolicy(scratchpad=ScratchpadPolicy(max_bytes=...))."
    )
