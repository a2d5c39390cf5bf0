"""Messages picked out of mailboxes, with what they can be found by, read without our own parser."""

import email
import email.utils
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench.corpus import delivered
from bench.mailbox import Mailboxes

WORD = re.compile(r"[a-z]{2,}")
PHRASE_WORDS = 3
ENOUGH_WORDS = 6

OPERATORS = {"and", "or", "not", "near", "xor"}
"""Words that one or the other query language takes for itself."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A message with plain text, and words that stand in it.

    The SHA-256 in hex is of the octets as POP3 delivers them (``digest``) and as they lie on disk
    (``file_digest``).
    """

    digest: str
    file_digest: str
    sender: str
    subject_word: str
    words: tuple[str, ...]
    phrase: str
    """Words that stand one behind the other in the body, with nothing but blanks between."""


def sampled(mail: Mailboxes, count: int, seed: int) -> Iterator[Sample]:
    """That many messages with plain text, spread over the mailboxes."""
    rng = random.Random(seed)
    files = mail.files()
    left = count
    for path in rng.sample(files, len(files)):
        sample = maybe_sample(path.read_bytes(), rng)
        if sample:
            yield sample
            left -= 1
        if not left:
            return


def maybe_sample(octets: bytes, rng: random.Random) -> Sample | None:
    """A sample of the message, or None where its text is not plain ASCII in one part."""
    message = email.message_from_bytes(octets)
    encoding = message.get("Content-Transfer-Encoding", "7bit")
    if message.is_multipart() or encoding != "7bit" or not octets.isascii():
        return None
    text = message.get_payload()
    assert isinstance(text, str)
    subject = WORD.findall(message["Subject"].lower().removeprefix("re: "))
    lines = [line for line in text.splitlines() if not line.startswith(">")]
    # Only what stands on one line without punctuation is a phrase for every program.
    runs = [run.split() for line in lines for run in re.split(r"[^A-Za-z ]+", line)]
    long_runs = [run for run in runs if len(run) >= ENOUGH_WORDS]
    if not (subject and long_runs):
        return None
    run = rng.choice(long_runs)
    start = rng.randrange(len(run) - PHRASE_WORDS + 1)
    return Sample(
        digest=hashlib.sha256(delivered(octets)).hexdigest(),
        file_digest=hashlib.sha256(octets).hexdigest(),
        sender=email.utils.parseaddr(message["From"])[1],
        subject_word=rng.choice(subject),
        words=tuple(word.lower() for word in run if word.lower() not in OPERATORS),
        phrase=" ".join(run[start : start + PHRASE_WORDS]).lower(),
    )
