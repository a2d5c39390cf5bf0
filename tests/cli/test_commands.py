"""The commands as users meet them: output, exit codes, errors that say what to do."""

import hashlib
import mailbox
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from poparchive.demo.mailbox import Mailbox
from poparchive.demo.samples import accounts
from poparchive.demo.server import Pop3Server, running
from poparchive.store import layout
from poparchive.store.fsio import Lock
from tests.support.archives import damages, lasting, octets_of
from tests.support.product import Product, product


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The sample mails, pulled; the tests of this module only read."""
    boxes = {name: Mailbox(mails, password="secret") for name, mails in accounts().items()}
    with running(Pop3Server(boxes)) as server:
        keys: dict[str, object] = {"host": "127.0.0.1", "port": server.port}
        here = product(
            tmp_path_factory.mktemp("made"),
            dict.fromkeys(boxes, keys),
            tls="none",
            allow_insecure=True,
        )
        here.run("pull")
        yield here


def test_search_prints_lines_ids_counts_and_json(made: Product) -> None:
    """All forms of a result agree."""
    lines = made.run("search", "invoice").stdout.decode().splitlines()
    ids = made.run("search", "--ids", "invoice").stdout.decode().split()
    rows = made.json("search", "invoice")
    assert int(made.run("search", "--count", "invoice").stdout) == len(lines) == len(ids) > 2
    assert [row["id"] for row in rows] == ids
    assert [line.split("\t")[1] for line in lines] == [i[:12] for i in ids]
    wanted = "id message_id date from to cc subject size_bytes accounts copies attachments snippet"
    wanted += " marks snippet_of thread"
    assert set(rows[0]) == set(wanted.split())
    assert any("nvoice" in str(row["snippet"]) for row in rows)


def test_a_word_may_be_left_out_as_people_type_it(made: Product) -> None:
    """-word and -field:value are part of the query, not options."""
    everything = int(made.run("search", "--count", "invoice").stdout)
    without = int(made.run("search", "invoice", "-has:attachment", "--count").stdout)
    assert 0 < without < everything
    assert made.run("search", "invoice NOT reminder", "--ids").stdout == (
        made.run("search", "--ids", "invoice", "-reminder").stdout
    )
    assert b"No such option" in made.run("search", "-x", code=2).stderr


def test_a_query_without_words_is_refused(made: Product) -> None:
    """What could only mean every message by mistake is an error; nothing at all is not."""
    assert b"no word" in made.run("search", "&&&", code=2).stderr
    assert made.run("search", "--count").stdout.strip() == b"41"


def test_the_rest_of_the_results_is_announced(made: Product) -> None:
    """A search that shows only the first says so."""
    assert b"--limit" in made.run("search", "--limit", "3", "invoice").stderr
    assert b"--limit" not in made.run("search", "--limit", "1000", "invoice").stderr


def test_a_later_page_says_where_it_is(made: Product) -> None:
    """What is shown are not the first ones there, and an empty page does not say that nothing was found."""
    said = made.run("search", "--limit", "2", "--offset", "3", "invoice").stderr
    assert b"4 to 5;" in said
    assert b"the first" not in said
    said = made.run("search", "--offset", "1000", "invoice").stderr
    assert b"nothing found behind the first 1000" in said


def test_show_gives_every_form_of_a_message(made: Product) -> None:
    """Raw octets, headers, text, parts and attachments."""
    (row,) = made.json("search", "filename:pdf", "subject:fwd")
    identity = str(row["id"])
    raw = made.run("show", "--raw", identity[:12]).stdout
    assert hashlib.sha256(raw).hexdigest() == identity
    assert b"Subject:" in made.run("show", "--headers", identity).stdout
    assert b"invoice" in made.run("show", identity).stdout.lower()
    (shown,) = made.json("show", identity)
    attachments = shown["attachments"]
    assert isinstance(attachments, list)
    part = made.run("show", "--part", str(attachments[0]["part"]), identity).stdout
    assert len(part) == attachments[0]["size_bytes"]
    by_message_id = made.run("show", "--raw", f"<{shown['message_id']}>").stdout
    assert by_message_id == raw
    assert made.run("show", "--raw", str(shown["message_id"])).stdout == raw
    assert b"--part" in made.run("show", identity).stdout


def test_attachments_are_saved_under_safe_names(made: Product, tmp_path: Path) -> None:
    """Names from mail never lead out of the directory."""
    for row in made.json("search", "has:attachment", "--limit", "100"):
        made.run("show", "--save-attachments", str(tmp_path / "out"), str(row["id"]))
    saved = list((tmp_path / "out").iterdir())
    assert any(path.read_bytes().startswith(b"%PDF") for path in saved)
    assert not [path for path in saved if path.name.startswith(".")]


def test_export_writes_what_other_programs_read(made: Product, tmp_path: Path) -> None:
    """mbox for all, for a query and for an account; eml with exact octets."""
    everything = octets_of(made.archive)
    made.run("export", "--output", str(tmp_path / "all.mbox"))
    assert len(mailbox.mbox(tmp_path / "all.mbox")) == len(everything)
    piped = made.run("export").stdout
    assert piped == (tmp_path / "all.mbox").read_bytes()
    made.run("export", "from:anna", "--account", "office", "--output", str(tmp_path / "some.mbox"))
    count = int(made.run("search", "--count", "from:anna", "account:office").stdout)
    assert 0 < count == len(mailbox.mbox(tmp_path / "some.mbox")) < len(everything)
    made.run("export", "--format", "eml", "--output", str(tmp_path / "eml"))
    assert sorted(p.read_bytes() for p in (tmp_path / "eml").iterdir()) == sorted(everything)
    first = made.run("search", "--ids", "--limit", "1").stdout.decode().strip()
    one = made.run("export", f"id:{first}", "--output", "-")
    assert one.stderr == b"1 message exported\n"
    said = made.run("export", "*nvoice", "--output", "-", code=1).stderr
    assert b"*nvoice is looked for as nvoice" in said
    made.run("export", "from:nobodyatall", "--output", str(tmp_path / "none.mbox"), code=1)


def test_status_and_verify(made: Product) -> None:
    """Both say that all is well, for people and for programs."""
    assert b"41 messages" in made.run("status").stdout
    rows = made.json("status")
    assert [row.get("gaps") for row in rows] == [0, 0, None]
    assert made.run("verify").stdout == b""


def test_status_names_exceptions(made: Product) -> None:
    """What the configuration allows a server is said, as text and as JSON, also of an account that
    was never pulled."""
    text = made.config.read_text()
    new = """[accounts.new]
host = "h"
user = "u"
password = { env = "P" }
tls = "implicit"
tls_minimum = "1.0"
allow_insecure = false
"""
    with_new = made.config.with_name("new.toml")
    with_new.write_text(f"{text}\n{new}")
    there = ("--config", str(with_new))
    said = made.run(*there, "status").stdout.decode()
    assert "office: there is no TLS, so that" in said
    assert "new: TLS 1.0 is allowed" in said
    *rows, whole = made.json(*there, "status")
    exceptions = whole["exceptions"]
    assert isinstance(exceptions, dict)
    assert sorted(exceptions) == ["anna", "new", "office"]
    for row in rows:
        assert row["exceptions"] == exceptions[str(row["account"])]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "00000000"], 1, "no message has the id"),
        (["show", "nonsense"], 1, "no id"),
        (["search", "foo:bar"], 2, "there is no field"),
        (["search", "(a"], 2, "is missing"),
        (["pull", "nobody"], 2, "nobody"),
        (["export", "--format", "pdf"], 2, "mbox and eml"),
        (["export", "--format", "eml"], 2, "--output"),
    ],
)
def test_errors_are_sentences(made: Product, arguments: list[str], code: int, said: str) -> None:
    """What is wrong is said on standard error, with the exit code of the contract."""
    done = made.run(*arguments, code=code)
    assert said in done.stderr.decode()
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr


def test_a_locked_archive_is_for_later(made: Product) -> None:
    """Exit 75, and who holds the lock; readers go on."""
    with Lock(layout.open_layout(made.archive).lock):
        for command in ("pull", "rebuild"):
            said = made.run(command, code=75).stderr.decode()
            assert str(os.getpid()) in said
        made.run("search", "invoice")


def test_damage_is_named_by_message(made: Product, tmp_path: Path) -> None:
    """verify names message, date and account; show refuses; exit 1."""
    copy = Product(tmp_path)
    subprocess.run(["cp", "-a", made.archive, tmp_path], check=True)
    text = made.config.read_text().replace(str(made.archive), str(copy.archive))
    copy.config.write_text(text)
    pack = layout.open_layout(copy.archive).pack(1)
    octets = bytearray(pack.read_bytes())
    octets[len(octets) // 2] ^= 1
    pack.write_bytes(octets)
    rows = copy.json("verify", code=1)
    named = [row for row in rows if "id" in row]
    assert named
    assert {"date", "subject", "accounts"} <= set(named[0])
    said = copy.run("show", "--raw", str(named[0]["id"]), code=1)
    assert said.stdout == b""
    assert b"pack" in said.stderr


def test_a_lost_catalog_is_rebuilt(made: Product, tmp_path: Path) -> None:
    """Without its databases an archive is whole after one command."""
    copy = Product(tmp_path)
    subprocess.run(["cp", "-a", made.archive, tmp_path], check=True)
    text = made.config.read_text().replace(str(made.archive), str(copy.archive))
    copy.config.write_text(text)
    for path in copy.archive.glob("*.sqlite*"):
        path.unlink()
    assert b"rebuild" in copy.run("search", "invoice", code=1).stderr
    copy.run("rebuild")
    assert copy.run("search", "invoice").stdout == made.run("search", "invoice").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system to fill needs root")
def test_status_says_when_the_next_pull_is_due(tmp_path: Path) -> None:
    """After its schedule; an account that was never pulled is shown too."""
    box = Mailbox([b"Subject: s\r\n\r\nx\r\n"], password="secret")
    with running(Pop3Server({"anna": box, "jan": box, "ewa": box})) as server:
        keys: dict[str, object] = {"host": "127.0.0.1", "port": server.port}
        configured = {
            "anna": {**keys, "schedule": "every 2h"},
            "jan": {**keys, "schedule": "cron 0 3 * * *"},
            "ewa": keys,
        }
        made = product(tmp_path, configured, tls="none", allow_insecure=True)
        made.run("pull", "anna", "jan")
    anna, jan, whole = made.json("status")
    last, due = (datetime.fromisoformat(str(anna[key])) for key in ("last_pull", "next_pull"))
    assert due - last == timedelta(hours=2)
    assert datetime.fromisoformat(str(jan["next_pull"])).astimezone().hour == 3
    assert whole["never_pulled"] == ["ewa"]
    assert whole["pulling"] is False
    with Lock(layout.open_layout(made.archive).lock):
        assert made.json("status")[-1]["pulling"] is True
    layout.open_layout(made.archive).lock.write_text('{"pid": 1, "host": "killed", "since": 0}')
    assert made.json("status")[-1]["pulling"] is False
    text = made.config.read_text()
    made.config.write_text(text + "nonsense = 1\n")
    done = made.run("status")
    assert b"nonsense" in done.stderr
    assert b"anna" in done.stdout
    made.config.write_text(text)
    for path in made.archive.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    (made.archive / "catalog.sqlite").unlink()
    assert b"rebuild" in made.run("status", code=1).stderr


def test_init_makes_the_archive_that_the_configuration_names(tmp_path: Path) -> None:
    """A configuration that was written first needs no directory given again."""
    made = product(tmp_path, {})
    shutil.rmtree(made.archive)
    assert b"init" in made.run("search", "x", code=1).stderr
    made.run("init")
    assert (made.archive / "archive.toml").exists()


def test_export_leaves_pipes_and_links_what_they_are(made: Product, tmp_path: Path) -> None:
    """A device or a pipe is written into and not replaced, whoever may do that; a link stays a link."""
    whole = made.run("export").stdout
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    came: list[bytes] = []
    reading = threading.Thread(target=lambda: came.append(pipe.read_bytes()))
    reading.start()
    made.run("export", "--output", str(pipe))
    reading.join()
    assert came == [whole]
    assert pipe.is_fifo()
    link = tmp_path / "link.mbox"
    link.symlink_to(tmp_path / "target.mbox")
    made.run("export", "--output", str(link))
    assert link.is_symlink()
    assert (tmp_path / "target.mbox").read_bytes() == whole
    assert sorted(one.name for one in tmp_path.glob("*.part")) == []


def test_export_of_an_unknown_account(made: Product, tmp_path: Path) -> None:
    """It is a mistake, not an empty result."""
    done = made.run("export", "--account", "nobody", "--output", str(tmp_path / "x"), code=2)
    assert b"office" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_full_disk_is_a_clear_error_and_a_whole_archive(tmp_path: Path) -> None:
    """Whatever fills up first, the error says so, and with room the next pull goes on."""
    mails = [b"Subject: %d\r\n\r\n" % n + os.urandom(3000).hex().encode() for n in range(600)]
    sent = [m + b"\r\n" for m in mails]
    with running(Pop3Server({"anna": Mailbox(sent, password="secret")})) as server:
        keys = {"host": "127.0.0.1", "port": server.port}
        made = product(tmp_path, {"anna": keys}, tls="none", allow_insecure=True)
        pull = " ".join(f"'{word}'" for word in made.command("pull"))
        script = (
            f"mount -t tmpfs -o size=2m tmpfs {tmp_path}/small && cp -a {made.archive} {tmp_path}/small/"
            f" && mount --bind {tmp_path}/small/archive {made.archive} && {pull};"
            f" code=$?; cp -a {made.archive}/. {tmp_path}/after/; exit $code"
        )
        (tmp_path / "small").mkdir()
        (tmp_path / "after").mkdir()
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=60
        )
        if b"mount:" in done.stderr or b"unshare:" in done.stderr:
            pytest.skip("no file system can be mounted here: " + done.stderr.decode()[:100])
        assert done.returncode == 1, done.stderr
        assert b"full" in done.stderr
        assert b"Traceback" not in done.stderr
        subprocess.run(["rm", "-r", made.archive], check=True)
        (tmp_path / "after").rename(made.archive)
        assert lasting(made.archive) == []
        made.run("pull")
    assert sorted(octets_of(made.archive)) == sorted(sent)
    assert damages(made.archive) == []


def test_verify_takes_shares(made: Product, tmp_path: Path) -> None:
    """status tells of the last full round and of one under way; wrong shares are refused."""
    copy = copy_of(made, tmp_path)
    (copy.archive / "scrub.json").unlink(missing_ok=True)
    assert copy.json("status")[-1]["verified"] is None
    copy.run("verify", "--sample", "1%")
    assert b"the round since" in copy.run("status").stdout
    copy.run("verify", "--within", "30d")
    for _ in range(3):
        copy.run("verify", "--sample", "100")
    assert copy.json("status")[-1]["verified"] is not None
    for wrong in (["--sample", "0%"], ["--sample", "x"], ["--within", "1h"]):
        assert b"wants a" in copy.run("verify", *wrong, code=2).stderr
    copy.run("verify", "--sample", "5%", "--within", "30d", code=2)
    copy.run("verify", "--from", str(tmp_path), code=2)


def test_known_damage_is_shown_by_status(made: Product, tmp_path: Path) -> None:
    """Until a run finds it mended; the exit code says so too."""
    copy = copy_of(made, tmp_path)
    pack = layout.open_layout(copy.archive).pack(1)
    octets = bytearray(pack.read_bytes())
    octets[len(octets) // 2] ^= 1
    pack.write_bytes(octets)
    counted = copy.run("verify", code=1)
    lines = counted.stdout.decode().splitlines()
    lost = sum("\t" in line for line in lines)
    assert lost > 1
    assert f"{len(lines) - lost} place damaged, {lost} messages cannot be read" in str(
        counted.stderr
    )
    said = copy.run("status", code=1)
    assert b"damaged: " in said.stderr
    assert copy.json("status", code=1)[-1]["damages"]


def test_a_pack_that_nothing_heals_is_told(made: Product, tmp_path: Path) -> None:
    """It is no damage: status says it and what to do, and verify notes it, both with exit code 0."""
    copy = copy_of(made, tmp_path)
    copy.run("optimize")
    assert copy.json("status")[-1]["packs_without_parity"] == []
    there = layout.open_layout(copy.archive)
    (number,) = there.parities()
    there.parity(number).unlink()
    assert copy.json("status")[-1]["packs_without_parity"] == [number]
    told = copy.run("status").stderr.decode()
    assert "1 pack without parity" in told
    assert "verify --repair" in told
    assert b"no parity" in copy.run("verify").stderr
    copy.run("verify", "--repair")
    assert b"parity" not in copy.run("status").stderr


def test_repair_from_a_second_copy(made: Product, tmp_path: Path) -> None:
    """Exit 0 when all is whole again; the damaged pack stays beside it, and verify says so."""
    copy = copy_of(made, tmp_path)
    pack = layout.open_layout(copy.archive).pack(1)
    octets = bytearray(pack.read_bytes())
    octets[len(octets) // 2] ^= 1
    pack.write_bytes(octets)
    said = copy.run("verify", "--repair", "--from", str(made.archive))
    assert b"made whole" in said.stderr
    assert b"may be removed" in copy.run("verify").stderr
    assert len(list(pack.parent.glob("*.damaged-*"))) == 1


@pytest.mark.parametrize("damaged", [False, True])
def test_repair_where_all_is_lost(made: Product, tmp_path: Path, *, damaged: bool) -> None:
    """Exit 0 when all of it came from the second copy, and 1 when the copy has what it cannot give."""
    copy = copy_of(made, tmp_path)
    (tmp_path / "second").mkdir()
    source = copy_of(made, tmp_path / "second")
    journal = layout.open_layout(source.archive).journal(1)
    if damaged:
        octets = bytearray(journal.read_bytes())
        octets[200] ^= 1
        journal.write_bytes(octets)
    for path in copy.archive.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "archive.toml":
            path.unlink()
    said = copy.said("verify", "--repair", "--from", str(source.archive), code=int(damaged))
    if damaged:
        assert f"{source.archive} has more, which could not be taken" in said
        return
    assert copy.json("verify") == []
    assert sorted(octets_of(copy.archive)) == sorted(octets_of(made.archive))


def test_repair_from_the_server(tmp_path: Path) -> None:
    """What the archive lost and the server still has is fetched and stored again; then all is whole."""
    mails = [b"Subject: %d\r\n\r\n%s\r\n" % (n, os.urandom(900).hex().encode()) for n in range(6)]
    with running(Pop3Server({"anna": Mailbox(mails, password="secret")})) as server:
        keys: dict[str, object] = {"host": "127.0.0.1", "port": server.port}
        here = product(tmp_path, {"anna": keys}, tls="none", allow_insecure=True)
        here.run("pull")
        pack = layout.open_layout(here.archive).pack(1)
        octets = bytearray(pack.read_bytes())
        octets[len(octets) // 2] ^= 1
        pack.write_bytes(octets)
        said = here.run("verify", "--repair")
        assert b"6 messages were stored again, from servers" in said.stderr
        assert server.asked("DELE") == []
    assert sorted(octets_of(here.archive)) == sorted(mails)
    assert here.json("verify") == []
    assert not pack.exists()


@pytest.mark.parametrize("pulled", [False, True])
def test_repair_names_the_account_that_nobody_asks_for(tmp_path: Path, *, pulled: bool) -> None:
    """One that the configuration has no more, by its name and with what to do, unless another one gave the
    same mail."""
    mails = [b"Subject: %d\r\n\r\n%s\r\n" % (n, os.urandom(900).hex().encode()) for n in range(6)]
    with running(Pop3Server({"anna": Mailbox(mails, password="secret")})) as server:
        keys: dict[str, object] = {"host": "127.0.0.1", "port": server.port, "user": "anna"}
        here = product(tmp_path, {"old": keys}, tls="none", allow_insecure=True)
        here.run("pull")
        text = here.config.read_text()
        here.config.write_text(text.replace("[accounts.old]", "[accounts.new]"))
        if pulled:
            here.run("pull")
        pack = layout.open_layout(here.archive).pack(1)
        octets = bytearray(pack.read_bytes())
        octets[len(octets) // 2] ^= 1
        pack.write_bytes(octets)
        told = "old: no server is asked for 6 lost messages of this account"
        if pulled:
            assert told not in here.said("verify", "--repair", code=0)
        else:
            assert told in here.said("verify", "--repair", code=1)
            here.config.write_text(text)
            here.run("verify", "--repair")
    assert sorted(octets_of(here.archive)) == sorted(mails)


def copy_of(made: Product, directory: Path) -> Product:
    """The same archive once more, to damage."""
    copy = Product(directory)
    subprocess.run(["cp", "-a", made.archive, directory], check=True)
    text = made.config.read_text().replace(str(made.archive), str(copy.archive))
    copy.config.write_text(text)
    return copy
