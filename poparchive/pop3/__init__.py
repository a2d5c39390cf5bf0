"""POP3, spoken for archiving: exact octets, deep pipelines, bounded memory. See docs/pop3.md."""

from poparchive.pop3.client import Session, connect
from poparchive.pop3.dialogue import Capabilities
from poparchive.pop3.endpoint import Endpoint, Proxy, Timeouts, TlsMode
from poparchive.pop3.errors import (
    AuthError,
    BusyError,
    ClosedError,
    CommandError,
    ConnectError,
    InUseError,
    LoginDelayError,
    Pop3Error,
    ProtocolError,
    ReplyError,
    SystemBusyError,
    SystemFailedError,
    TimedOutError,
    TlsError,
    TooLargeError,
    UntrustedError,
    Where,
)
from poparchive.pop3.login import Login
from poparchive.pop3.pipeline import LargeSink, Sink, Window
from poparchive.pop3.replies import Reply
from poparchive.pop3.tls import Contexts, make_context

__all__ = [
    "AuthError",
    "BusyError",
    "Capabilities",
    "ClosedError",
    "CommandError",
    "ConnectError",
    "Contexts",
    "Endpoint",
    "InUseError",
    "LargeSink",
    "Login",
    "LoginDelayError",
    "Pop3Error",
    "ProtocolError",
    "Proxy",
    "Reply",
    "ReplyError",
    "Session",
    "Sink",
    "SystemBusyError",
    "SystemFailedError",
    "TimedOutError",
    "Timeouts",
    "TlsError",
    "TlsMode",
    "TooLargeError",
    "UntrustedError",
    "Where",
    "Window",
    "connect",
    "make_context",
]
