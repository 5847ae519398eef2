"""The error for mistakes that a user can mend."""

import errno
import pickle

import pytest

from gancomponents.errors import InputError, check_whole, printable, unwritable


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


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, ""), "got No space left on device. Fix: free space there."),
        (OSError(errno.EROFS, ""), "got Read-only file system. Fix: make it writable, or choose"),
        (RuntimeError("serializing: I/O error (os error 28)"), "got No space left on device. Fix: free"),
        (RuntimeError("odd\nwords"), "got odd words. Fix: make sure that it can be written."),
        (OSError(), "got OSError. Fix"),
    ],
)
def test_what_cannot_be_written_is_told_in_the_systems_words(error: Exception, told: str) -> None:
    assert f"run/x: expected a file that can be written, {told}" in str(unwritable("run/x", error))
