"""The rows of JSON and YAML lists, one at a time: a list of millions is never in memory as objects."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from gancomponents.errors import InputError

__all__ = ["rows_of"]

_SUFFIXES = (".json", ".yaml", ".yml")
_CHUNK = 1 << 20
_LONGEST = 1 << 24  # characters of a row in JSON
_MOST_KEYS = 1000  # of a row in YAML, which may be made of others


def rows_of(source: Path) -> Iterator[Any]:
    """The items of the list in a file, as they are, each read when it is asked for.

    Raises:
        InputError: no such file, another kind of file, malformed, or no list.
    """
    if source.suffix.lower() not in _SUFFIXES:
        got = source.suffix or "no suffix"
        raise InputError(
            str(source), expected="a .json, .yaml or .yml list", got=got, fix="name a list of files"
        )
    try:
        with source.open(encoding="utf-8-sig") as file:
            yield from (_json if source.suffix.lower() == ".json" else _yaml)(source, file)
    except FileNotFoundError as error:
        raise InputError(
            str(source),
            expected="a list of files",
            got="nothing of that name",
            fix="write it or name another",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise InputError(
            str(source), expected="a readable text file", got=got, fix="correct path or file"
        ) from error


def _no_list(source: Path, found: Any) -> InputError:
    got = f"a {type(found).__name__}" if found is not None else "an empty file"
    return InputError(
        str(source), expected="a list of {task: path}", got=got, fix='write [{"x": "a.png", ...}, ...]'
    )


_SPACE = re.compile(r"[ \t\n\r]*")


class _Window:
    """The text of a JSON file, of which only the part being looked at is in memory."""

    def __init__(self, file: TextIO):
        self.file, self.text, self.place = file, "", 0
        self.lines, self.column = 0, 0  # of the text's first character in the file
        self.decoder = json.JSONDecoder()

    def grow(self) -> bool:
        """Forget what was used, and read at least as much as is left; False at the end of the file."""
        read = self.file.read(max(_CHUNK, len(self.text) - self.place))
        if read:
            last = self.text.rfind("\n", 0, self.place)
            self.column = self.column + self.place if last < 0 else self.place - last - 1
            self.lines += self.text.count("\n", 0, self.place)
            self.text, self.place = self.text[self.place :] + read, 0
        return bool(read)

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            self.place = _SPACE.match(self.text, self.place).end()  # type: ignore[union-attr]
            if self.place < len(self.text) or not self.grow():
                return self.text[self.place : self.place + 1]

    def take(self, character: str) -> bool:
        """Whether this is the next character, which is then used."""
        found = self.peek() == character
        self.place += found
        return found

    def value(self) -> Any:
        """The JSON value that comes next."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.place)
            except (json.JSONDecodeError, RecursionError):
                if len(self.text) - self.place > _LONGEST:
                    raise self.expected(f"No value may take more than {_LONGEST} characters") from None
                if not self.grow():
                    raise
            else:
                if end < len(self.text) or not self.grow():  # a number may go on in what was not read
                    self.place = end
                    return value

    def expected(self, what: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(what, self.text, self.place)

    def items(self) -> Iterator[Any]:
        """Of an array, whose bracket was taken, to the end of the file."""
        if not self.take("]"):
            yield self.value()
            while self.take(","):
                yield self.value()
            if not self.take("]"):
                raise self.expected("Expecting ',' delimiter")
        if self.peek():
            raise self.expected("Extra data")


def _json(source: Path, file: TextIO) -> Iterator[Any]:
    window, found = _Window(file), None
    try:
        if is_list := window.take("["):
            yield from window.items()
        else:
            found = window.value()
    except json.JSONDecodeError as error:
        line = window.lines + error.lineno
        column = error.colno + (window.column if error.lineno == 1 else 0)
        got = f"line {line}, column {column}: {error.msg}"
        raise InputError(str(source), expected="well-formed JSON", got=got, fix="mend that line") from error
    except RecursionError as error:
        raise InputError(str(source), expected="a flat list", got="deep nesting", fix="write rows") from error
    except UnicodeDecodeError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise InputError(str(source), expected="paths", got="a huge number", fix="write paths") from error
    if not is_list:
        raise _no_list(source, found)


def _yaml(source: Path, file: TextIO) -> Iterator[Any]:
    import yaml
    from yaml import events

    found, is_list = None, False
    try:
        rows = _composer(yaml.parse(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        rows.get_event()  # of the stream
        if not rows.check_event(events.StreamEndEvent):
            rows.get_event()  # of the document
            if is_list := rows.check_event(events.SequenceStartEvent):
                rows.get_event()
                while not rows.check_event(events.SequenceEndEvent):
                    yield rows.construct_document(rows.compose_node(None, None))
                rows.get_event()
            else:
                found = rows.construct_document(rows.compose_node(None, None))
            rows.get_event()  # the document's end
            if not rows.check_event(events.StreamEndEvent):
                mark = rows.get_event().start_mark
                raise yaml.composer.ComposerError(problem="a second document", problem_mark=mark)
    except UnicodeDecodeError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        got = where + (getattr(error, "problem", None) or str(error).splitlines()[0])
        raise InputError(str(source), expected="well-formed YAML", got=got, fix="mend that line") from error
    if not is_list:
        raise _no_list(source, found)


def _composer(parsed: Iterator[Any]) -> Any:
    """PyYAML's own composer and safe constructor over events; its loaders compose whole documents only."""
    from yaml.composer import Composer
    from yaml.constructor import ConstructorError, SafeConstructor
    from yaml.nodes import SequenceNode
    from yaml.resolver import Resolver

    class Rows(Composer, SafeConstructor, Resolver):
        def __init__(self) -> None:
            for base in (Composer, SafeConstructor, Resolver):
                base.__init__(self)
            self.event = next(parsed)

        def peek_event(self) -> Any:
            return self.event

        def check_event(self, *kinds: type) -> bool:
            return isinstance(self.event, kinds)

        def get_event(self) -> Any:
            event, self.event = self.event, next(parsed, None)
            return event

        def flatten_mapping(self, node: Any) -> None:  # merges of merges would grow as powers do
            merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
            several = sum(len(value.value) for value in merged if isinstance(value, SequenceNode))
            if several <= _MOST_KEYS:
                super().flatten_mapping(node)
            if max(several, len(node.value)) > _MOST_KEYS:
                problem = f"more than {_MOST_KEYS} keys in one row"
                raise ConstructorError(problem=problem, problem_mark=node.start_mark)

    return Rows()
