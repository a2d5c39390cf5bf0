"""How hypothesis looks for examples, and a certificate for the TLS tests, made once.

``make test`` tries the same examples every time, so that what it finds is due to the change; ``make
properties`` looks for others, many times as many.
"""

import pytest
from hypothesis import HealthCheck, settings

from tests.support.certificate import Certificate, certificate_missing, make_certificate

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
