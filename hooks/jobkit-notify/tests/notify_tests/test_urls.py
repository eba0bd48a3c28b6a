"""URLs: taken apart, checked, and told nobody whole."""

from __future__ import annotations

import pytest
from jobkit_notify.urls import Url


@pytest.mark.parametrize(
    ("text", "authority", "target"),
    [
        ("https://hooks.example.org", "hooks.example.org", "/"),
        ("HTTPS://Hooks.Example.org/A/b?c=D#e", "hooks.example.org", "/A/b?c=D"),
        ("http://h:8080/x", "h:8080", "/x"),
        ("http://h:80/x", "h", "/x"),
        ("https://[2606:4700::1]:8443/", "[2606:4700::1]:8443", "/"),
        ("https://bücher.example/grün?a=ö", "xn--bcher-kva.example", "/gr%C3%BCn?a=%C3%B6"),
        ("https://h/a%2Fb", "h", "/a%2Fb"),
        ("https://user:p%40ss@h/x", "h", "/x"),
        ("https://my_service/x", "my_service", "/x"),
    ],
)
def test_a_url_is_taken_apart(text: str, authority: str, target: str) -> None:
    """Into what goes into a request's first lines."""
    url = Url.parse(text)
    assert (url.authority, url.target) == (authority, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example.org/x",
        "ftp://h/x",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://h:port/",
        "https://h:99999/",
        "https://[::1/",
        "https://h/a b",
        "https://h/a\r\nX: y",
        "https://h/\x00",
        "https://" + "a" * 64 + ".example/",
        "https://a..b/",
        "https://h/" + "x" * 9000,
    ],
)
def test_what_is_none_is_refused_without_being_repeated(text: str) -> None:
    """A URL that cannot be read may hold a key as well as one that can."""
    with pytest.raises(ValueError) as refused:
        Url.parse(text)
    assert len(text) < 12 or text not in str(refused.value)


def test_only_scheme_and_host_are_shown() -> None:
    """Paths, queries and user names are keys: neither the text for errors nor ``repr`` has them."""
    url = Url.parse("https://user:password@hooks.example.org:8443/services/T0KEN?key=SECRET")
    assert url.shown == "https://hooks.example.org:8443"
    assert not {"user", "password", "T0KEN", "SECRET"} & set(
        repr(url).replace(":", " ").replace("/", " ").split()
    )


def test_one_step_further_down() -> None:
    """What is added to the path comes before the query, which keeps what it had."""
    url = Url.parse("https://hc.example/key/job/?create=1").below("start", rid="1-2")
    assert url.target == "/key/job/start?create=1&rid=1-2"


def test_user_and_password_become_a_header() -> None:
    """Decoded, as RFC 7617 has it."""
    assert Url.parse("https://user:p%40ss@h/x").authorization == "Basic dXNlcjpwQHNz"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.1.2.3", "localhost", "hooks.localhost", "LOCALHOST"]
)
def test_what_is_private_at_sight_is_seen_at_once(host: str) -> None:
    """Before anything is sent: a mistake in configuration is told while it is read."""
    url = Url.parse(f"http://{host}/")
    assert url.refusal(allow_private=False)
    assert not url.refusal(allow_private=True)


def test_names_are_judged_when_they_are_resolved() -> None:
    """A name alone says nothing."""
    assert Url.parse("https://hooks.example.org").refusal(allow_private=False) is None
