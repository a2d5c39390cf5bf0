"""The parser: no text makes it fail otherwise than with its error, and what it makes can be written again."""

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.mime import language
from poparchive.mime.commonwords import WORDS
from poparchive.query import QuerySyntaxError, fields, meant, parse, parser
from poparchive.query.explain import explain
from poparchive.query.printing import query
from poparchive.query.remarks import remarks
from poparchive.query.tokens import straight
from poparchive.query.tree import (
    EVERYTHING,
    And,
    Dated,
    FileType,
    HasAttachment,
    HasMessageId,
    Identified,
    InAccount,
    InThread,
    Is,
    Language,
    Near,
    Node,
    Not,
    Or,
    Sized,
    Stem,
    Words,
)
from tests.support.queries import grown, trees

NOW = 1_710_000_000
SAVED = {
    "a": "x OR larger:5k",
    "b": "-@a -y",
    "circle": "@round",
    "round": "z @circle",
    "bad": "befor:2024",
    "field": "from:(@a -@b)",
}

_PIECES = [
    *(
        "(",
        ")",
        '"',
        "-",
        "NOT ",
        "AND ",
        "OR ",
        "NEAR(",
        "NEAR(a b, 3)",
        "{",
        "}",
        "AROUND ",
        "AROUND 5 ",
        "AROUND(3)",
        "NEAR ",
        "–",
        "-",
        "«",
        "»",
        "「",
        "」",
        "！",
        "NEAR/3 ",
        "“",
        "（",
        ", 5)",
        "~",
        "*",
        "@a",
        "@b",
    ),
    *(
        " ",
        "\t",
        "word",
        "żółw",
        "語",
        "e-mail",
        "12:30",
        "http://x",
        "&",
        "\0",
        "\ue000",
        "2024-03",
        "..",
    ),
    *(
        f"{name}:"
        for name in (
            *fields.ALL,
            *fields.SAME,
            "foo",
            "form",
            "older_then",
            "newer-than",
            "message-id",
        )
    ),
    *(
        "2024/03/09",
        "1k..2k",
        "2024...2025",
        "<5M",
        "1,500",
        "3d",
        "5M",
        "attachment",
        "signed",
        "pdf",
        "pl",
        "<a@b>",
        "abcdef",
        "@circle",
        "@c",
    ),
]
queries = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join) | st.text(max_size=30)

SUBJECT_A = Words("a", False, "subject")


def tree(text: str) -> Node:
    return parse(text, now=NOW, saved=lambda: SAVED)


@given(queries)
def test_whatever_is_typed_gives_a_tree_or_our_error(text: str) -> None:
    """What is a tree can be explained and written as a query of the same meaning; what is not has a place in
    the text, and a suggestion that is valid."""
    try:
        found = tree(text)
    except QuerySyntaxError as error:
        found, wrong = None, error
    if found is None:
        assert wrong.position <= len(wrong.query)
        assert wrong.query in (straight(text), *SAVED.values())
        if wrong.nearest is not None:
            tree(wrong.nearest)
    else:
        assert tree(query(found)) == found
        assert explain(found)


@given(trees)
def test_a_tree_is_written_and_read(node: Node) -> None:
    """Printing a tree and parsing it gives the same tree."""
    assert tree(query(node)) == node
    assert explain(node).count("\n") < 100


_BESIDE: list[Node] = [
    *(Sized(5, None), Sized(None, 5), Words("b"), Words("M"), Words("kib", True), Words("AND")),
    *(
        Words("AROUND"),
        Words("5"),
        Words("NEAR"),
        Words("–b"),
        Words("a b"),
        Stem("k"),
        Words("or"),
    ),
    *(
        Near((Words("b"), Words("–k")), 3),
        InAccount("5"),
        Words("AROUND", False, "from"),
        Dated(5, None),
    ),
]
"""What means another thing in some places than it does alone."""
_beside = st.recursive(st.sampled_from(_BESIDE), grown, max_leaves=6)


def test_a_pair_that_is_printed_is_parsed_as_it_was() -> None:
    """Whatever stands beside whatever."""
    for pair in itertools.product(_BESIDE, repeat=2):
        for node in (And(pair), Or(pair), And((Not(pair[0]), pair[1]))):
            assert tree(query(node)) == node


@given(_beside)
def test_what_is_printed_does_not_depend_on_what_is_beside_it(node: Node) -> None:
    """A size before a word that is a unit, words that are operators, and dashes are parsed as they were."""
    assert tree(query(node)) == node


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("", EVERYTHING),
        ("  \t", EVERYTHING),
        ("a b", And((Words("a"), Words("b")))),
        ("a AND b OR c", Or((And((Words("a"), Words("b"))), Words("c")))),
        ("a (b OR & OR c)", And((Words("a"), Or((Words("b"), Words("c")))))),
        ("-a NOT b", And((Not(Words("a")), Not(Words("b"))))),
        ("a-b* -c*", And((Words("a-b", True), Not(Words("c", True))))),
        ("FROM:Anna from:*", Words("Anna", False, "from")),
        ("to:(a OR b*)", Or((Words("a", False, "to"), Words("b", True, "to")))),
        ("subject:(a (b -c))",
         And((SUBJECT_A, And((Words("b", False, "subject"), Not(Words("c", False, "subject"))))))),
        ("a | b & ! c", And((Words("a"), Words("b"), Words("c")))),
        ("!! !!a !=5 wow!", And((Words("!!a"), Words("!=5"), Words("wow!")))),
        ('"!a" "a || b" "near(a b)"', And((Words("!a"), Words("a || b"), Words("near(a b)")))),
        ("http://x.y/?a&&b=*c", Words("http://x.y/?a&&b=*c")),
        ("near (a)", And((Words("near"), Words("a")))),
        ("larger:5 (M)", And((Sized(5, None), Words("M")))),
        ("larger:5 Me", And((Sized(5, None), Words("Me")))),
        ("larger:5TB", Sized(5 << 40, None)),
        ("~Invoices subject:~Ä", And((Stem("Invoices"), Stem("Ä", "subject")))),
        ('"~a" ~', Words("~a")),
        ('NEAR("a b" c*, 0)', Near((Words("a b"), Words("c", True)), 0)),
        ("NEAR(a b)", Near((Words("a"), Words("b")), 10)),
        ("body:(NEAR(a b c, 3))", Near(tuple(Words(w, False, "body") for w in "abc"), 3, "body")),
        ("has:attachments", HasAttachment()),
        ("is:Signed", Is("signed")),
        ("filetype:.PDF filetype:x.docx", And((FileType("pdf"), FileType("docx")))),
        ("size:1.5k smaller:2", And((Sized(1536, None), Sized(None, 2)))),
        ('account:"my mail"', InAccount("my mail")),
        ("id:ABCD hash:abcd", And((Identified("abcd"), Identified("abcd")))),
        ("id:<a@b> rfc822msgid:c@d", And((HasMessageId("a@b"), HasMessageId("c@d")))),
        ("thread:abcd12", InThread(Identified("abcd12"))),
        ("after:1970-01-02 older:1970", And((Dated(86400, None), Dated(None, 0)))),
        ("@a", Or((Words("x"), Sized(5120, None)))),
        ("@b", And((Not(tree("@a")), Not(Words("y"))))),
        ("@example.com", Words("@example.com")),
        ("a_b:c 1a:b", And((Words("a_b:c"), Words("1a:b")))),
        ("NEAR a", And((Words("NEAR"), Words("a")))),
        ("AIR NEAR MISS", And((Words("AIR"), Words("NEAR"), Words("MISS")))),
        ('"a b" NEAR -c', And((Words("a b"), Words("NEAR"), Not(Words("c"))))),
        ("subject:(a NEAR b)",
         And((SUBJECT_A, Words("NEAR", False, "subject"), Words("b", False, "subject")))),
        ("{a b}", Or((Words("a"), Words("b")))),
        ("{a OR b c} d", And((Or((Words("a"), Words("b"), Words("c"))), Words("d")))),
        ("{a AND b -c}", Or((And((Words("a"), Words("b"))), Not(Words("c"))))),
        ("-{from:a {b (c d)}}", Not(Or((Words("a", False, "from"),
            Or((Words("b"), And((Words("c"), Words("d"))))))))),
        ("subject:{a b*}", Or((SUBJECT_A, Words("b", True, "subject")))),
        ("a} {b}", And((Words("a}"), Words("b")))),
        ("a AROUND 5 b", Near((Words("a"), Words("b")), 5)),
        ('"a b" AROUND 0 c* d', And((Near((Words("a b"), Words("c", True)), 0), Words("d")))),
        ("subject:(a AROUND 3 b)", Near((SUBJECT_A, Words("b", False, "subject")), 3, "subject")),
        ("subject:a AROUND 3 subject:b", Near((SUBJECT_A, Words("b", False, "subject")), 3, "subject")),
        ("a AROUND b", And((Words("a"), Words("AROUND"), Words("b")))),
        ("“a b” from：c", And((Words("a b"), Words("c", False, "from")))),
        ("（a OR b）c", And((Or((Words("a"), Words("b"))), Words("c")))),
        ("Re：b", Words("Re：b")),
        ('a1:"b c"', And((Words("a1:"), Words("b c")))),
        ("a1:(b)", And((Words("a1:"), Words("b")))),
        ("+a", Words("+a")),
        ("a –b", And((Words("a"), Not(Words("b"))))),
        ("(—a OR −b) －from:c",
         And((Or((Not(Words("a")), Not(Words("b")))), Not(Words("c", False, "from"))))),
        ('–"a b" ‑(c) —NEAR(d e)', And((Not(Words("a b")), Not(Words("c")),
            Not(Near((Words("d"), Words("e")), 10))))),
        ("subject:(–a)", Not(SUBJECT_A)),
        ("-–a", Not(Words("–a"))),
        ("NOT –a b", And((Not(Words("a")), Words("b")))),
        ('NOT —from:a NOT –"b c"', And((Not(Words("a", False, "from")), Not(Words("b c"))))),
        ("a NOT - b", And((Words("a"), Not(Words("b"))))),
        ("a NOT – b -– c", And((Words("a"), Not(Words("b")), Not(Words("c"))))),
        ("NOT – OR a", Words("a")),
        ("a NOT –", Words("a")),
        ("NOT -a", Not(Not(Words("a")))),
        ("a – b —", And((Words("a"), Words("b")))),
        ("2020–2024 a—b*", And((Words("2020–2024"), Words("a—b", True)))),
        ('"a"–b* (c)—d', And((Words("a"), Words("b", True), Words("c"), Words("d")))),
        ("——a* -–b", And((Words("——a", True), Not(Words("–b"))))),
        ('subject:"-a" subject:-- subject:--a subject:a-b', And((Words("-a", False, "subject"),
            Words("--a", False, "subject"), Words("a-b", False, "subject")))),
        ('"–a" from:"–b"', And((Words("–a"), Words("–b", False, "from")))),
        ("inv＊", Words("inv", True)),
        ("«a b» »c d« 「e f」『g』", And((Words("a b"), Words("c d"), Words("e f"), Words("g")))),
        ("subject:«a b» NEAR(「c d」 e)",
         And((Words("a b", False, "subject"), Near((Words("c d"), Words("e")), 10)))),
        ('"a «b» c" d » e', And((Words("a «b» c"), Words("d"), Words("e")))),
        ("a AROUND(5) b", Near((Words("a"), Words("b")), 5)),
        ("subject:(a AROUND (3) b)", Near((SUBJECT_A, Words("b", False, "subject")), 3, "subject")),
        ("newer-than:1d Older-Than：0d", And((Dated(NOW - 86400, None), Dated(None, NOW)))),
        ("message-id:<x@y> Message_ID:x@y", And((HasMessageId("x@y"), HasMessageId("x@y")))),
        ("x-label:a e-mail:b", And((Words("x-label:a"), Words("e-mail:b")))),
        ("a OR NEAR OR (b) NEAR", Or((Words("a"), Words("NEAR"), And((Words("b"), Words("NEAR")))))),
        ("subject:@paid", Words("@paid", False, "subject")),
        ("subject:(@a)", Words("@a", False, "subject")),
        ("from:(x OR @none)", Or((Words("x", False, "from"), Words("@none", False, "from")))),
        ("subject:(NEAR(@a b, 3))",
         Near((Words("@a", False, "subject"), Words("b", False, "subject")), 3, "subject")),
        ("subject:(@a AROUND 3 b)",
         Near((Words("@a", False, "subject"), Words("b", False, "subject")), 3, "subject")),
        ("@field", And((Words("@a", False, "from"), Not(Words("@b", False, "from"))))),
        ("lang:nb", Language("no")),
        ("or and not", And((Words("or"), Words("and"), Words("not")))),
    ],
)  # fmt: skip
def test_what_queries_mean(text: str, node: Node) -> None:
    """The language, one construct a line."""
    assert tree(text) == node


@pytest.mark.parametrize(
    ("text", "position", "what"),
    [
        ("a (b", 4, 'a ")" is missing'),
        ("a) b", 1, 'there is no "("'),
        ("a NOT", 5, "what should not be there"),
        ("a OR )", 5, "a word, a field"),
        ("cc: ", 3, "a value was expected after cc:"),
        ("a older_then:3d", 2, "there is older_than:"),
        ("NEAR(a (b))", 7, "not parentheses"),
        ("NEAR(a", 6, "a closing )"),
        ("a Older-Then:3d", 2, 'there is no field "older-then:"; there is older_than:'),
        ("NEAR(@a b)", 5, "a saved search cannot stand beside words that are near each other"),
        ("a NEAR/5 b", 2, "this is written NEAR(a b, 5)"),
        ("after:2024-02-03T10:00+99:99", 6, "a time zone such as Z"),
        ('NEAR(a "b', 9, 'a closing "'),
        ("NEAR(~a b)", 5, "NEAR takes no ~"),
        ("NEAR(a from:b)", 7, "words and phrases"),
        ("larger:(NEAR(a b))", 8, "NEAR means nothing for larger:"),
        (
            "filetype:(pdf has:attachment)",
            14,
            "has: cannot stand inside the parentheses of filetype:",
        ),
        ("id:xyz", 3, "hexadecimal digits"),
        ("is:foo", 3, "duplicate, quarantined, encrypted or signed was expected"),
        ("lang:klingon", 5, "as in lang:pl, was expected; there are af, am, ar"),
        ("lang:zz", 5, "no text is told to be in zz; there are af, am, ar"),
        ("a || b", 2, "this is written OR"),
        ("a subject:-b", 10, "what should not be there is written -subject:"),
        ("a subject:!b", 10, "what should not be there is written with -"),
        ("larger:5 M", 7, "the unit stands right behind the number, as in larger:5M"),
        ("*", 0, "form: an empty query, which finds every message"),
        ("msgid:<>", 6, "a Message-ID was expected"),
        ("during:..", 7, "a date such as"),
        ("on:2024-02-30", 3, "a date such as"),
        ("after:2024-02-03T25", 6, "a date such as"),
        ("& --", 0, "there is no word in this"),
        ("x @circle", 2, "go in a circle: @circle -> @round -> @circle"),
        ("@bad", 0, "in the saved search @bad: there is no field"),
        ("語 foo:bar", 2, "there is no field"),
        ("NEAR(" + "a " * 17 + ", 3)", 37, "NEAR takes at most 16 words or phrases"),
        ("x " + "(" * 60, 52, "nested too deeply"),
        ("NOT " * 60 + "x", 200, "nested too deeply"),
        ("x " * 1001, 2000, "more than 1000 words"),
    ],
)
def test_errors_say_what_and_where(text: str, position: int, what: str) -> None:
    """The caret stands below the place, wide characters or not, and the message says what was expected."""
    with pytest.raises(QuerySyntaxError) as caught:
        tree(text)
    assert what in str(caught.value)
    if "circle" not in text:
        assert caught.value.position == position
    lines = str(caught.value).split("\n")
    shift = sum(c == "語" for c in text[:position])
    if caught.value.query == text and len(text) < 80:
        assert lines[1:3] == [
            f"  {text}",
            " " * (2 + position + shift) + "^",
        ]


def test_saved_searches_cannot_grow_without_bound() -> None:
    """Each names the one before twice: the words are counted as they are written out."""
    saved = {"s0": "word"} | {f"s{n}": f"@s{n - 1} @s{n - 1}" for n in range(1, 15)}
    with pytest.raises(QuerySyntaxError, match="more than 1000 words"):
        parse("@s14", now=NOW, saved=lambda: saved)
    chain = {"s0": "word"} | {f"s{n}": f"@s{n - 1}" for n in range(1, 2000)}
    with pytest.raises(QuerySyntaxError, match="nested too deeply"):
        parse("@s1999", now=NOW, saved=lambda: chain)


def test_saved_searches_are_read_only_when_named() -> None:
    """Others cost no look at a file."""

    def never() -> dict[str, str]:
        raise AssertionError

    assert parse("a @b.c", now=NOW, saved=never) == And((Words("a"), Words("@b.c")))


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        " ",
        "(",
        '"',
        "NEAR(",
        "NEAR(a ",
        'NEAR("',
        "-",
        "a:",
        "subject:(",
        "~",
        "@a ",
        "*",
        "x_",
        "é",
        '"" ',
        "–",
        "« ",
        "」",
        "a-",
        "a NEAR ",
        "subject:a AROUND(5) ",
    ],
)
def test_the_parser_takes_linear_time(piece: str) -> None:
    """Ten times the text takes no more than some ten times the steps, whatever it is made of."""

    def steps(text: str) -> int:
        count = 0

        def step(*_: object) -> None:
            nonlocal count
            count += 1

        # Not sys.settrace: coverage and debuggers have that.
        sys.setprofile(step)
        try:
            tree(text)
        except QuerySyntaxError:
            pass
        finally:
            sys.setprofile(None)
        return count

    # From both on there are more words than a query may have: an error shows the text, which takes steps too.
    assert steps(piece * 10_000) < 15 * steps(piece * 1_001) + 5_000
    assert parser.MAX_ATOMS < 5_000


@pytest.mark.parametrize(
    "text",
    [
        '"' + "the " * 1_001 + '"',
        'subject:"' + "the " * 1_001 + '"',
        f'NEAR("{"a " * 600}" "{"b " * 600}", 3)',
        "日" * 1_001,
        "a-" * 1_001,
    ],
)
def test_the_words_of_a_phrase_count(text: str) -> None:
    """A phrase costs what its words cost, so they are what is limited."""
    with pytest.raises(QuerySyntaxError, match="more than 1000 words"):
        tree(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("has:pdf", "filetype:pdf"),
        ("has:attachement", "has:attachment"),
        ("newer_than:3 days a", "newer_than:3d a"),
        ("older_than:2 Y", "older_than:2y"),
        ("larger:-5M", "larger:5M"),
        ("smaller:<300k", "smaller:300k"),
        ("larger:5X", "larger:5M"),
        ("larger:1.5P", "larger:1.5M"),
        ("larger:1e9", "larger:1000000000"),
        ("larger:2.5E3", "larger:2500"),
        ("larger:9e99", "larger:999999999999999"),
        ("larger:5 M invoice", "larger:5M invoice"),
        ("larger:1.5 kb", "larger:1.5kb"),
        ("smaller:2000 bytes", "smaller:2000b"),
        ("larger:(5 M OR 7)", "larger:(5M OR 7)"),
        ("smaller:M", "smaller:1M"),
        ("larger:abc", None),
        ("a || b", "a OR b"),
        ("a && b || from:c", "a AND b OR from:c"),
        ("|| a", "a"),
        ("!a", "-a"),
        ("a !from:b", "a -from:b"),
        ("subject:!a", "-subject:a"),
        ("a subject:-b", "a -subject:b"),
        ("subject:–b*", "-subject:b*"),
        ('subject:-"a b" c', '-subject:"a b" c'),
        ("subject:-(a b)", "-subject:(a b)"),
        ("from:-{a b}", "-from:{a b}"),
        ("-subject:-a", "-subject:a"),
        ("NOT subject:-a", "NOT subject:a"),
        ("{from:a subject:-b}", "{from:a -subject:b}"),
        ("has:-attachment", "-has:attachment"),
        ("is:-signed", "-is:signed"),
        ("filetype:-pdf", "-filetype:pdf"),
        ("lang:−pl", "-lang:pl"),
        ("subject:(!a b)", "subject:(-a b)"),
        ('!(a b) !"c d"', '-(a b) -"c d"'),
        ("NEAR(!a b, 3)", "NEAR(a b, 3)"),
        ("near(a b, 3)", "NEAR(a b, 3)"),
        ("subject:(Near(a b))", "subject:(NEAR(a b))"),
        ("near(a)", "a"),
        ("*", ""),
        (" ** ", ""),
        ("()", ""),
        ("(())", ""),
        ("subject:()", None),
        ("to:*", None),
        ("&&", None),
        ("during:last-week", "during:2024-02-26..2024-03-03"),
        ("on:'this week'", None),
        ('on:"this week"', 'on:"2024-03-04..2024-03-10"'),
        ("before:last_month", "before:2024-02"),
        ("after:last-week", "after:2024-02-26"),
        ("date:thismonth..", "date:2024-03.."),
        ("during:past-year", "during:2023"),
        ("is:foo", None),
        ("older_than:2q", "older_than:6m"),
        ("newer_than:30min", "newer_than:1h"),
        ("newer_than:week", "newer_than:1w"),
        ("on:20240309", "on:2024-03-09"),
        ("on:202403", "on:2024-03"),
        ("on:20243", "on:2024-03"),
        ("during:march", "during:2024-03"),
        ("during:sept", "during:2023-09"),
        ('on:"9 March 2023"', 'on:"2023-03-09"'),
        ("before:yesterdy", "before:yesterday"),
        ("is:starred a", "label:starred a"),
        ("-is:unread", "-label:unread"),
        ("is:inbox", "label:inbox"),
        ("is:dupe", "is:duplicate"),
        ("is:crypted", "is:encrypted"),
        ("in:inbox", "label:inbox"),
        ("a in:anywhere", "a"),
        ("category:promotions", "label:promotions"),
        ("deliveredto:a@b.c", "to:a@b.c"),
        ("subjct:a", "subject:a"),
        ("has:picture", "filetype:(jpg OR png OR gif)"),
        ("has:documents", "filetype:(docx OR doc OR odt)"),
        ("has:drive", 'body:"drive.google.com"'),
        ("has:userlabels", None),
        ("has:x", None),
        ("filetype:image", "filetype:(jpg OR png OR gif)"),
        ('filetype:("images" OR pdf)', "filetype:((jpg OR png OR gif) OR pdf)"),
        ("filetype:pdf,docx", "filetype:(pdf OR docx)"),
        ("filetype:application/msword", "filetype:doc"),
        ("filetype:doc?", "filetype:doc"),
        ("lang:klingon", None),
        ("lang:zz", None),
        ("lang:eng", "lang:en"),
        ("lang:gb", "lang:en"),
        ("lang:pt-BR", "lang:pt"),
        ("lang:en,polish", "lang:(en OR pl)"),
        ("account:ana", "account:anna"),
        ("account:ANNA", "account:anna"),
        ("account:anna@example.com", "account:anna"),
        ("account:(my OR anna)", 'account:("my mail" OR anna)'),
        ('-account:"mymail"', '-account:"my mail"'),
        ("account:unknown", None),
        ("a NEAR/5 b", "NEAR(a b, 5)"),
        ('c "a d" ADJ/3 b', 'c NEAR("a d" b, 3)'),
        ("a AROUND 5", "a"),
        ("(a b) AROUND 5 c", "(a b) c"),
        ("a AROUND 5 b AROUND 5 c", "a b AROUND 5 c"),
        ("{a b", "{a b}"),
        ("{a (b} c", "{a (b)} c"),
        ("(a {b)", "(a {b})"),
        ("{}", ""),
        ("from:a NEAR/3 from:b", "from:(NEAR(a b, 3))"),
        ("a NEAR/3 from:b", "a from:b"),
        ("a NEAR (b c)", "a NEAR(b c)"),
        ("NEAR (a b)", "NEAR(a b)"),
        ("NEAR (a b, 3)", "NEAR(a b, 3)"),
        ("NEAR(@paid x)", 'NEAR("@paid" x)'),
        ("@a AROUND 3 x", '"@a" AROUND 3 x'),
        ("x AROUND(3) @a", 'x AROUND(3) "@a"'),
        ("x AROUND 3 (@a)", 'x AROUND 3 ("@a")'),
        ("older-then:3d", "older_than:3d"),
        ("newer-than:3 days", "newer-than:3d"),
        ("after:2024-03-09T10:00+99:99", "after:2024-03-09T10:00"),
        ("after:2024-03-09T10:00+24:00", "after:2024-03-09T10:00"),
        ("NEAR(paper, order)", "NEAR(paper order, 10)"),
        ('NEAR("a, b", c)', 'NEAR("a, b" c, 10)'),
        ("NEAR(a, b, c)", "NEAR(a b c, 10)"),
        ("NEAR(a b, c)", "NEAR(a b, 10)"),
        ("size:<5M", "smaller:5M"),
        ("size:>=5M", "larger:5M"),
        ("-size:<5", "-smaller:5"),
        ('size:"< 5M"', "smaller:5M"),
        ("larger:1,500", "larger:1500"),
        ("smaller:1,000,000", "smaller:1000000"),
        ("larger:1,500kb", "larger:1500kb"),
        ("larger:1,5M", "larger:1.5M"),
        ("larger:1.500.000", "larger:1500000"),
        ("size:1k..2k", "larger:1k smaller:2k"),
        ("a size:1k..2kb", "a larger:1k smaller:2kb"),
        ("-size:1k..2k", "-(larger:1k smaller:2k)"),
        ("{a larger:1k..2k}", "{a (larger:1k smaller:2k)}"),
        ("size:1k..", "larger:1k"),
        ("size:..2k", "smaller:2k"),
        ("size:..", None),
        ("newer:3d", "newer_than:3d"),
        ("after:3 days a", "newer_than:3d a"),
        ("older:2y", "older_than:2y"),
        ("before:2years", "older_than:2y"),
        ("-before:2Y", "-older_than:2Y"),
        ("during:2024-01...2024-02", "during:2024-01..2024-02"),
        ("during:2024-01…2024-02", "during:2024-01..2024-02"),
        ("on:monday", None),
        ("on:mondy", None),
        ("on:todya", "on:today"),
        ('invoice"', "invoice"),
        ('from:anna "', "from:anna"),
        ('from:"', "from:anna"),
        ('"', ""),
        ("subject:a AROUND 3 b", "subject:(a AROUND 3 b)"),
        ('-subject:a AROUND(3) "b c"', '-subject:(a AROUND(3) "b c")'),
        ("has:attachment AROUND 3 b", "has:attachment b"),
        ("NEAR(a OR b)", "NEAR(a b)"),
        ('NEAR(a from:"b c")', 'NEAR(a "b c")'),
        (f"NEAR({'a ' * 16}{'b ' * 299}b, 3)", f"NEAR({'a ' * 15}a, 3)"),
        (f"NEAR({'a ' * 16}b)", f"NEAR({'a ' * 15}a)"),
        ("NEAR(a from:b)", "NEAR(a b)"),
        ("a AND", "a"),
        ("from: ", "from:anna"),
        ("-from:", "-from:anna"),
        ("a from:", "a"),
        ('from:""', None),
    ],
)
def test_what_is_nearest(text: str, meant: str | None) -> None:
    """A value that is nearly one is put right."""
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text, now=NOW, saved=lambda: SAVED, accounts=lambda: ("office", "anna", "my mail"))
    assert caught.value.nearest == meant


@pytest.mark.parametrize(
    ("before", "columns"),
    [
        ("語語", 4),
        ("z\u0307o\u0301", 2),
        ("ก็ดี", 2),
        ("\u1112\u1161\u11ab", 2),
        ("\u2764\ufe0f", 1),
        ("a\u200db", 3),
    ],
)
def test_the_caret_stands_below_its_character(before: str, columns: int) -> None:
    """Wide characters take two columns of a terminal; accents and vowels above others none."""
    with pytest.raises(QuerySyntaxError) as caught:
        tree(f"{before} on:x")
    assert str(caught.value).split("\n")[2] == " " * (2 + columns + 4) + "^"


def test_of_a_long_query_its_place_is_shown() -> None:
    """What is shown fits in a line of a terminal, so that the caret stands below the place."""
    with pytest.raises(QuerySyntaxError) as caught:
        tree("word " * 100 + "on:x" + " word" * 100)
    _, shown, caret, nearest = (*str(caught.value).split("\n"), "")[:4]
    assert len(shown) < 90
    assert shown[len(caret) - 1 :].startswith("x word")
    assert shown.startswith("  …")
    assert shown.endswith("…")
    assert nearest == ""


def test_what_makes_scripts_join_stays_in_the_nearest_form() -> None:
    """It can be copied."""
    with pytest.raises(QuerySyntaxError, match="nearest valid form: می\u200cخواهم from:anna"):
        tree("می\u200cخواهم form:anna")


@pytest.mark.parametrize("blank", ["\u3000", "\xa0", "\t"])
def test_blanks_of_other_kinds_stay_blanks_in_the_nearest_form(blank: str) -> None:
    """What Asian keyboards and pasted text have between words parts them in what is shown, too."""
    with pytest.raises(QuerySyntaxError) as caught:
        tree(f"form:anna{blank}invoice")
    assert str(caught.value).endswith("nearest valid form: from:anna invoice")


def test_a_very_long_query_has_no_nearest_form() -> None:
    """It would fill the terminal."""
    with pytest.raises(QuerySyntaxError) as caught:
        tree("form:anna " + "x" * 10_000)
    assert caught.value.nearest is None
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "{}:word", "-{}:(word", "@{}", "account:{}", "larger:{}", "after:{}", "is:{}", "lang:{}",
        "filetype:{}", "id:{}", "thread:{}", "has:{}", "NEAR({}", '"{}', "({}", "~{}*", "{} OR",
        "NEAR(a b, {})", "smaller:9{}", "in:{}", "foo:word {}",
    ],
)  # fmt: skip
def test_errors_can_be_read_whatever_was_typed(text: str) -> None:
    """Of a word of a megabyte a beginning is quoted, and what is suggested is short enough to be copied."""
    query = text.format("x" * 1_000_000)
    with pytest.raises(QuerySyntaxError) as error:
        parse(query, now=0, saved=lambda: {"x": "y"}, accounts=lambda: ["anna"])
    assert error.value.query == query
    assert len(str(error.value)) < 1_000


def test_accounts_are_named_the_nearest_first() -> None:
    """And asked for only by a query that names one."""
    with pytest.raises(QuerySyntaxError, match='there are "anna", "office"') as caught:
        parse("x account:ana", now=NOW, accounts=lambda: ("office", "anna"))
    assert caught.value.position == 10
    with pytest.raises(QuerySyntaxError, match="there are none yet"):
        parse("account:ana", now=NOW, accounts=list)
    assert parse("account:ana", now=NOW) == InAccount("ana")

    def never() -> list[str]:
        raise AssertionError

    assert parse("ana", now=NOW, accounts=never) == Words("ana")


def test_every_field_has_an_example_that_is_valid() -> None:
    """It is what a missing value is told by."""
    for name in fields.ALL:
        with pytest.raises(QuerySyntaxError, match=f"as in {name}:{fields.EXAMPLES[name]}\n"):
            tree(f"{name}:")
        tree(f"{name}:{fields.EXAMPLES[name]}")


def test_what_is_suggested_is_valid() -> None:
    """Whatever stands in the tables of what others type."""
    for name in (*meant.NAMES, "has", "is", "filetype", "lang"):
        for value in (
            *meant._KINDS,
            *meant._MARKS,
            *meant._CARRIED,
            *meant._LANGUAGES,
            *meant._COUNTRIES,
        ):
            try:
                tree(f"{name}:{value}")
            except QuerySyntaxError as error:
                if error.nearest is not None:
                    tree(error.nearest)
    assert set(meant._LANGUAGES.values()) | set(meant._COUNTRIES.values()) <= fields.LANGUAGES
    assert set(meant.NAMES.values()) <= set(fields.ALL)
    assert not set(meant.NAMES) & {*fields.ALL, *fields.SAME}


def test_languages_are_those_that_can_be_told() -> None:
    """Any other value of lang: is refused, as nothing could be found by it."""
    told = set(WORDS) | {code for _, code in language._SCRIPTS if code.islower()}
    assert told == fields.LANGUAGES
    assert not set(fields.SAME_LANGUAGES) & told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("invoice", []),
        ("inv* from:ann*", []),
        ("*oice", ["*oice is looked for as oice"]),
        ("a*b* c", ['a*b* is looked for as "a b*"']),
        ("**bold**", ["**bold** is looked for as bold*"]),
        ("subject:*oice", ["*oice is looked for as oice"]),
        ('"inv"*', ['"inv"* is looked for as "inv"']),
        ("from:“inv ann”＊ b", ['from:"inv ann"* is looked for as from:"inv ann"']),
        ('"inv" *', []),
        ('"a*b" filename:*.pdf *@example.com http://x/*y msgid:a*b@c', []),
        ("(a or b) c", ["or is looked for as a word; the operator is OR"]),
        ("from:a Or from:b", ["Or is looked for as a word; the operator is OR"]),
        ("a and (b c) and (d)", ["and is looked for as a word; the operator is AND"]),
        ("a not from:b", ["not is looked for as a word; the operator is NOT"]),
        ("terms and conditions or not", []),
        ("(a OR b) AND NOT from:c", []),
        ("(or) (a and) (not)", []),
        ("AIR NEAR MISS", ["NEAR is looked for as a word; words near each other are NEAR(a b, 5)"]),
        ('"a b" NEAR from:c', ["NEAR is looked for as a word"]),
        ("NEAR a OR NEAR b OR NEAR(c d) near AND NEAR", []),
        (
            "subject:(x (@a)) from:{@b}",
            ["@a is looked for as a word", "@b is looked for as a word"],
        ),
        ('subject:@a (@a) from:("@a" @b.org) account:(@a)', []),
    ],
)
def test_what_was_surely_meant_otherwise_is_said(text: str, said: list[str]) -> None:
    """Of a query that is valid; what is usual in pasted text is passed over."""
    tree(text)
    found = remarks(text)
    assert len(found) == len(said)
    assert all(one in other for one, other in zip(said, found, strict=True))


@given(queries)
def test_remarks_are_made_on_whatever_is_valid(text: str) -> None:
    """A query that means something is never refused for them."""
    try:
        tree(text)
    except QuerySyntaxError:
        return
    remarks(text)
