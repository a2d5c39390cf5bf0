"""Coverage-guided fuzzing of the POP3 core: ``python -m tests.fuzz.fuzz_pop3 [CORPUS] [-max_total_time=60]``.

Takes libFuzzer's options. It needs the package atheris and says so where that is missing.
"""

import importlib
import sys
from typing import Any

MISSING = 77
"""Exit code: nothing was fuzzed."""

TURN = b"\xfe"
"""Between what a server says before and after it is asked."""

SPOOL_BYTES = (10, 100, 10_000)


def main() -> None:
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        print("fuzz_pop3: the package atheris is missing, nothing was fuzzed", file=sys.stderr)
        raise SystemExit(MISSING) from None
    with atheris.instrument_imports(include=["poparchive.pop3"]):
        target = importlib.import_module("tests.fuzz.target")

    def once(data: bytes) -> None:
        """The first octets say how it is cut and spooled; the rest is what the server says by turns."""
        cuts = list(data[1 : 1 + data[0] % 4]) if data else []
        spool_bytes = SPOOL_BYTES[data[0] // 4 % 3] if data else SPOOL_BYTES[0]
        target.converse(data[1 + len(cuts) :].split(TURN), cuts, spool_bytes)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
