"""How hypothesis looks for examples, logging as each test found it, a certificate for the TLS tests.

``make test`` tries the same examples every time, so that what it finds is due to the change; ``make
properties`` looks for others, many times as many.
"""

import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.certificate import Certificate, certificate_missing, make_certificate

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell ignores it for what runs in its background, and programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile(
    "others", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if reason := certificate_missing():
        pytest.skip(reason)
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that runs in this process sets logging up for the process, and another test reads records."""
    root, ours = logging.getLogger(), logging.getLogger("poparchive")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = [one for one in root.handlers if one in handlers or not is_ours(one)]
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def is_ours(handler: logging.Handler) -> bool:
    return type(handler).__module__.startswith("poparchive.")
