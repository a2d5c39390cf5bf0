"""The sample mails are what the demo and its reader need them to be."""

import email
import email.policy
import io
import re
import zipfile
from email.message import EmailMessage
from importlib import resources

import pytest

from poparchive.demo.samples import accounts

MAILS = accounts()
ALL = [mail for mails in MAILS.values() for mail in mails]


def parsed(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def subject_of(mail: bytes) -> str:
    return str(parsed(mail)["subject"])


def attachments(mail: bytes) -> dict[str, EmailMessage]:
    return {name: part for part in parsed(mail).walk() if (name := part.get_filename())}


def by_subject(text: str) -> bytes:
    return next(mail for mail in ALL if text in subject_of(mail))


def test_two_accounts() -> None:
    """Both accounts have a score of messages, and all files belong to one or both."""
    folder = resources.files("poparchive.demo").joinpath("samples")
    names = [entry.name for entry in folder.iterdir()]
    assert all(re.fullmatch(r"(anna|office|both)-\d\d-[a-z0-9-]+\.eml", name) for name in names)
    assert len({name.split("-")[1] for name in names}) == len(names)
    assert sorted(MAILS) == ["anna", "office"]
    assert all(len(mails) >= 18 for mails in MAILS.values())
    assert len(set(ALL)) == len(names) >= 36


def test_small_and_whole() -> None:
    """They take little room, and each ends in CR LF, as what POP3 delivers always does."""
    assert sum(map(len, ALL)) < 200_000
    assert all(mail.endswith(b"\r\n") for mail in ALL)
    bare = [subject_of(mail) for mail in ALL if re.search(rb"(?<!\r)\n|\r(?!\n)", mail)]
    assert bare == ["Written on an old machine"]


def test_one_mail_in_both_accounts() -> None:
    """Exactly one message is the same in every octet in both accounts."""
    (shared,) = set(MAILS["anna"]) & set(MAILS["office"])
    assert subject_of(shared) == "Water is turned off on Thursday morning"


def test_one_body_in_both_accounts() -> None:
    """The newsletter came to both with other header fields and the same body."""
    ours = [mail for mail in ALL if subject_of(mail).startswith("The Binder's Letter")]
    assert len(set(ours)) == 2
    assert len({mail.partition(b"\r\n\r\n")[2] for mail in ours}) == 1


def test_invoice_story() -> None:
    """A search for "invoice" finds a story, with a PDF that has text and comes twice."""
    found = [mail for mail in ALL if b"invoice" in mail.lower()]
    assert len(found) >= 5
    holders = [mail for mail in ALL if "invoice-2024-017.pdf" in attachments(mail)]
    contents = {
        attachments(mail)["invoice-2024-017.pdf"].get_payload(decode=True) for mail in holders
    }
    assert len(holders) == 2
    (content,) = contents
    assert isinstance(content, bytes)
    assert content.startswith(b"%PDF-1.4\n")
    assert b"(INVOICE 2024-017) Tj" in content
    start = int(content.split(b"startxref\n")[1].split()[0])
    assert content[start:].startswith(b"xref\n")
    for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", content), start=1):
        assert content[int(offset) :].startswith(b"%d 0 obj" % number)


def test_attachments_are_real() -> None:
    """Archives open, and every kind of attachment that people send is there."""
    kinds = {name.rpartition(".")[2] for mail in ALL for name in attachments(mail)}
    assert kinds >= {"pdf", "png", "csv", "ics", "zip", "docx", "eml", "txt"}
    for subject, name in (
        ("Scans of the 1911 ledger", "ledger-1911.zip"),
        ("Minutes of the workshop", "minutes 2024-02.docx"),
    ):
        content = attachments(by_subject(subject))[name].get_payload(decode=True)
        assert isinstance(content, bytes)
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Zażółć gęślą jaźń", "Przyjedź do Łodzi na święta"),
        ("Książka czeka", "Wypożyczalnia jest czynna"),
        ("Faktura za skórę", "tak jak\nsię umówiliśmy"),
        ("和紙の見本", "製本に向いているのは楮の厚口です"),
        ("価格表をお送りします", "東京からの送料は別途となります"),
        ("Übersicht für März", "kostet jetzt 3 € je Bogen"),
        ("Tilbud på håndlaget papir", "marmorert forsatspapir, blå bølge"),
        ("Blåbærgrød på søndag", "så går vi en tur langs åen"),
    ],
)
def test_languages(subject: str, text: str) -> None:
    """Every charset decodes to what was written."""
    body = parsed(by_subject(subject)).get_body(("plain",))
    assert body is not None
    assert text in body.get_content().replace("\r\n", "\n")


def test_names_in_other_scripts() -> None:
    """RFC 2231 names, continued and encoded, decode."""
    assert "価格表.csv" in attachments(by_subject("価格表"))
    long = "Übersicht für März mit allen Maßen und Preisen.txt"
    assert long in attachments(by_subject("Übersicht"))


def test_broken_ones_are_broken() -> None:
    """Nobody has mended the samples that are there to be broken."""
    assert b"\r\n\r\n" not in by_subject("A header that never ends")
    assert parsed(by_subject("no date"))["date"] is None
    assert b"--never-closed--" not in by_subject("Cut off in the middle")
    assert b"*!*" in by_subject("Scan 0031")
    assert b"\0" in by_subject("tide gauge")
    assert b"\r\n.\r\n" in by_subject("Dots at the start")
    assert b"\r\nFrom here" in by_subject("begin with From")
    assert by_subject("under the blue pot").endswith(b"\r\n\r\n")
    assert max(map(len, by_subject("Stock list").split(b"\r\n"))) > 5000
    assert any(b"D\xe9jeuner" in mail for mail in ALL)


def test_nobody_is_real() -> None:
    """Every address is in a domain that is reserved for examples (RFC 2606)."""
    for mail in ALL:
        for domain in re.findall(rb"@([A-Za-z0-9.-]+)", mail.partition(b"\r\n\r\n")[0]):
            assert re.search(rb"(^|\.)example\.(com|net|org)\.?$", domain), domain
