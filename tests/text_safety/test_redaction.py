"""Secrets are masked wherever they stand: under a key, in a URL, in a pair, as a known text."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.redaction import MASK, Redactor, looks_secret, mask_url, redact, secrets_of

CANARY = "canary-7f3a91"
ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=120)
SECRET = st.text(
    alphabet=st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=40
).filter(lambda text: not text.isspace() and "*" not in text)


def words(text: str) -> list[str]:
    return text.split()


SECRET_KEYS = words("""
    password PASSWORD db_password dbPassword PGPASSWORD user-passwd pwd smtp_pass pass passphrase secret
    client_secret clientSecret AWS_SECRET_ACCESS_KEY token GITHUB_TOKEN access-token apikey api_key API-Key
    X-Api-Key private_key authorization Proxy-Authorization cookie Set-Cookie credentials auth basic_auth jwt
""")
PLAIN_KEYS = words("""
    key primary_key keyboard monkey author authority secretary token_count max_tokens total_tokens tokenizer
    password_file secret_name passenger compass first_pass user name url rows retention_days path
""")


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_names_of_secrets_are_known(key: str) -> None:
    """A value under this key is masked, in any spelling people use."""
    assert looks_secret(key)
    assert redact({key: CANARY}) == {key: MASK}


@pytest.mark.parametrize("key", PLAIN_KEYS)
def test_ordinary_names_are_left_alone(key: str) -> None:
    """A value under this key is useful and no secret."""
    assert not looks_secret(key)
    assert redact({key: "value"}) == {key: "value"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("no route to postgresql://app:hunter2@db:5432/x", "no route to postgresql://app:***@db:5432/x"),
        ("redis://:pw@cache/0", "redis://:***@cache/0"),
        ("amqp://me@x.org:pw@mq", "amqp://me@x.org:***@mq"),
        ("postgres://u:p@ss/w#rd?@h:5432/db.", "postgres://u:***@h:5432/db."),
        ("'mysql://u:pw@h','mysql://u:pw2@h2'", "'mysql://u:***@h','mysql://u:***@h2'"),
        ("mongodb://u:p1@h,mongodb://u:p2@h", "mongodb://u:***@h,mongodb://u:***@h"),
        ("https://ghp_0123456789abcdefghij@github.com/x", "https://***@github.com/x"),
        ("ssh://git@github.com/x", "ssh://git@github.com/x"),
        ("http://localhost:8080/users", "http://localhost:8080/users"),
        ("http://[::1]:8080/@me", "http://[::1]:8080/@me"),
        ('{"url":"http://x:80","mail":"a@b.c"}', '{"url":"http://x:80","mail":"a@b.c"}'),
        ("mail a@b.c about http://x", "mail a@b.c about http://x"),
    ],
)
def test_passwords_of_urls(text: str, masked: str) -> None:
    """The password goes, host and user stay; ports and mail addresses are no passwords."""
    assert mask_url(text) == masked
    assert mask_url(masked) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("host=db password=hunter2 dbname=x", "host=db password=*** dbname=x"),
        ("connect(host='h', password='a b', n=1)", "connect(host='h', password='***', n=1)"),
        ("{'password': 'hunter2', 'n': 1}", "{'password': '***', 'n': 1}"),
        ('{"api_key":"a\\"b","n":1}', '{"api_key":"***","n":1}'),
        ("{'primary_key': {'password': 'x1'}}", "{'primary_key': {'password': '***'}}"),
        ("{b'token': b'abc'}", "{b'token': b'***'}"),
        ("GET /?page=2&access_token=abc", "GET /?page=2&access_token=***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Cookie: a=1; session=2", "Cookie: ***"),
        ("sent Bearer abcdef0123456789", "sent Bearer ***"),
        (f"sent Basic {base64.b64encode(b'user:pw').decode()}", "sent Basic ***"),
        ("basic configuration of bearer certificates", "basic configuration of bearer certificates"),
        ("unexpected token: else", "unexpected token: else"),
        ("password=None token=null", "password=None token=null"),
        ("monkey=3 max_tokens=5", "monkey=3 max_tokens=5"),
    ],
)
def test_pairs_inside_texts(text: str, masked: str) -> None:
    """Driver errors, dumps and headers keep their shape and lose their secret."""
    assert redact(text) == masked
    assert redact(masked) == masked


def test_structures_are_searched_through() -> None:
    """Mappings, lists, tuples, sets and bytes are rebuilt; numbers and other objects stay."""
    value = {
        "rows": [1, 2.5, None, True],
        "nested": {"dsn": "x://u:pw@h", "password": 12345, "has_password": True, "secret": None},
        "pair": ("token=abc", b"password=abc"),
        "names": {CANARY},
    }
    assert redact(value, [CANARY]) == {
        "rows": [1, 2.5, None, True],
        "nested": {"dsn": "x://u:***@h", "password": MASK, "has_password": True, "secret": None},
        "pair": ("token=***", b"password=***"),
        "names": {MASK},
    }


def test_short_secrets_are_masked_by_key_only() -> None:
    """Seven characters occur by chance: by content a secret is looked for from eight on."""
    assert redact("admin and letmein!", ["admin", "letmein!"]) == "admin and ***"


def test_a_secret_of_several_lines_is_found_line_by_line() -> None:
    """A key in a file of its own is often printed one line at a time."""
    key = "-----BEGIN-----\nMIIEpAIBAAKCAQ\nq83vEjRWeJq8\n-----END-----"
    assert redact("line q83vEjRWeJq8 of it", [key]) == "line *** of it"


@pytest.mark.parametrize("spelled", [quote, json.dumps, repr])
def test_a_known_secret_is_found_in_every_spelling(spelled: Any) -> None:
    """Quoted for a URL, or escaped in a literal, it is still the same secret."""
    secret = 'p@"ss/w\\rd%9'
    assert secret not in redact(f"x {spelled(secret)} y", [secret])
    assert MASK in redact(f"x {spelled(secret)} y", [secret])


@given(ANY_TEXT, SECRET, ANY_TEXT)
def test_a_known_secret_never_survives(before: str, secret: str, after: str) -> None:
    """Wherever it stands in a text, a key, a list or a mapping."""
    text = f"{before}{secret}{after}"
    assert secret not in redact(text, [secret])
    assert secret not in repr(redact({"a": [text], text: (text,)}, [secret]))


@given(SECRET.filter(lambda text: not set(text) & set("'\"<>[")), ANY_TEXT)
def test_a_password_of_a_url_never_survives(secret: str, around: str) -> None:
    """Not even one that should have been quoted."""
    password = "".join(secret.split()) + "0123456789"
    masked = redact(f"{around} postgresql://app:{password}@db.local/shop {around}")
    assert f":{password}@" not in masked


@given(
    st.recursive(
        ANY_TEXT | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)
    )
)
def test_redacting_never_raises_and_can_be_repeated(value: Any) -> None:
    """Masking what was masked changes nothing."""
    once = redact(value, [CANARY])
    assert redact(once, [CANARY]) == once


@given(
    st.lists(
        st.sampled_from(
            [
                "password",
                "token",
                "key",
                "=",
                ":",
                "'",
                '"',
                " ",
                "://",
                "@",
                "u",
                "Bearer",
                "\\",
                ")",
                "\n",
                CANARY,
            ]
        )
    )
)
def test_redacting_crooked_pairs_can_be_repeated(parts: list[str]) -> None:
    """Even for text that is made of nothing but the patterns' own pieces."""
    once = redact("".join(parts), [CANARY])
    assert CANARY not in once
    assert redact(once, [CANARY]) == once


@given(st.integers(0, 400), st.integers(80, 300))
def test_a_cut_never_shows_the_beginning_of_a_secret(before: int, limit: int) -> None:
    """Masking comes first: a limit that falls into a secret leaves no half of it."""
    secret = "S3CRET" * 10
    shown = Redactor([secret]).text("x" * before + secret + "y" * 50_000, limit)
    assert len(shown) <= limit
    assert "S3" not in shown


def test_a_huge_text_is_cut_and_says_so() -> None:
    """Twenty megabytes of message are not searched to their end, and the end says what is missing."""
    shown = Redactor().show(ValueError("password=x " * 2_000_000), 500)
    assert len(shown) <= 500
    assert shown.startswith("password=*** ")
    assert "more characters)" in shown


def test_show_gives_one_safe_text_of_anything() -> None:
    """Masked, escaped and bounded; an exception gives its message, other objects their repr."""
    redactor = Redactor([CANARY])
    assert redactor.show(RuntimeError(f"{CANARY}\x1b[2J\nnext")) == "***\\x1b[2J\nnext"
    assert redactor.show(f"a\n{CANARY}", multiline=False) == "a\\n***"
    assert redactor.show([CANARY]) == "['***']"


def test_endless_structures_end() -> None:
    """A list that holds itself does not recurse for ever, and a lying mapping does not raise."""
    endless: list[Any] = []
    endless.append(endless)
    assert "…" in repr(redact(endless))

    class Lying(dict[str, str]):
        def items(self) -> Any:
            raise OSError("no")

    lying: dict[str, Any] = {"inner": Lying(a="b")}
    assert redact(lying) == {"inner": "<unreadable Lying: OSError>"}


def test_secrets_of_an_environment() -> None:
    """Values under secret names and passwords inside URLs are worth hiding; short ones are not."""
    environment = {
        "API_TOKEN": "tok-123456",
        "DATABASE_URL": "postgresql://app:s3cret-pw@db/x",
        "HOME": "/home/someone",
        "PIN_TOKEN": "1234",
        "nested": {"client_secret": "nested-secret"},
    }
    assert secrets_of(environment) == {"tok-123456", "s3cret-pw", "nested-secret"}


@pytest.mark.parametrize(
    "piece", ["key=", "a://b@", "password='", "passw", "bearer ", "pass" + "a" * 70, "=token:"]
)
def test_hostile_texts_are_searched_in_one_pass(piece: str) -> None:
    """A megabyte made of the patterns' own pieces takes a second, not the hours of trying again and again."""
    text = piece * (1_000_000 // len(piece))
    masked = redact(f"{text} password={CANARY}")
    assert CANARY not in masked
