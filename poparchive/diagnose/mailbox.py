"""A look into a mailbox: two short sessions that ask for everything and change nothing.

The first logs in, lists and leaves with QUIT: nothing was fetched, so there is nothing that a
server could hold to be done with. The second lists again, fetches a handful of small messages and
tries a few commands in one write, the one thing that may confuse a server; it hangs up without
QUIT, upon which no server may delete anything (RFC 1939 section 6). DELE is never sent.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from poparchive.diagnose import judge
from poparchive.diagnose.transcript import Transcript
from poparchive.diagnose.values import Mailbox, Pipelining, SizeCheck, TopCheck, TopResult
from poparchive.errors import PoparchiveError
from poparchive.model import Listed
from poparchive.pop3 import Endpoint, Login, Pop3Error, ProtocolError, Timeouts, Where
from poparchive.pop3 import commands as c
from poparchive.pop3.commands import Command, Verb, command
from poparchive.pop3.dialogue import Dialogue
from poparchive.pop3.login import begin, log_in
from poparchive.pop3.pipeline import Questions, Reader
from poparchive.pop3.replies import Sizes, Uidls, parse_stat
from poparchive.pop3.sasl.lines import octets
from poparchive.pop3.sasl.table import parse_auth
from poparchive.pop3.transport import open_connection

FETCHED_MESSAGES = 5
FETCHED_MAX_BYTES = 1024 * 1024
"""Of each, by LIST."""

TOO_MUCH_BYTES = 4 * FETCHED_MAX_BYTES
"""A message that LIST called small is not read beyond this."""

TOP_LINES = (0, 5)

ROUND_TRIPS = 3


@dataclass(frozen=True, slots=True)
class Access:
    """Who looks, at what, by which way."""

    endpoint: Endpoint
    login: Login
    timeouts: Timeouts
    context: ssl.SSLContext
    account: str = ""


async def examine(access: Access, transcript: Transcript) -> Mailbox:
    """Look into the mailbox. What goes wrong is in the result, and nothing is raised for it."""
    examination = _Examination(access, transcript)
    await examination.first()
    if examination.found.auth and not examination.found.problem:
        await examination.second()
    return examination.found


@dataclass(slots=True)
class _Listing:
    """LIST and UIDL, and what was refused of them."""

    sizes: dict[int, int]
    messages: list[Listed]
    uidl_refused: bool
    list_refused: bool


@dataclass(slots=True)
class _Message:
    """Takes one message, as far as it may be held."""

    number: int
    octets: bytearray = field(default_factory=bytearray)

    def feed(self, octets: bytes) -> None:
        self.octets += octets
        if len(self.octets) > TOO_MUCH_BYTES:
            raise ProtocolError(
                f"message {self.number}, which LIST calls small, has more than"
                f" {TOO_MUCH_BYTES} octets"
            )

    def close(self) -> None:
        return


class _Examination:
    """``found`` has what was found so far."""

    def __init__(self, access: Access, transcript: Transcript) -> None:
        endpoint = access.endpoint
        self.found = Mailbox(endpoint.tls, endpoint.port, access.login.user)
        self._access = access
        self._transcript = transcript
        self._secret: str | None = None
        self._listed = _Listing({}, [], uidl_refused=False, list_refused=False)

    def _saw(self, **found: Any) -> None:
        self.found = replace(self.found, **found)

    def _login(self) -> Login:
        """Who logs in, by secrets that the transcript does not show."""
        login = self._access.login
        token, secret = login.token, login.secret

        def get_secret() -> str:
            """Once for both sessions: the command behind it may ask a person."""
            assert secret
            if self._secret is None:
                self._secret = secret()
                self._transcript.secrets.hide(octets(self._secret))
            return self._secret

        def get_token(fresh: bool) -> str:
            assert token
            found = token(fresh)
            self._transcript.secrets.hide(octets(found))
            return found

        return replace(
            login, secret=get_secret if secret else None, token=get_token if token else None
        )

    @asynccontextmanager
    async def _session(self, title: str) -> AsyncIterator[Dialogue]:
        access = self._access
        endpoint = access.endpoint
        where = Where(endpoint.host, endpoint.port, access.account)
        record = self._transcript.record(f"{endpoint.host} port {endpoint.port}, {title}")
        connection = None
        try:
            wish = parse_auth(access.login.auth)
            connection = await open_connection(
                endpoint, where, access.timeouts, access.context, tap=record.tap
            )
            if connection.tls_version:
                record.note(f"TLS is there: {connection.tls_version}")
            dialogue = Dialogue(connection, where)
            await begin(dialogue, endpoint, access.context)
            auth = await log_in(dialogue, self._login(), wish, allow_clear=endpoint.allow_insecure)
            self._saw(auth=str(auth))
            yield dialogue
        finally:
            if connection:
                await connection.hang_up()
            record.close()

    def _told(self, error: PoparchiveError) -> str:
        """What went wrong; a server may repeat what it refused."""
        text = error.detail if isinstance(error, Pop3Error) else str(error)
        return self._transcript.secrets.scrub_text(text)

    async def first(self) -> None:
        """Log in, list, measure, leave."""
        try:
            async with self._session("first log-in") as dialogue:
                answers = await dialogue.ask(command(c.CAPA))
                if not answers.refusals:
                    self._saw(capabilities=dict(dialogue.capabilities))
                stat = (await dialogue.ask(command(c.STAT))).replies[c.STAT]
                if stat.ok:
                    self._saw(stat=parse_stat(stat))
                self._listed = await self._list(dialogue)
                self._describe_listing()
                await self._measure(dialogue)
                with contextlib.suppress(Pop3Error):  # nothing hangs on it
                    await dialogue.ask(command(c.QUIT))
        except PoparchiveError as error:
            self._saw(problem=self._told(error))

    async def second(self) -> None:
        """List again, fetch a little, pipeline, hang up."""
        try:
            async with self._session("second log-in") as dialogue:
                listed = await self._list(dialogue)
                if not (self._listed.uidl_refused or listed.uidl_refused):
                    again = judge.compare_listings(self._listed.messages, listed.messages)
                    self._saw(again=again)
                await self._fetch(dialogue, listed)
                await self._pipeline(dialogue, listed)
        except PoparchiveError as error:
            self._saw(second_problem=self._told(error))

    async def _list(self, dialogue: Dialogue) -> _Listing:
        sizes = Sizes()
        uidls = Uidls(Sizes())
        readers: Mapping[Verb, Reader] = {c.LIST: sizes, c.UIDL: uidls}
        answers = await dialogue.ask(
            command(c.LIST), command(c.UIDL), readers=readers, at_once=False
        )
        refused = {answer.command.verb for answer in answers.refusals}
        return _Listing(
            sizes.by_number, _joined(sizes, uidls), c.UIDL in refused, c.LIST in refused
        )

    def _describe_listing(self) -> None:
        listed = self._listed
        self._saw(uidl_refused=listed.uidl_refused)
        if not listed.uidl_refused:
            self._saw(uidl=judge.uidl_quality(listed.messages))
        if not listed.list_refused:
            self._saw(messages=len(listed.sizes), octets=sum(listed.sizes.values()))

    async def _measure(self, dialogue: Dialogue) -> None:
        loop, times = asyncio.get_running_loop(), []
        for _ in range(ROUND_TRIPS):
            began = loop.time()
            await dialogue.ask(command(c.NOOP))
            times.append(loop.time() - began)
        self._saw(rtt_s=min(times))

    async def _fetch(self, dialogue: Dialogue, listed: _Listing) -> None:
        """A few messages, and the beginnings of the same."""
        if _expires_at_once(self.found):
            self._saw(spared=True)
            return
        sizes = listed.sizes
        chosen = judge.smallest(sizes, count=FETCHED_MESSAGES, most_bytes=FETCHED_MAX_BYTES)
        for number in chosen:
            message = _Message(number)
            asked = c.retr(number, sizes[number])
            answers = await dialogue.ask(asked, readers={c.RETR: message})
            if answers.refusals:
                self._saw(refused=(*self.found.refused, number))
                continue
            raw = bytes(message.octets)
            check: SizeCheck = judge.size_check(number, sizes[number], raw)
            self._saw(sizes=(*self.found.sizes, check))
            for lines in TOP_LINES:
                beginning = await self._top(dialogue, number, lines, raw)
                self._saw(tops=(*self.found.tops, beginning))

    async def _top(self, dialogue: Dialogue, number: int, lines: int, raw: bytes) -> TopCheck:
        taken = _Message(number)
        answers = await dialogue.ask(c.top(number, lines), readers={c.TOP: taken})
        if answers.refusals:
            return TopCheck(number, lines, TopResult.REFUSED)
        return TopCheck(number, lines, judge.judge_top(bytes(taken.octets), raw, lines))

    async def _pipeline(self, dialogue: Dialogue, listed: _Listing) -> None:
        """A few commands in one write, of which each has another answer."""
        capabilities = self.found.capabilities or {}
        announced = "PIPELINING" in capabilities
        sizes = Sizes()
        uidls = Uidls(Sizes())
        asked: list[Command] = [command(c.NOOP), command(c.STAT)]
        readers: dict[Verb, Reader] = {}
        if not listed.list_refused:
            asked.append(command(c.LIST))
            readers[c.LIST] = sizes
        if not listed.uidl_refused:
            asked.append(command(c.UIDL))
            readers[c.UIDL] = uidls
        asked.append(command(c.NOOP))
        try:
            answers = await dialogue.ask(*asked, readers=readers, at_once=True)
            problem = _disorder(answers, listed, sizes, uidls)
        except Pop3Error as error:
            problem = self._told(error)
        self._saw(pipelining=Pipelining(announced, not problem, problem))


def _joined(sizes: Sizes, uidls: Uidls) -> list[Listed]:
    """Both listings in one, as ``Session.listing`` gives it; ``sizes`` stays whole."""
    known = sizes.by_number
    named = [one._replace(size_bytes=known.get(one.number, 0)) for one in uidls.listed]
    unnamed = sorted(known.keys() - {one.number for one in named})
    return named + [Listed(number, b"", known[number]) for number in unnamed]


def _disorder(answers: Questions, listed: _Listing, sizes: Sizes, uidls: Uidls) -> str:
    """What is wrong with answers to commands that were sent together; empty if nothing is."""
    if answers.refusals:
        refused = answers.refusals[0]
        return f"{refused.command} was refused: {refused.reply}"
    count, _ = parse_stat(answers.replies[c.STAT])
    if not listed.list_refused and (count, sizes.by_number) != (len(listed.sizes), listed.sizes):
        return "LIST or STAT said something else than before"
    if not listed.uidl_refused and _joined(sizes, uidls) != listed.messages:
        return "UIDL said something else than before"
    return ""


def _expires_at_once(found: Mailbox) -> bool:
    """``EXPIRE 0``: what was fetched may be deleted by the server (RFC 2449 section 6.7)."""
    return (found.capabilities or {}).get("EXPIRE", ())[:1] == ("0",)
