"""``${NAME}``: in force, never shown. And files that anybody may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.config.conftest import Tree

OPERATORS = "services/scheduler"
PASSWORD = "canary-pa55word"


def test_variables_are_expanded_and_shown_as_stars(tree: Tree) -> None:
    """In texts, lists and tables; the value is in force, what is shown has stars."""
    tree.write(
        "jobkit.toml",
        "[scheduler]\nstore = 'postgresql://app:${PW}@${HOST}/x'\n"
        "[jobs.a.parameters]\nkeys = ['${PW}', 'x']\n[plugins.p]\ntoken = 'literal-token'\nprice = '$${PW}'",
    )
    config = tree.load(variables={"PW": PASSWORD, "HOST": "db"})
    assert config.scheduler.store == f"postgresql://app:{PASSWORD}@db/x"
    assert config.job("a")["parameters"].value == {"keys": [PASSWORD, "x"]}
    assert config.plugins["p"]["price"].value == "${PW}"
    shown = repr(config.tree.shown)
    assert PASSWORD not in shown
    assert "literal-token" not in shown
    assert "postgresql://app:***@***/x" in shown
    store = config.setting("scheduler.store")
    assert store is not None
    assert store.show(store.stack[-1]) == "postgresql://app:***@***/x"


def test_a_password_in_clear_is_not_shown_either(tree: Tree) -> None:
    """Whoever writes one into a file has not asked to see it on every screen."""
    tree.write("jobkit.toml", f"[scheduler]\nstore = 'postgresql://app:{PASSWORD}@db/x'")
    config = tree.load(variables={"JOBKIT__PLUGINS__P__API_KEY": PASSWORD})
    assert PASSWORD not in repr(config.tree.shown)
    assert config.secrets == {PASSWORD}


def test_expanded_texts_are_known_as_secrets(tree: Tree) -> None:
    """So that logs can mask them wherever they turn up."""
    tree.write("jobkit.toml", "[plugins.p]\nurl = '${HOOK}'\nlevel = '${LEVEL}'")
    config = tree.load(variables={"HOOK": f"https://u:{PASSWORD}@x/y", "LEVEL": "info"})
    assert config.secrets >= {PASSWORD, f"https://u:{PASSWORD}@x/y"}
    assert "info" not in config.secrets


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("postgresql://shop@db.example:5432/shop?sslmode=require", set()),
        (f"postgresql://shop:{PASSWORD}@db.example/shop", {PASSWORD}),
        ("postgresql://shop:canary%40pa55word@db/shop", {"canary%40pa55word", "canary@pa55word"}),
        (f"postgresql://a:1,b:2/shop?user=shop&sslpassword={PASSWORD}", {PASSWORD}),
        (f"postgresql://db/shop?scram_client_key={PASSWORD}", {PASSWORD}),
    ],
)
def test_of_a_stores_address_only_what_is_secret_is_hidden(tree: Tree, url: str, secrets: set[str]) -> None:
    """Where a variable holds all of it: messages have to say which store it is."""
    tree.write("jobkit.toml", "[scheduler]\nstore = '${DATABASE_URL}'")
    assert tree.load(variables={"DATABASE_URL": url}).secrets == secrets


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://shop:a/{PASSWORD}@db/shop",
        f"postgresql://shop:a?{PASSWORD}@db/shop",
        f"postgresql://shop:a@{PASSWORD}@db/shop",
        f"postgresql://shop:a#{PASSWORD}@db/shop",
        f"postgresql://shop:a://{PASSWORD}@db/shop",
        f"https://store.example/{PASSWORD}",
        f"host=db password={PASSWORD}",
        PASSWORD,
    ],
)
def test_what_is_no_address_beyond_doubt_is_secret_as_a_whole(tree: Tree, url: str) -> None:
    """Where a password ends is not guessed at; and an address that is used elsewhere, too, is not shown."""
    tree.write("jobkit.toml", "[scheduler]\nstore = '${DATABASE_URL}'")
    assert url in tree.load(variables={"DATABASE_URL": url}).secrets
    tree.write("jobkit.toml", "[scheduler]\nstore = '${URL}'\n[plugins.p]\nstore = '${URL}'")
    assert "postgresql://shop@db/shop" in tree.load(variables={"URL": "postgresql://shop@db/shop"}).secrets


@pytest.mark.parametrize("text", ["scheduler]\nstore", "logs]\nlevel"])
def test_a_variable_without_a_text_is_named(tree: Tree, text: str) -> None:
    """With what to do, rather than that the value is another than expected; set, it is in force."""
    tree.write("jobkit.toml", f"[{text} = '${{SETTING}}'")
    (error,) = tree.errors(variables={"SETTING": ""})
    assert (error.code, error.line) == ("JK206", 2)
    assert error.message.endswith("the variable SETTING is empty")
    assert error.help == "set SETTING for the process that runs jobkit"
    value = "memory://" if "store" in text else "info"
    assert tree.load(variables={"SETTING": value}).scheduler.store


@pytest.mark.parametrize(
    ("text", "says", "advises"),
    [
        ("${MISSING}", "the environment variable MISSING is not set", "set MISSING"),
        ("x${DATABASE_ULR}y", "DATABASE_ULR is not set", "there is DATABASE_URL"),
        ("${}", "`${}` is not a variable", "write ${NAME}"),
        ("${A-B}", "`${A-B}` is not a variable", "write ${NAME}"),
        ("${DATABASE_URL", "`${DATABASE_URL` is not a variable", "`$${`"),
    ],
)
def test_a_variable_that_is_not_there(tree: Tree, text: str, says: str, advises: str) -> None:
    """JK208 names the line; with the variable set, it is in force."""
    tree.write(f"{OPERATORS}/config.toml", f"[scheduler]\n\nnode = '{text}'")
    (error,) = tree.errors(variables={"DATABASE_URL": "x"})
    assert (error.code, error.line) == ("JK208", 3)
    assert says in error.message
    assert advises in (error.help or "")
    assert tree.load(variables={"MISSING": "n1"}).scheduler.node == "n1" if text == "${MISSING}" else True


def test_only_what_is_in_force_is_expanded(tree: Tree) -> None:
    """A developer without the production database replaces the value and needs no variable."""
    tree.write("jobkit.toml", "[scheduler]\nstore = '${DATABASE_URL}'")
    assert tree.errors()[0].code == "JK208"
    config = tree.load(variables={"JOBKIT__SCHEDULER__STORE": "sqlite:///${x}.db"})
    assert config.scheduler.store == "sqlite:///${x}.db"


def test_an_expanded_value_is_checked_and_not_repeated(tree: Tree) -> None:
    """The message says what is expected; the value itself may be a secret."""
    tree.write("jobkit.toml", "[logs]\nlevel = '${LEVEL}'\n[jobs.a]\nenabled = '${FLAG}'")
    errors = tree.errors(variables={"LEVEL": PASSWORD, "FLAG": PASSWORD})
    assert [(error.code, error.line) for error in errors] == [("JK206", 2), ("JK205", 4)]
    assert all(PASSWORD not in error.message for error in errors)
    assert "the variable in it gives something else" in errors[0].message


def test_files_that_everybody_may_change_are_refused(tree: Tree) -> None:
    """JK209 names each file and folder; the command in the advice mends it."""
    config = tree.write(f"{OPERATORS}/config.toml", "[logs]\nlevel='debug'")
    config.chmod(0o666)
    config.parent.chmod(0o777)
    errors = tree.errors()
    assert [(error.code, error.path) for error in errors] == [("JK209", config.parent), ("JK209", config)]
    for error in errors:
        command, mode, path = (error.help or "").split("   ")[0].split(" ", 2)
        assert (command, mode, path) == ("chmod", "o-w", str(error.path))
        assert error.path is not None
        error.path.chmod(error.path.stat().st_mode & ~0o002)
    assert tree.load().logs.level == "debug"


def test_a_sticky_folder_is_no_danger(tree: Tree) -> None:
    """In it nobody can replace another's file."""
    tree.write(f"{OPERATORS}/config.toml").parent.chmod(0o1777)
    assert tree.load()


def test_the_developers_file_can_waive_permissions(tree: Tree) -> None:
    """On a file system without permissions everything is open; then the project may say that it knows."""
    tree.root.chmod(0o777)
    assert tree.errors()[0].path == tree.root
    tree.write("jobkit.toml", "[project]\ntrust_permissions = true").chmod(0o666)
    assert tree.load()
    tree.write("jobkit.toml", "")
    assert tree.load(variables={"JOBKIT__PROJECT__TRUST_PERMISSIONS": "true"})


def test_a_file_cannot_vouch_for_itself(tree: Tree) -> None:
    """An operators' file that everybody may change cannot declare that this is fine."""
    path = tree.write(f"{OPERATORS}/config.toml", "[project]\ntrust_permissions = true")
    path.chmod(0o666)
    assert [error.code for error in tree.errors()] == ["JK209"]
    path.chmod(0o644)
    path.parent.chmod(0o777)
    assert tree.load()
