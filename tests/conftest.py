"""A certificate for the TLS tests, made once."""

import pytest

from tests.support.certificate import Certificate, certificate_missing, make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if reason := certificate_missing():
        pytest.skip(reason)
    return make_certificate(tmp_path_factory.mktemp("tls"))
