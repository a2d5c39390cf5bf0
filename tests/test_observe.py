"""The log: one line for each pull, bound context, harmless on a terminal, readable by machines."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive import observe


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Leaves the process's logging as it was for other tests."""
    root, ours = logging.getLogger(), logging.getLogger(observe.LOGGER)
    before = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def pull(**changes: object) -> None:
    fields: dict[str, object] = {
        "account": "office",
        "host": "pop.example.com",
        "outcome": "ok",
        "listed": 120,
        "archived": 3,
        "duplicates": 1,
        "octets": 4821,
        "seconds": 1.23456,
    }
    observe.log_pull(**{**fields, **changes})  # type: ignore[arg-type] # of mixed types on purpose


def test_pull_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A pull is one line of key=value pairs, with the time before it."""
    observe.set_up()
    pull()
    line = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info    pull account=office host=pop\.example\.com"
        r" outcome=ok listed=120 archived=3 duplicates=1 failed=0 deleted=0 octets=4821"
        r" seconds=1\.235\n",
        line,
    )


def test_pull_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For machines it is one object, its fields at the top, its time in UTC."""
    observe.set_up(log_format="json")
    pull(outcome="failed", error="-ERR no\r\n")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "pull"
    assert line["level"] == "error"
    assert (line["account"], line["archived"], line["error"]) == ("office", 3, "-ERR no\r\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    """A good pull is information, one with failed messages a warning, a failed one an error."""
    observe.set_up(level=logging.WARNING)
    pull()
    assert capsys.readouterr().err == ""
    pull(failed=1)
    assert " warning " in capsys.readouterr().err
    observe.set_up(level=logging.ERROR)
    pull(failed=1)
    assert capsys.readouterr().err == ""
    pull(error="no answer")
    assert 'error="no answer"' in capsys.readouterr().err


def test_setting_up_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is logged twice after a second set-up."""
    observe.set_up()
    observe.set_up()
    pull()
    assert capsys.readouterr().err.count("\n") == 1


def test_other_libraries_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries are heard from warnings on, in the same form."""
    observe.set_up(level=logging.DEBUG, log_format="json")
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("watch %s", "out")
    line = json.loads(capsys.readouterr().err)
    assert (line["logger"], line["event"]) == ("some.library", "watch out")


def test_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """What is bound is in every record within, of this task only, and gone afterwards."""
    observe.set_up(log_format="json")

    async def work(account: str) -> None:
        with observe.bound(account=account):
            await asyncio.sleep(0)
            with observe.bound(message=7):
                observe.event("inner", octets=1)
            observe.event("outer")

    async def both() -> None:
        await asyncio.gather(work("a"), work("b"))
        observe.event("after")

    asyncio.run(both())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert sorted(
        (line["event"], line.get("account"), line.get("message"))
        for line in lines
        if line["event"] != "after"
    ) == [("inner", "a", 7), ("inner", "b", 7), ("outer", "a", None), ("outer", "b", None)]
    assert "account" not in lines[-1]


def test_fields_do_not_replace_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    """A field called level or time does not pass for the record's own."""
    observe.set_up(log_format="json")
    observe.event("x", level=logging.WARNING, time="never", logger="else")
    line = json.loads(capsys.readouterr().err)
    assert line["logger"] == "poparchive"
    assert line["time"] != "never"


def test_tracebacks_stay_in_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is a field for machines and lines below the record for people."""
    logger = logging.getLogger("poparchive.test")
    for log_format in ("json", "text"):
        observe.set_up(log_format=log_format)
        try:
            raise ValueError("bad \x1b[2J")
        except ValueError:
            logger.exception("failed")
        text = capsys.readouterr().err
        assert "Traceback" in text
        assert "\x1b" not in text
        assert log_format == "text" or json.loads(text)["event"] == "failed"


@settings(max_examples=60)
@given(st.text(max_size=20))
def test_text_is_harmless_and_on_one_line(text: str) -> None:
    """Whatever a server says, a record is one printable line in either form."""
    record = logging.LogRecord("poparchive", logging.INFO, "", 0, "%s", (text,), None)
    record.fields = {"answer": text, "empty": ""}
    line = observe.TextFormatter().format(record)
    assert line.isprintable()
    assert line.endswith('empty=""')
    machine = observe.JsonFormatter().format(record)
    assert machine.isascii()
    assert machine.isprintable()
    assert json.loads(machine)["answer"] == text
