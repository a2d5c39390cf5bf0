"""One exchange of AUTH: a mechanism's words, carried back and forth (RFC 5034 section 4)."""

import asyncio
import contextlib
from collections.abc import Sequence

from poparchive.pop3.commands import Command
from poparchive.pop3.dialogue import Dialogue
from poparchive.pop3.errors import AuthError, Pop3Error, ProtocolError
from poparchive.pop3.sasl.lines import cancel, opening, read_challenge, response
from poparchive.pop3.sasl.mechanism import Mechanism


async def authenticate(
    dialogue: Dialogue,
    name: str,
    mechanism: Mechanism,
    *,
    before: Sequence[Command] = (),
    at_once: bool | None = None,
    advice: str = "",
) -> None:
    """Log in by ``mechanism``. ``AuthError`` if the server refuses, with its reasons and ``advice``.

    ``before`` is asked before AUTH, in one write with it if ``at_once`` or if the server pipelines.

    A challenge that must not be answered is cancelled, and a log-in without the proof that the
    mechanism asks of the server is not believed: ``ProtocolError``, and the connection is of no
    more use.
    """
    initial = mechanism.initial()
    asked, carried = opening(name, initial)
    answers = await dialogue.ask(*before, asked, at_once=at_once)
    challenge = answers.challenge
    # Whatever its words are, it asks for the initial response; and a server that did not look for
    # one with the command asks for it all the same.
    if challenge is not None and initial is not None and not (carried and challenge.strip()):
        answers = await dialogue.ask(response(name, initial))
    try:
        while answers.challenge is not None:
            said = await asyncio.to_thread(mechanism.respond, read_challenge(answers.challenge))
            answers = await dialogue.ask(response(name, said))
    except ProtocolError as error:
        # The server owes nothing but -ERR now, and nothing that it says would change the outcome.
        with contextlib.suppress(Pop3Error):
            await dialogue.ask(cancel(name))
        error.command = error.command or str(asked)
        raise
    note = f" ({mechanism.remark})" if mechanism.remark else ""
    dialogue.require(answers, AuthError, note + advice)
    try:
        mechanism.finish()
    except ProtocolError as error:
        error.command = str(asked)
        raise
