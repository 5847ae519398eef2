"""The error for mistakes that a user can mend."""

import pickle

import pytest

from gancomponents.errors import InputError, check_whole, printable


def test_it_says_what_expected_got_and_fix_also_from_another_process() -> None:
    error = InputError("--steps", expected="a whole number", got="many.", fix="pass one")
    assert str(error) == "--steps: expected a whole number, got many. Fix: pass one."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(InputError("nothing else is known")) == "nothing else is known."


def test_no_message_commands_a_terminal() -> None:
    name = "a\x1b]0;owned\x07\r\n\u202egnp.\ud800é 水"
    error = InputError(name, expected=name, got=name, fix=name)
    assert printable(name) == r"a\x1b]0;owned\x07\r\n\u202egnp.\ud800é 水"
    assert str(error).isprintable()
    assert str(error).count(printable(name)) == 4


@pytest.mark.parametrize("value", [0, -1, 11, 2.0, "3", None, True])
def test_whole_numbers_in_range(value: object) -> None:
    assert check_whole("count", 10, minimum=1, maximum=10) == 10
    with pytest.raises(InputError, match=f"count: expected a whole number >= 1 and <= 10, got {value!r}"):
        check_whole("count", value, minimum=1, maximum=10)
