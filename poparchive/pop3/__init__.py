"""POP3, spoken for archiving: exact octets, deep pipelines, bounded memory. See docs/pop3.md."""

from poparchive.pop3.client import Session, connect
from poparchive.pop3.dialogue import Capabilities
from poparchive.pop3.errors import (
    AuthError,
    BusyError,
    ClosedError,
    CommandError,
    ConnectError,
    Pop3Error,
    ProtocolError,
    ReplyError,
    TimedOutError,
    TlsError,
    Where,
)
from poparchive.pop3.login import Login
from poparchive.pop3.pipeline import LargeSink, Sink, Window
from poparchive.pop3.replies import Reply
from poparchive.pop3.transport import Endpoint, Timeouts, TlsMode, make_context

__all__ = [
    "AuthError",
    "BusyError",
    "Capabilities",
    "ClosedError",
    "CommandError",
    "ConnectError",
    "Endpoint",
    "LargeSink",
    "Login",
    "Pop3Error",
    "ProtocolError",
    "Reply",
    "ReplyError",
    "Session",
    "Sink",
    "TimedOutError",
    "Timeouts",
    "TlsError",
    "TlsMode",
    "Where",
    "Window",
    "connect",
    "make_context",
]
