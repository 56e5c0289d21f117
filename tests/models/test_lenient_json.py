"""What is read out of a model's text, and what never is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.models.lenient_json import find_json

ONE = {"a": 1, "b": ["x, }", {"c": "```"}]}
TEXT = json.dumps(ONE)

READ = {
    "bare": TEXT,
    "prose": f"Sure, here you are: {TEXT} Hope it helps (with love).",
    "fence": f"Text with {{braces}}.\n```json\n{TEXT}\n```\nAnything else?",
    "fence without a name": f"```\n{TEXT}\n```",
    "fence that is not closed": f"```json\n{TEXT}",
    "trailing commas": '{"a": 1, "b": ["x, }", {"c": "```",},],}',
    "thoughts": f'<think>maybe {{"a": 2}}?</think>{TEXT}',
    "thoughts twice": f"<think>hm</think> <think>{{}}</think>\n{TEXT}",
    "thoughts whose beginning is not shown": f"maybe {{}}?</think>{TEXT}",
    "twice the same": f"{TEXT} I repeat: {TEXT}",
}
REFUSED = {
    "thoughts without an end": (f"<think>perhaps {TEXT}", ""),
    "cut off": (TEXT[:-1], "not valid JSON"),
    "cut off behind an object": ('{"steps": [{"a": 1}, {"a": 2}', "not valid JSON"),
    "single quotes": ("{'a': 1}", "not valid JSON"),
    "comment": ('{"a": 1 /* one */}', "not valid JSON"),
    "twice the same name": ('{"a": 1, "a": 2}', "'a' stands twice"),
    "not a number": ('{"a": NaN}', "NaN is not a JSON number"),
    "deep": ('{"a":' * 100_000, ""),
}


@pytest.mark.parametrize("name", READ)
def test_what_stands_around_an_object_does_not_matter(name: str) -> None:
    """The object is found, once, as it was written."""
    assert find_json(READ[name]).objects == [ONE]


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_misread_is_refused(name: str) -> None:
    """Nothing is completed or guessed, no inner part is taken for the whole; the reason is told."""
    text, words = REFUSED[name]
    found = find_json(text)
    assert found.objects == []
    assert words in " ".join(found.problems)


@settings(max_examples=60)
@given(
    value=st.dictionaries(
        st.text(), st.recursive(st.text() | st.integers() | st.booleans(), st.lists)
    ),
    end=st.integers(min_value=1),
)
def test_a_prefix_is_never_taken_for_the_whole(value: dict[str, object], end: int) -> None:
    """Every JSON object is read back; every proper beginning of it gives nothing."""
    text = json.dumps(value)
    assert find_json(text).objects == [value]
    assert find_json(text[: 1 + end % (len(text) - 1)][: len(text) - 1]).objects == []


def test_words_about_thoughts_inside_a_text_are_no_thoughts() -> None:
    """An answer that quotes the mark at which thoughts end is read whole."""
    value = {"instruction": "Cut at </think>, then go on"}
    for text in (json.dumps(value), f"```json\n{json.dumps(value)}\n```"):
        assert find_json(f"<think>hm</think>{text}").objects == [value]
        assert find_json(text).objects == [value]
