"""From a store's address to the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from jobkit.exceptions import StoreError
from jobkit.sanitising import escape_controls, shorten

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.stores.base import Store

#: The kinds of stores that are jobkit's own.
SCHEMES: Final = ("memory", "sqlite")
#: These, and those of the distributions that belong to jobkit.
_KINDS: Final = (*SCHEMES, "postgresql", "postgres")
SQLITE_SWITCHES: Final = ("allow-network-fs",)
_EXAMPLE: Final = "sqlite:///.jobkit/jobkit.db"


def store_of(config: Config, *, read_only: bool = False) -> Store:
    """The store that *config* names, as :func:`open_store` gives it; errors say where it is named."""
    try:
        return open_store(
            config.scheduler.store,
            project=config.project.name,
            root=config.root,
            read_only=read_only,
            trust_permissions=config.project.trust_permissions,
        )
    except StoreError as error:
        origin = config.origin("scheduler.store")
        named = f"{origin.name}: " if origin.path is None and origin.name is not None else ""
        raise StoreError(
            f"{named}{error.message}",
            code=error.code,
            path=origin.path,
            line=origin.line,
            help=error.help,
        ) from None


def open_store(
    url: str,
    *,
    project: str,
    root: Path,
    read_only: bool = False,
    trust_permissions: bool = False,
) -> Store:
    """The store at *url*, to be entered with ``async with``; nothing is opened yet.

    ``sqlite:///path`` is a file relative to *root*, ``sqlite:////path`` an absolute one, with
    ``?allow-network-fs=1`` also on a network file system; ``memory://`` is forgotten when it is let
    go. StoreError for anything else: it names what exists, and shows no more of *url* than its
    scheme, because addresses hold passwords.
    """
    scheme, separator, rest = url.partition(":")
    if url.startswith("${"):
        raise StoreError(
            "variables are expanded in configuration files, and not where a variable is the setting",
            code="JK604",
            help='write it into [scheduler] store, or let the shell do it: JOBKIT__SCHEDULER__STORE="$NAME"',
        )
    if not separator:
        raise _bad_address("a run store's address starts with its kind", f"write something like {_EXAMPLE}")
    match scheme.lower():
        case "memory":
            if rest != "//":
                raise _bad_address("the address of the store in memory has no path", "write memory://")
            return _memory(project)
        case "sqlite":
            return _sqlite(url, project, root, read_only=read_only, trust_permissions=trust_permissions)
        case "postgresql" | "postgres":
            raise _bad_address(
                "no run store for postgresql:// is installed",
                f"install the distribution jobkit-postgres beside jobkit-core, or write {_EXAMPLE}",
            )
        case other:
            raise _unknown_kind(other)


def _memory(project: str) -> Store:
    from jobkit.stores.memory import MemoryStore

    return MemoryStore(project=project)


def _sqlite(url: str, project: str, root: Path, *, read_only: bool, trust_permissions: bool) -> Store:
    from jobkit.stores.sqlite.store import SqliteStore

    path, switches = _sqlite_address(url)
    return SqliteStore(
        path,
        project=project,
        root=root,
        read_only=read_only,
        allow_network=switches.get("allow-network-fs", False),
        trust_permissions=trust_permissions,
        url=url,
    )


def _sqlite_address(url: str) -> tuple[Path, dict[str, bool]]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _bad_address("the address of the run store is not a URL", f"write {_EXAMPLE}") from error
    path = unquote(parts.path, errors="surrogateescape").removeprefix("/")
    if parts.netloc or not parts.path.startswith("/"):
        raise _bad_address(
            "an SQLite address has three slashes and then the path, or four before an absolute one",
            f"write {_EXAMPLE} or sqlite:////var/lib/shop/jobkit.db",
        )
    if not path or path.endswith("/") or "\0" in path:
        raise _bad_address("the address of the run store names no file", f"write {_EXAMPLE}")
    if path == ":memory:":
        raise _bad_address("SQLite's own memory is not shared between connections", "write memory://")
    if parts.fragment:
        raise _bad_address("the address of the run store contains a '#'", "write %23 for it")
    return Path(path), _switches(parts.query)


def _switches(query: str) -> dict[str, bool]:
    switches: dict[str, bool] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        shown = shorten(escape_controls(name), 40)
        if name not in SQLITE_SWITCHES:
            raise _bad_address(
                f"an SQLite address has no switch '{shown}'", f"it has {', '.join(SQLITE_SWITCHES)}"
            )
        if value not in {"0", "1"}:
            raise _bad_address(
                f"the switch '{shown}' of the run store's address is 0 or 1", f"write {name}=1"
            )
        switches[name] = value == "1"
    return switches


def _unknown_kind(scheme: str) -> StoreError:
    import difflib

    # The drivers of other libraries stand behind a plus.
    wanted = scheme.partition("+")[0][:40]
    close = difflib.get_close_matches(wanted, _KINDS, n=1, cutoff=0.7)
    kinds = f"write {_EXAMPLE}, memory:// or, with jobkit-postgres, postgresql://app@db.example/shop"
    return _bad_address(
        f"there is no kind of run store called '{shorten(escape_controls(scheme), 40)}'",
        f"did you mean {close[0]}://? If not, {kinds}" if close else f"{kinds}; plugins bring further kinds",
    )


def _bad_address(message: str, help: str) -> StoreError:
    return StoreError(message, code="JK604", help=f"{help} in [scheduler] store")
