"""Text out of HTML."""

import pytest

from poparchive.mime.html import text_of, text_of_enriched


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One <b>wo</b>rd</p><p>and &amp; more&nbsp;&lt;x&gt;</p>", "One word\nand & more <x>"),
        ("a<br>b<BR/>c<hr>d", "a\nb\nc\nd"),
        ("<table><tr><td>1<td>2</tr><tr><th>3</table>", "1 2\n3"),
        ("  many \n\n blanks\t here ", "many blanks here"),
        ("<pre>one\n  two</pre>three", "one\ntwo\nthree"),
        ("<head><title>T</title><style>p{}</style></head>x<script>y</script>z", "xz"),
        ("<STYLE>a</STYLE >b<script src=x>c", "b"),
        ("a<!-- b --!>c<!-->d<!--->e<!--[if mso]>f<![endif]-->g", "acdeg"),
        ("<style><!-- p{} </style>seen", "seen"),
        ('<a href="a>b">link</a>', "link"),
        ('<p title="x>text</p>', "text"),
        ("1 < 2 and a<b>c</b>", "1 < 2 and ac"),
        ("<p<b>x", "x"),
        ("so\u00adft\u200bly &zwnj; &zwnj; x", "softly x"),
        ("&#x41;&#0;&#xd800;&#99999999999;&bogus;", "A\ufffd\ufffd\ufffd&bogus;"),
        ("a<details><summary>b</summary>c</details>d", "a\nb\nc\nd"),
        ('a<span style="display:block">b</span>c<b>d</b>e', "a\nb\ncde"),
        ("<A Style='color:red; Display : BLOCK'>b</A>c<span>d</span>", "b\ncd"),
        ('a<i style="display:inline-block">b</i>c', "a b c"),
        ('a<b style="display:inline-flex;x:y">b<b>c</b>d</b>e', "a bcd e"),
        ('a<b style="display:block">b<b>c</b>d</b>e</b>f', "a\nbcd\nef"),
        ('a<b style="x-display:block">b</b><b style="display:blocked">c</b>', "abc"),
        ("a<b>b</b>display:block", "abdisplay:block"),
        ('a<span style="display:block">b', "a\nb"),
        ("no tags", "no tags"),
        ("", ""),
    ],
)
def test_text(source: str, text: str) -> None:
    """What a reader sees, a line for each block or row, words whole."""
    assert text_of(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<color><param>0000,0000,FFFF</param>Blue</color> text", "Blue text"),
        ("<Param>x</PARAM>seen<param>cut", "seencut"),
    ],
)
def test_parameters_of_enriched_text(source: str, text: str) -> None:
    """They are no words of it, and one without an end is no way to vanish."""
    assert text_of_enriched(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<b><!--#rotate>Good</b> morning<br><!-- and>evening", "Good morning\nevening"),
        ("a<!-- b -->c<!--d>e<script>f</script>g", "aceg"),
        ("a<!--b", "a<!b"),
        ("a<style><!--b{}</style>c", "ac"),
    ],
)
def test_a_comment_without_an_end_is_no_way_to_vanish(source: str, text: str) -> None:
    """What follows it stays: browsers of its time showed it."""
    assert text_of(source) == text


@pytest.mark.parametrize(
    "concealed",
    [
        '<div style="display:none">no</div>',
        "<div style='color:red;display: none!important'>no<div>no</div>no</div>",
        '<span style="visibility:hidden">no</span>',
        "<p hidden>no</p>",
        '<table hidden class="x"><tr><td>no</td></tr></table>',
    ],
)
def test_concealed(concealed: str) -> None:
    """Elements that a style conceals are left out, with all that is in them."""
    assert text_of(f"<p>seen {concealed}also</p>") == "seen also"


@pytest.mark.parametrize(
    "source",
    [
        '<div style="display:none">all of it</div>',
        '<div style="display:none">all of it',
        '<img style="display:none">all of it',
        "all of it display:none"[:9],
    ],
)
def test_concealed_is_no_way_to_vanish(source: str) -> None:
    """Where everything is concealed, or a concealed element has no end, the text is kept."""
    assert text_of(source) == "all of it"


HOSTILE = [
    "<b style='display:block'>",
    "<b ",
    "<param>",
    "<div>",
    "<b id=1><p>",
    "<",
    "<a",
    '<a "',
    "<!--",
    "<!-",
    "<script>",
    "<title",
    "&",
    "</p>",
    "a",
    "<" + "a" * 3_900 + " hidden ",
]
CONCEALING = ['<div style="display:none">', "<p hidden></p>", "display:none", "<pre>", "<pre"]


@pytest.mark.parametrize("unit", HOSTILE + CONCEALING)
def test_hostile_input(unit: str) -> None:
    """A megabyte of what takes tree builders minutes ends at once, and gives no more than came."""
    source = unit * (1_000_000 // len(unit))
    assert len(text_of(source)) <= len(source)
    source = "<" + source
    assert len(text_of(source)) <= len(source)


def test_entities_longer_than_numbers() -> None:
    """A numeric entity of thousands of digits is no error."""
    assert text_of("a&#" + "9" * 10_000 + ";b") == "ab"


@pytest.mark.parametrize(
    "attributes",
    [
        'style="display:none"',
        'style="DISPLAY: NONE"',
        "style='color:red;visibility: hidden'",
        'style="max-height:0px;overflow:hidden"',
        'style="opacity:0;font-size:1px"',
        'style="font-size:0px;line-height:0"',
        'style="opacity:0.0"',
        "hidden",
        'class="x" hidden=""',
        'hidden id="a"',
    ],
)
def test_preheaders_are_not_seen(attributes: str) -> None:
    """Text for the list of messages, which the reader of the message does not see."""
    assert text_of(f"<div {attributes}>unseen</div><p>seen</p>") == "seen"


@pytest.mark.parametrize(
    "attributes",
    [
        'style="opacity:0.9"',
        'style="max-height:0.5em;overflow:hidden"',
        'style="max-height:0"',
        'style="stop-opacity:0"',
        'style="overflow: hidden"',
        'class="a hidden b"',
        'title="a hidden b"',
        'style="mso-hide:all"',
        'style="font-size:0.9em"',
    ],
)
def test_what_only_looks_concealed_is_seen(attributes: str) -> None:
    """A half transparent element, a class's name, a button that Outlook draws in another way."""
    assert text_of(f"<div {attributes}>also</div><p>seen</p>") == "also\nseen"


def test_a_size_of_nothing_around_text_with_a_size() -> None:
    """Newsletters close gaps between table cells with a font of no size; what is in them has one."""
    source = '<td style="font-size:0"><p style="font-size:14px">seen</p></td>'
    assert text_of(source) == "seen"
    assert text_of(f"<div style='font-size:0;display:none'>{source}</div>x") == "x"


def test_letters_that_grow_in_lower_case() -> None:
    """İ is two characters in lower case; places are found all the same."""
    assert text_of("İ" * 20 + '<div style="display:none">unseen</div>seen') == "İ" * 20 + " seen"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a<style>p > b { x: '</styles>' } <p> </Style >b", "ab"),
        ("a<style>x</style", "a"),
        ("a<SCRIPT>if (1 < 2) '</b>'</script>b<script>c", "ab"),
        ("a<!-- b - -- > c --!>d<!--->e<!-->f<!---->g", "adefg"),
        ("a<styles>b</styles>c", "abc"),
    ],
)
def test_what_is_not_shown_ends_where_it_does(source: str, text: str) -> None:
    """Scripts, styles and comments end at their own ends, and at nothing that looks similar."""
    assert text_of(source) == text


SEEN_BY_NAME = '<span class="a preheader">no</span><div id=pre>no<div>no</div></div>yes'


@pytest.mark.parametrize(
    "sheet",
    [
        ".preheader{display:none}#pre{display:none}",
        "p{color:red} /* x */ .preheader, #pre { color: transparent; DISPLAY : none !important; }",
        "@import url(x.css); .preheader,#pre{display:none;} @media print { .other { display: block } }",
        "<!-- .preheader,#pre{display:none} --> span{display:inline}",
    ],
)
def test_concealed_by_a_style_sheet(sheet: str) -> None:
    """What a class or an id conceals is left out."""
    assert text_of(f"<style type=text/css>{sheet}</style>{SEEN_BY_NAME}") == "yes"


@pytest.mark.parametrize(
    "sheet",
    [
        "@media print{.preheader,#pre{display:none}}",
        "@media (max-width:9px){p{color:red} .preheader,#pre{display:none}}",
        ".preheader,#pre{display:none} @media (max-width:9px){.preheader,#pre{display:block}}",
        ".preheader,#pre{display:none} .preheader,#pre{display:block}",
        ".preheader,#pre{display:none} [class~=preheader],[id=pre]{display:block!important}",
        ".preheader,#pre{display:none} body *{display:block}",
        ".x .preheader, p.preheader, .preheader.x, #pre:hover{display:none}",
        "/* .preheader,#pre{display:none} */",
        ".PREHEADER,#PRE{display:none}",
        ".preheader,#pre{display:none;display:inline-block}",
        ".preheader,#pre{mso-display:none}",
    ],
)
def test_a_reader_may_see_it(sheet: str) -> None:
    """What is concealed on some screens alone, or shown again, stays."""
    assert text_of(f"<style>{sheet}</style>{SEEN_BY_NAME}") == "no\nno\nno\nyes"


@pytest.mark.parametrize(
    "source",
    [
        '<style media=print>.p{display:none}</style><b class="p">seen</b> x',
        "<!--[if mso]><style>.p{display:none}</style><![endif]--><b class=p>seen</b> x",
        '<style>.p{display:none}</style><b class="p" style="display:inline">seen</b> x',
        '<style>.p{display:none}</style><b class="p">seen x',
        '<style>.p{display:none}</style><b class="pp p-p">seen</b> x',
        "<style>.p{display:none}</style><b id=p>seen</b> x",
    ],
)
def test_a_style_sheet_is_for_others(source: str) -> None:
    """A sheet for print or Outlook, an element that is shown by its tag, and other names conceal nothing."""
    assert text_of(source) == "seen x"
