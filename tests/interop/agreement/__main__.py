"""``python -m tests.interop.agreement [MESSAGES]``: compare on so many messages, or all; JSON."""

import json
import sys
import tempfile
from pathlib import Path

from tests.interop.agreement.compare import Comparison, sample


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else None
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory() as place:
        report = Comparison(sample(count, seed=5), Path(place)).ask(seed)
    print(
        json.dumps(
            {
                "messages": report.messages,
                "identical": report.identical,
                "identical_share": report.identical_share,
                "agreeing_share": report.agreeing_share,
                "both": report.both,
                "only poparchive": report.ours,
                "only notmuch": report.theirs,
                "rules": dict(report.rules.most_common()),
                "unexplained": report.unexplained,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
