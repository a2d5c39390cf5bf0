"""What can go wrong between us and a POP3 server.

Every error says which account and server, which command (never its argument when that is a secret)
and what the server answered. ``temporary`` is for whoever decides when to try again.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from poparchive.errors import PoparchiveError, TryLaterError

if TYPE_CHECKING:
    from poparchive.pop3.replies import Reply


@dataclass(frozen=True, slots=True)
class Where:
    """Whose connection to which server: the beginning of every message."""

    host: str
    port: int
    account: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        server = f"{host}:{self.port}"
        return f"account {self.account}, server {server}" if self.account else f"server {server}"


class Pop3Error(PoparchiveError):
    """Root of this part's errors. ``where`` is set by the transport before anyone else sees it."""

    retry_after_s: int | None = None
    """When the same may work, at the earliest; None if it needs a person who changes something."""
    advice: str = ""
    """What that person can do, or what happens without one."""

    def __init__(self, detail: str, *, command: str = "", reply: "Reply | None" = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.command = command
        self.reply = reply
        self.where: Where | None = None

    @property
    def temporary(self) -> bool:
        """Trying the same again later may work."""
        return self.retry_after_s is not None

    def at(self, where: Where) -> Self:
        """The same error, knowing whose connection it was; the first to say so is right."""
        self.where = self.where or where
        return self

    def hush(self, secret: str) -> None:
        """Take ``secret`` out of what the server said, should it have repeated it."""
        from poparchive.pop3.replies import visible  # which knows our errors

        if len(secret) < 4:
            return  # it would stand in many words by chance
        # The server's words stand there as ``visible`` made them.
        for said in (secret, visible(secret.encode("utf-8", "surrogateescape"))):
            self.detail = self.detail.replace(said, "***")
        self.args = (self.detail,)
        if self.reply:
            octets = secret.encode("utf-8", "surrogateescape")
            self.reply = replace(self.reply, text=self.reply.text.replace(octets, b"***"))

    def __str__(self) -> str:
        text = f"{self.where}: {self.detail}" if self.where else self.detail
        return f"{text}; {self.advice}" if self.advice else text


class ConnectError(Pop3Error):
    """There is no connection: no such host, refused, unreachable."""

    retry_after_s = 60
    advice = "check host and port, and that this machine is online"


class TlsError(Pop3Error):
    """TLS is not to be had, or the certificate is not one we trust. Nothing secret was sent."""


class UntrustedError(TlsError):
    """TLS is to be had, and only the certificate is not one we trust."""


class TimedOutError(Pop3Error):
    """The server took longer than ``Timeouts`` allow; the connection is closed."""

    retry_after_s = 300


class LostBehindCapaError(TimedOutError):
    """The server answered CAPA, and then nothing that had come in the same write."""


class ClosedError(Pop3Error):
    """The server hung up, or the network did."""

    retry_after_s = 60


class ProtocolError(Pop3Error):
    """What the server sent is not POP3, or not the answer to what was asked; we have hung up."""


class TooLargeError(Pop3Error):
    """A message grew beyond what we want of one, whatever LIST said; we have hung up."""


class CommandError(Pop3Error):
    """Our own fault, found before anything was sent: a bad argument, or not in this state."""


class ReplyError(Pop3Error):
    """The server answered -ERR. The connection is in step and can go on."""


class AuthError(ReplyError):
    """The server refused the log-in, or offers none that we may use."""


class BusyError(ReplyError, TryLaterError):
    """-ERR that will pass, by its response code. Below it is one class for each code."""

    retry_after_s = 300


class InUseError(BusyError):
    """[IN-USE] (RFC 2449 section 8.1.2): another session has the mailbox."""

    retry_after_s = 120
    advice = "another session has the mailbox; nothing is wrong, try again when it has ended"


class LoginDelayError(BusyError):
    """[LOGIN-DELAY] (RFC 2449 section 8.1.1): the last log-in was too short ago."""

    retry_after_s = 600
    advice = "the server wants more time between log-ins; a longer schedule is kinder to it"


class SystemBusyError(BusyError):
    """[SYS/TEMP] (RFC 3206 section 4): the server has trouble of its own that will pass."""

    retry_after_s = 600
    advice = "the server has trouble of its own, which it expects to pass"


class SystemFailedError(ReplyError):
    """[SYS/PERM] (RFC 3206 section 4): the server's trouble needs the people who run it."""

    advice = "the server's trouble needs somebody there: tell whoever runs it"
