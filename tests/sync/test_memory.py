"""What is remembered of servers, and what follows from it: waits, warnings, and nothing else."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.archive import hints
from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.store import layout
from poparchive.sync.memory import DAY_S, Known, Memory, expire_days, expiring, login_delay_s, lost
from poparchive.sync.retry import LONGEST_S, PERSON_LONGEST_S, next_try_s
from tests.support.archives import rows
from tests.support.product import Product, product

CAPA = b"+OK\r\nUIDL\r\nTOP\r\nUSER\r\nPIPELINING\r\n%s.\r\n"


def capable(more: bytes = b"") -> Behaviour:
    return Behaviour(replies={"CAPA": CAPA % more})


def made_with(directory: Path, server: Pop3Server) -> Product:
    account = {"host": "127.0.0.1", "port": server.port}
    return product(directory, {"anna": account}, tls="none", allow_insecure=True)


def box() -> Mailbox:
    return Mailbox([b"Subject: one\r\n\r\nHello\r\n"], password="secret")


def test_login_delay_is_not_undercut(tmp_path: Path) -> None:
    """The second pull does not even connect; it says when it can, exits with 75 and leaves no failed run."""
    with running(Pop3Server({"anna": box()}, behaviour=capable(b"LOGIN-DELAY 900\r\n"))) as server:
        made = made_with(tmp_path, server)
        made.run("pull")
        (row,) = made.json("pull", code=75)
        assert "wants more time between log-ins" in str(row["error"])
        assert isinstance(row["retry_after_s"], int)
        assert 0 < row["retry_after_s"] <= 900
        assert server.sessions == 1
    assert len(rows(made.archive / "catalog.sqlite")["runs"]) == 1


def test_a_refusal_for_log_in_delay_is_remembered(tmp_path: Path) -> None:
    """A server that announces nothing and refuses with [LOGIN-DELAY] is left alone for a while."""
    refusing = Behaviour(refuse_login=b"-ERR [LOGIN-DELAY] come back later")
    with running(Pop3Server({"anna": box()}, behaviour=[refusing, Behaviour()])) as server:
        made = made_with(tmp_path, server)
        (first,) = made.json("pull", code=75)
        assert first["retry_after_s"] == 600
        made.run("pull", code=75)
        assert server.sessions == 1


def test_what_a_server_no_longer_offers_is_told_once(tmp_path: Path) -> None:
    """A downgrade is reported at the pull that meets it, and the pull goes on."""
    less = Behaviour(replies={"CAPA": b"+OK\r\nUIDL\r\nUSER\r\n.\r\n"})
    with running(Pop3Server({"anna": box()}, behaviour=[capable(), less])) as server:
        made = made_with(tmp_path, server)
        made.run("pull")
        said = made.run("pull").stderr.decode()
        assert "no longer offers PIPELINING, TOP, which it did at the last pull" in said
        assert "no longer offers" not in made.run("pull").stderr.decode()


def test_hints_that_are_damaged_cost_nothing(tmp_path: Path) -> None:
    """Whatever the file of hints holds, a pull works, and writes it anew."""
    with running(Pop3Server({"anna": box()})) as server:
        made = made_with(tmp_path, server)
        for octets in (b"", b"[]", b"\xff\xfe", b'{"anna": {"logged_in": "never"}}', b"[" * 9999):
            (made.archive / "servers.json").write_bytes(octets)
            made.run("pull")
        assert (
            "PIPELINING"
            in json.loads((made.archive / "servers.json").read_bytes())["anna"]["offered"]
        )


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Who has written hints, a thread for each time."""
    found: list[threading.Thread] = []
    write = hints.write

    def noted(root: Path, rows: dict[str, object]) -> None:
        found.append(threading.current_thread())
        write(root, rows)

    monkeypatch.setattr(hints, "write", noted)
    return found


def test_a_long_wait_outlives_a_crash(tmp_path: Path, writers: list[threading.Thread]) -> None:
    """It is on disk before the pull goes on, never by the event loop's thread, and those of many accounts
    share their writes."""
    memory = Memory(tmp_path)
    names = [f"account {n}" for n in range(50)]

    async def main() -> None:
        await asyncio.gather(*(memory.hold(name, 900) for name in names))

    asyncio.run(main())
    after = Memory(tmp_path)
    assert all(after.wait_s(name) > 800 for name in names)
    assert 1 <= len(writers) <= 2
    assert threading.current_thread() not in writers


def test_what_may_be_forgotten_is_written_once(
    tmp_path: Path, writers: list[threading.Thread]
) -> None:
    """Short waits, and all else, are written when the pull ends, and not again if nothing is new."""
    memory = Memory(tmp_path)
    asyncio.run(memory.hold("anna", 10))
    memory.forget("anna")
    assert writers == []
    memory.save()
    memory.save()
    assert len(writers) == 1
    assert Memory(tmp_path).wait_s("anna") > 0
    assert [path.name for path in tmp_path.iterdir()] == [hints.NAME]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(row=json_values)
def test_any_hint_is_read_or_left_out(
    row: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows that are no hints are no error either."""
    root = tmp_path_factory.mktemp("hints") / "archive"
    layout.create(root)
    hints.write(root, {"anna": row})
    known = Memory(root).of("anna")
    assert known is None or isinstance(known, Known)


def test_what_is_lost_is_named() -> None:
    """Mechanisms and capabilities that matter, a lower TLS version; STLS is not offered under TLS."""
    before = Known(0, 0, "plain", "TLSv1.3", {"SASL": ("PLAIN", "SCRAM-SHA-256")}, {"TOP": ()})
    now = Known(0, 0, "plain", "TLSv1.2", {"SASL": ("plain",)}, {})
    assert lost(before, now) == [
        "the server no longer offers SASL SCRAM-SHA-256, TOP, which it did at the last pull",
        "the connection has TLSv1.2, at the last pull it had TLSv1.3",
    ]
    assert lost(before, before) == []
    assert lost(Known(0), now) == []
    assert (
        "no TLS"
        in lost(before, Known(0, offered=before.offered, capabilities=before.capabilities))[0]
    )


@pytest.mark.parametrize(
    ("words", "delay_s", "days"),
    [
        ((), 0, None),
        (("10",), 10, 10),
        (("0", "USER"), 0, 0),
        (("NEVER",), 0, None),
        (("x" * 99,), 0, None),
    ],
)
def test_parameters(words: tuple[str, ...], delay_s: int, days: int | None) -> None:
    """LOGIN-DELAY and EXPIRE have a number, perhaps USER behind it, or NEVER (RFC 2449)."""
    assert login_delay_s({"LOGIN-DELAY": words}) == delay_s
    assert expire_days({"EXPIRE": words}) == days


def test_mail_that_may_expire_between_pulls_is_told() -> None:
    """When more than half of the time has passed for which the server keeps mail."""
    now = Known(40 * DAY_S, capabilities={"EXPIRE": ("30",)})
    assert (
        "the last pull was 20 days ago" in expiring(Known(20 * DAY_S, offered={"UIDL": ()}), now)[0]
    )
    assert expiring(Known(30 * DAY_S, offered={"UIDL": ()}), now) == []
    assert expiring(Known(0), now) == []


@given(failures=st.integers(0, 100), asked=st.none() | st.integers(1, 100_000))
def test_trying_again(failures: int, asked: int | None) -> None:
    """Never sooner than the server said, never sooner than after fewer failures, at least once a day."""
    seconds = next_try_s(failures, asked)
    assert seconds >= (asked or 0)
    assert seconds <= max(asked or 0, LONGEST_S if asked else PERSON_LONGEST_S)
    assert next_try_s(failures + 1, asked) >= seconds
