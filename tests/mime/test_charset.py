"""Decoding octets under labels as mail has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.mime.charset import clean, codec, decode

POLISH = "Zażółć gęślą jaźń, proszę"


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("utf-8", "utf-8", POLISH),
        ("windows-1250", "cp1250", POLISH),
        ("ISO-8859-2", "iso8859-2", POLISH),
        ("iso_8859-2", "iso8859-2", POLISH),
        ("ibm852", "cp852", POLISH),
        ("x-mac-ce", "mac_latin2", POLISH),
        ("koi8-r", "koi8_r", "Привет, мир"),
        ("windows-1251", "cp1251", "Привет, мир"),
        ("gb2312", "gbk", "汉字與鎔"),
        ("gb18030", "gb18030", "汉字\U0002070e"),
        ("big5", "big5", "漢字中文"),
        ("iso-2022-jp", "iso2022_jp", "日本語テキスト"),
        ("ISO-2022-JP", "iso2022_jp_ext", "ﾊﾝｶｸ"),
        ("Shift_JIS", "cp932", "日本語①"),
        ("euc-jp", "euc_jp", "日本語"),
        ("ks_c_5601-1987", "cp949", "한국어 똠방각하"),
        ("iso-2022-kr", "iso2022_kr", "한국어"),
        ("hz-gb-2312", "hz", "汉字"),
        ("iso-8859-8-i", "iso8859-8", "שלום"),
        ("unicode-1-1-utf-7", "utf-7", POLISH),
        ("utf-16", "utf-16", POLISH + "\n"),
        ("iso-8859-15", "iso8859-15", "Grüße für 5 €"),
        ("us-ascii", "ascii", "plain"),
    ],
)
def test_right_labels_are_believed(label: str, encoding: str, text: str) -> None:
    """Text under its own label comes out as it went in."""
    assert decode(text.encode(encoding), label) == text


@pytest.mark.parametrize(
    ("octets", "label"),
    [
        (b"a\x0bb\x0cc", ""),
        ("ż\x0bb\x0cc".encode(), "utf-8"),
        ("a\x85b\x0cc".encode(), "utf-8"),
        (b"a\x85b\x0bc", "iso-8859-15"),
        ("a\x0bb\x85c".encode("utf-16"), "utf-16"),
        (b"a\x0bb\x0cc", "iso-2022-jp"),
    ],
)
def test_other_line_ends(octets: bytes, label: str) -> None:
    """A vertical tab, a form feed and NEL part words."""
    assert decode(octets, label).replace("ż", "a").split("\n") == ["a", "b", "c"]


@pytest.mark.parametrize("label", ["", "us-ascii", "iso-8859-1", "x-unknown", "default", "cp437"])
def test_utf8_needs_no_label(label: str) -> None:
    """Valid UTF-8 is read as such under no label, an unknown one or one for single octets."""
    assert decode(POLISH.encode(), label) == POLISH


@pytest.mark.parametrize(
    "label", ["", "us-ascii", "iso-8859-1", "windows-1252", "utf-8", "nonsense"]
)
@pytest.mark.parametrize("encoding", ["cp1250", "iso8859-2"])
def test_polish_under_a_false_label(label: str, encoding: str) -> None:
    """Letters that only Polish has between letters tell windows-1250 and ISO 8859-2 apart."""
    assert decode(POLISH.encode(encoding), label) == POLISH


def test_windows_polish_labelled_iso() -> None:
    """Octets that are no letters in ISO 8859-2 show that the label means windows-1250."""
    assert decode(POLISH.encode("cp1250"), "iso-8859-2") == POLISH


def test_western_text_without_a_label() -> None:
    """What is neither UTF-8 nor Polish is windows-1252, its undefined octets left out."""
    assert decode("Grüße “für” 10 m³".encode("cp1252") + b"\x81\x9d", "") == "Grüße “für” 10 m³"


def test_foreign_octets_in_utf8() -> None:
    """A few foreign octets in UTF-8, as in a list's footer, do not spoil the rest."""
    octets = "Zażółć gęślą jaźń — Grüße".encode() + "\nGrüße".encode("latin-1")
    assert decode(octets, "utf-8") == "Zażółć gęślą jaźń — Grüße\nGrüße"


def test_a_cut_letter_without_a_label() -> None:
    """UTF-8 that ends within a letter is still UTF-8."""
    assert decode("Картинка".encode()[:-1]).startswith("Картинк")


def test_chinese_that_is_valid_utf8_too() -> None:
    """Two letters of GBK may be valid UTF-8; the label decides."""
    octets = "模".encode("gbk")
    assert octets.decode("utf-8")
    assert decode(octets, "gbk") == "模"


def test_utf8_under_a_chinese_label() -> None:
    """UTF-8 labelled gb2312 is found out where it is no valid GB 18030."""
    assert decode("你好！".encode(), "gb2312") == "你好！"


def test_japanese_without_a_label() -> None:
    """The shifts of ISO-2022-JP are seen in text without a label."""
    assert decode("件名: 日本語".encode("iso2022_jp")) == "件名: 日本語"


def test_false_utf16() -> None:
    """Without a NUL there is no line in UTF-16: the text is read as if it had no label."""
    assert decode(b"plain text\r\n", "utf-16") == "plain text\n"


def test_line_ends_and_controls() -> None:
    """Line ends become LF; controls vanish, in each of their spellings; tabs stay."""
    assert decode(b"a\r\nb\rc\n\td\0\x07\x1b[31m\x7f") == "a\nb\nc\n\td[31m"
    assert decode("a\x85b\x9fc\u0100".encode(), "utf-8") == "a\nbc\u0100"
    assert decode(b"a\x07\xe9", "iso-8859-5") == "aщ"
    assert clean("a\ud800b\x00\r\nc") == "ab\nc"


def test_no_lone_surrogates() -> None:
    """Surrogates in UTF-7 or encoded as UTF-8 do not reach the text."""
    decode(b"+2AA-", "utf-7").encode()
    decode(b"\xed\xa0\x80", "utf-8").encode()


@pytest.mark.parametrize(
    "label", ["punycode", "idna", "unicode_escape", "zlib", "hex", "rot13", "x" * 9999]
)
def test_codecs_that_are_no_charsets(label: str) -> None:
    """Python's codecs that are slow, or no charsets at all, cannot be asked for by mail."""
    assert codec(label) is None
    assert decode(b"a\\u0041", label) == "a\\u0041"


RUSSIAN = "Договор об аренде помещения и другие документы"
GREEK = "Σας στέλνω την προσφορά που ζητήσατε χθες"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp1251"),
        (GREEK, "cp1253"),
        ("שלום לכולם, מצורפת ההצעה", "cp1255"),
        ("附件是本月的发票，请查收。", "gb18030"),
        ("これは日本語のメールです。添付を", "euc_jp"),
        ("첨부한 견적서를 확인해 주세요", "cp949"),
        ("Grüße aus Köln, bis später", "cp1252"),
        ("Été à Noël, ça va", "cp1252"),
    ],
)
@pytest.mark.parametrize("label", ["", "us-ascii", "iso-8859-1"])
def test_text_without_a_label(text: str, name: str, label: str) -> None:
    """Octets that no label explains are told by which of them come how often."""
    assert decode(text.encode(name), label) == text


@pytest.mark.parametrize(
    ("text", "name", "label"),
    [
        ("Sąd dał wyrok", "cp1250", "iso-8859-2"),
        ("Źle i ślisko są", "cp1250", "iso-8859-2"),
        ("Sąd dał wyrok, proszę", "iso8859-2", "windows-1250"),
        ("Škoda a další věci", "iso8859-2", "iso-8859-2"),
        ("Škoda a další věci", "cp1250", "iso-8859-2"),
        ("Škoda a další věci ± 3", "cp1250", "windows-1250"),
        ("简体字和镕", "gb18030", "gb2312"),
        ("Zażółć ~ +", "utf-7", "unicode-1-1-utf-7"),
        ("半角ｶﾅ", "iso2022_jp_ext", "iso-2022-jp"),
    ],
)
def test_labels_that_lie_a_little(text: str, name: str, label: str) -> None:
    """Charsets that are taken for each other: text is what was written."""
    assert decode(text.encode(name), label) == text


def test_japanese_with_windows_letters() -> None:
    """Outlook writes letters into ISO-2022-JP that the standard does not have."""
    octets = b'\x1b$B-!-j%+\x1b(B abc \x1b$B$"\x1b(B'
    assert decode(octets, "iso-2022-jp") == "①㈱カ abc あ"


SENTENCES = {
    "pl": "W załączniku przesyłam książkę, którą Pan zamówił. Proszę dać znać, czy są jeszcze "
    "jakieś źródła; Łódź będzie gościć świąteczną wystawę. Dziękuję, życzę miłego dnia",
    "cs": "Dobrý den, v příloze zasílám fakturu za služby, prosím o úhradu. Děkuji a přeji hezký "
    "večer. Žluťoučký kůň úpěl ďábelské ódy, šest řízků",
    "sk": "Dobrý deň, v prílohe posielam faktúru, prosím o úhradu. Ďakujem a želám pekný večer, "
    "ľudia v Košiciach už čakajú, ktoré dĺžky chceme objednať",
    "hu": "Jó napot kívánok, mellékelten küldöm a számlát, kérem a fizetést. Köszönöm szépen, "
    "őszinte üdvözlettel; a következő időpont hűvös lesz, szükség szerint később",
}


@pytest.mark.parametrize("label", ["", "us-ascii", "iso-8859-1", "utf-8", "x-unknown"])
@pytest.mark.parametrize("encoding", ["cp1250", "iso8859-2"])
@pytest.mark.parametrize("text", SENTENCES.values(), ids=SENTENCES)
def test_central_european_text_without_a_label(text: str, encoding: str, label: str) -> None:
    """Letters tell Polish, Czech, Slovak and Hungarian text from Western, and its charset."""
    assert decode(text.encode(encoding), label) == text


@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("cp1250", "windows-1250"),
        ("iso8859-2", "iso-8859-2"),
        ("cp1250", "iso-8859-2"),
        ("iso8859-2", "windows-1250"),
    ],
)
@pytest.mark.parametrize("text", SENTENCES.values(), ids=SENTENCES)
def test_labels_of_central_europe(text: str, encoding: str, label: str) -> None:
    """Windows-1250 and ISO 8859-2 are taken for each other; text is what was written."""
    assert decode(text.encode(encoding), label) == text


@given(
    st.lists(st.sampled_from(SENTENCES["pl"].split()), max_size=30),
    st.sampled_from(["są", "którą książkę", "żądać", "załączyć gałąź", "Wąż", "mąż i żona są"]),
    st.lists(st.sampled_from(SENTENCES["pl"].split()), max_size=30),
    st.sampled_from(["cp1250", "iso8859-2"]),
    st.sampled_from(["", "us-ascii", "iso-8859-1"]),
)
def test_polish_words_in_any_order(
    before: list[str], words: str, behind: list[str], encoding: str, label: str
) -> None:
    """An ą beside ż or ł and at a word's end is one, whatever stands around it."""
    text = " ".join([*before, "książka", words, *behind, "proszę", "żółty"])
    assert decode(text.encode(encoding), label) == text


WESTERN = (
    "Größe für Mädchen Übung Füße à été où ça mañana año você não está più perché åtta på över æble "
    "øl blå työ yö kaikki and the in order 10 m² 20° § 5 «ja» naïve Zoë œuvre"
)


@given(st.lists(st.sampled_from(WESTERN.split()), max_size=40))
def test_western_words_stay_western(words: list[str]) -> None:
    """Text of several Western languages at once is not taken for another charset's."""
    text = " ".join(words)
    assert decode(text.encode("cp1252")) == text


UNLABELLED = [
    ("cp932", "お世話になっております。明日の会議についてご連絡いたします。"),
    ("cp932", "お願い"),
    ("cp932", "Re: ご注文の確認 (order 1234)"),
    ("big5", "您好，請查收附件中的會議記錄。謝謝您的合作與支持。"),
    ("big5", "Fw: 純商業辦公室出租，歡迎參觀 office"),
    ("gb18030", "您好，请查收附件中的发票。谢谢您的合作与支持"),
    ("gb18030", "法律之前人人平等，任何人的财产不得任意剥夺。"),
    ("cp874", "สวัสดีครับ กรุณาตรวจสอบใบแจ้งหนี้ที่แนบมาด้วย ขอบคุณมากครับ"),
    ("cp1256", "السلام عليكم ورحمة الله، أرسل إليكم الفاتورة المرفقة"),
    ("iso8859-6", "السلام عليكم ورحمة الله، أرسل إليكم الفاتورة المرفقة"),
    ("cp1254", "İyi günler, ekte faturayı gönderiyorum, lütfen kontrol ediniz. Teşekkürler"),
    ("cp1254", "Bu sistemle artık istediğiniz müzikleri albümler halinde indirin"),
    ("iso8859-5", RUSSIAN),
    ("cp866", RUSSIAN),
    ("koi8_u", "Надсилаю вам рахунок за послуги, дякую за співпрацю і чекаю на відповідь"),
    ("cp1257", "Siunčiu jums sąskaitą už paslaugas, ačiū už bendradarbiavimą, lauksiu žinių"),
    (
        "cp1250",
        "Poštovani, šaljem vam račun, molim da ga što prije platite. Hvala i doviđenja, Šćepan",
    ),
    ("cp1250", "Bună ziua, vă trimit factura şi aştept plata până sâmbătă, mulţumesc"),
]


@pytest.mark.parametrize("label", ["", "us-ascii", "iso-8859-1", "utf-8"])
@pytest.mark.parametrize(("encoding", "text"), UNLABELLED)
def test_other_scripts_without_a_label(encoding: str, text: str, label: str) -> None:
    """What letters are common tells the charset."""
    assert decode(text.encode(encoding), label) == text


@pytest.mark.parametrize(("encoding", "text"), UNLABELLED)
def test_text_cut_anywhere(encoding: str, text: str) -> None:
    """Text of many lines is read as one charset, wherever what is looked at ends."""
    for blanks in range(4):
        long = " " * blanks + "\n".join([text] * 200)
        assert decode(long.encode(encoding)) == long


@pytest.mark.parametrize("octets", [b"\xe9" * 7, b"> \xa0\xa0\xa0\xa0\xa0 - \xa0\xa0\xa0 x"])
def test_octets_that_repeat_say_nothing(octets: bytes) -> None:
    """Blanks in a row, or one letter over and over, are no words of another script."""
    assert decode(octets) == octets.decode("latin-1")


@given(st.binary(max_size=300), st.sampled_from(["", "windows-1250", "iso-8859-2"]))
def test_any_octets_are_read(octets: bytes, label: str) -> None:
    """Whatever the octets are, what is read has no controls and can be written."""
    text = decode(octets, label)
    assert clean(text) == text
    text.encode()
