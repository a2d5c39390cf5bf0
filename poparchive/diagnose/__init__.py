"""A look at a POP3 server: what it can and cannot do, and what that means. See docs/doctor.md."""

from poparchive.diagnose.check import SHORT, Visitor, check
from poparchive.diagnose.findings import explain
from poparchive.diagnose.inside import doubtful
from poparchive.diagnose.suggest import Suggestion, endpoints, suggest
from poparchive.diagnose.transcript import Transcript
from poparchive.diagnose.values import Certificate, Finding, Look, Mailbox, Report, Verdict

__all__ = [
    "SHORT",
    "Certificate",
    "Finding",
    "Look",
    "Mailbox",
    "Report",
    "Suggestion",
    "Transcript",
    "Verdict",
    "Visitor",
    "check",
    "doubtful",
    "endpoints",
    "explain",
    "suggest",
]
