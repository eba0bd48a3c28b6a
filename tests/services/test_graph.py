"""Who asks for what: found before anything is opened, or refused with the chain of who asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import pytest

from jobkit import Service, ServiceSpec
from jobkit.clock import Clock
from jobkit.exceptions import ServiceError, ServiceNotFound
from jobkit.project_checks import faults_of_services
from jobkit.services import builtin_specs
from jobkit.services.graph import Provider, ServiceGraph, resolve

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.config import Config
    from tests.services.conftest import MakeJob

T = TypeVar("T")


class Database: ...


class Cache: ...


class Fake: ...


class Special(Database): ...


class Pool(Generic[T]): ...


def open_db() -> Database:
    return Database()


def open_replica() -> Database:
    return Database()


def open_cache() -> Cache:
    return Cache()


DB = ServiceSpec(open_db, name="db")
REPLICA = ServiceSpec(open_replica, name="replica")
CACHE = ServiceSpec(open_cache, name="cache")


def names(function: Callable[..., Any], services: Sequence[ServiceSpec], job: MakeJob) -> list[str | None]:
    """The names of the services that the function's arguments get."""
    plan = resolve(job(function), services)
    return [node.spec.name if node is not None else None for node in plan.arguments]


def refusal(function: Callable[..., Any], services: Any, job: MakeJob) -> ServiceError:
    """The error of planning for the function."""
    with pytest.raises(ServiceError) as caught:
        resolve(job(function), services)
    return caught.value


# -- how a request is answered ------------------------------------------------------------------------


def test_by_exact_type(job: MakeJob) -> None:
    """The name of the argument does not matter then."""

    async def report(ctx: object, anything: Database, other: Cache) -> None: ...

    assert names(report, [DB, CACHE], job) == ["db", "cache"]


def test_a_subclass_is_another_type(job: MakeJob) -> None:
    """Exact means exact."""

    async def report(ctx: object, database: Special) -> None: ...

    assert refusal(report, [DB], job).code == "JK402"


def test_among_several_of_a_type_the_name_chooses(job: MakeJob) -> None:
    """An argument that is called like one of them means that one."""

    async def report(ctx: object, replica: Database, db: Database) -> None: ...

    assert names(report, [DB, REPLICA], job) == ["replica", "db"]


def test_by_name_if_nothing_provides_the_type(job: MakeJob) -> None:
    """Without an annotation, or with one that says no more than the name."""

    async def report(ctx: object, db, cache: Any) -> None: ...  # type: ignore[no-untyped-def]

    assert names(report, [DB, CACHE], job) == ["db", "cache"]


def test_by_marker(job: MakeJob) -> None:
    """The marker wins over type and name."""

    async def report(ctx: object, db: Annotated[Database, Service("replica")]) -> None: ...

    assert names(report, [DB, REPLICA], job) == ["replica"]


def test_a_generic_is_found_by_its_class(job: MakeJob) -> None:
    """``Pool[int]`` if somebody provides that, else ``Pool``."""

    async def report(ctx: object, pool: Pool[int]) -> None: ...

    exact = ServiceSpec(Pool, name="exact", provides=Pool[int])
    assert names(report, [ServiceSpec(Pool, name="any"), exact], job) == ["exact"]
    assert names(report, [ServiceSpec(Pool, name="any")], job) == ["any"]


def test_an_optional_service_may_be_missing(job: MakeJob) -> None:
    """``Database | None`` gets None where nothing provides it."""

    async def report(ctx: object, db: Database | None, cache: Cache | None) -> None: ...

    assert names(report, [CACHE], job) == [None, "cache"]


def test_a_factory_asks_in_the_same_way(job: MakeJob) -> None:
    """By type, name, marker; what has a default is left alone if nothing provides it."""

    def open_repository(
        anything: Database, cache: Cache | None, size: int = 5, *, second: Annotated[Database, Service("db")]
    ) -> Pool[int]:
        return Pool()

    async def report(ctx: object, pool: Pool[int]) -> None: ...

    [node] = resolve(job(report), [DB, ServiceSpec(open_repository, name="pool")]).arguments
    assert node is not None
    needed = [(request.parameter, inner and inner.spec.name) for request, inner in node.arguments]
    assert needed == [("anything", "db"), ("cache", None), ("second", "db")]


def test_a_service_that_is_used_always_is_planned_for_every_job(job: MakeJob) -> None:
    """``autouse`` services come first, for jobs without arguments too."""

    async def report(ctx: object) -> None: ...

    always = ServiceSpec(open_cache, name="cache", scope="run", autouse=True)
    assert [node.spec.name for node in resolve(job(report), [DB, always])] == ["cache"]


# -- the built-in ones --------------------------------------------------------------------------------


def test_built_in_services_are_found_by_name(job: MakeJob) -> None:
    """Without any annotation."""

    async def report(ctx, log, clock, config, project) -> None: ...  # type: ignore[no-untyped-def]

    assert names(report, builtin_specs(), job) == ["log", "clock", "config", "project"]


def test_built_in_services_are_found_by_type(job: MakeJob) -> None:
    """Under any name."""
    from structlog.typing import FilteringBoundLogger

    from jobkit.config import Config

    async def report(ctx: object, a: FilteringBoundLogger, b: Clock, c: Config, root: Path) -> None: ...

    report.__annotations__.update(a=FilteringBoundLogger, c=Config)
    assert names(report, builtin_specs(), job) == ["log", "clock", "config", "project"]


def test_a_built_in_name_with_a_foreign_type_is_refused(job: MakeJob) -> None:
    """``config: dict`` would not be what it says (JK409)."""

    async def report(ctx: object, config: Fake) -> None: ...

    error = refusal(report, builtin_specs(), job)
    assert (error.code, error.message) == (
        "JK409",
        "job report asks for `config: Fake`, and `config` is Config",
    )


# -- what is refused ----------------------------------------------------------------------------------


def test_a_missing_service_names_what_there_is(job: MakeJob) -> None:
    """With the closest name and everything available, at the line of the job (JK402)."""

    async def report(ctx: object, dbb: object) -> None: ...

    error = refusal(report, [DB, CACHE], job)
    assert isinstance(error, ServiceNotFound)
    assert (error.code, error.line, str(error.path)) == ("JK402", 7, "extensions/web/jobs/report.py")
    assert error.message == "job report asks for `dbb: object`, and nothing provides it"
    assert error.help is not None
    assert error.help.splitlines() == ["did you mean `db`?", "available: cache (Cache), db (Database)"]


def test_an_argument_without_a_type_may_be_a_parameter_without_its_star(job: MakeJob) -> None:
    """The help says so."""

    async def report(ctx, days) -> None: ...  # type: ignore[no-untyped-def]

    assert "put `*` before it" in (refusal(report, [DB], job).help or "")


def test_a_factory_that_lacks_a_service_is_told_what_helps_it(job: MakeJob) -> None:
    """At its own line: a `*`, which helps a job, would not help."""

    def open_repository(dsn) -> Cache:  # type: ignore[no-untyped-def]
        return Cache()

    async def report(ctx: object, repository: object) -> None: ...

    spec = ServiceSpec(open_repository, name="repository")
    error = refusal(report, [DB, spec], job)
    assert error.message == "service repository asks for `dsn`, and nothing provides it"
    assert (error.path, error.line) == spec.place
    assert "if `dsn` is a setting, give it a default" in (error.help or "")
    assert "put `*`" not in (error.help or "")

    def with_default(dsn: str = "local") -> Cache:
        return Cache()

    assert names(report, [ServiceSpec(with_default, name="repository")], job) == ["repository"]


def test_a_type_of_the_same_line_is_named(job: MakeJob) -> None:
    """Types are compared exactly; the help says so, and each of its ways out leads somewhere (JK402)."""

    async def report(ctx: object, anything: Database) -> None: ...

    special = ServiceSpec(Special, name="special")
    help = refusal(report, [special, CACHE], job).help or ""
    assert "types are compared exactly: service `special` provides `Special`, a `Database`" in help
    assert "ask for `Special`" in help
    assert 'Annotated[Database, Service("special")]' in help
    assert "provides=Database" in help
    assert names(report, [ServiceSpec(Special, name="special", provides=Database)], job) == ["special"]

    async def marked(ctx: object, anything: Annotated[Database, Service("special")]) -> None: ...

    assert names(marked, [special], job) == ["special"]

    async def narrower(ctx: object, anything: Special) -> None: ...

    assert "provides `Database`, of which `Special` is a subclass" in (
        refusal(narrower, [DB], job).help or ""
    )


def test_a_type_that_nobody_provides_can_be_provided(job: MakeJob) -> None:
    """The help says how."""

    async def report(ctx: object, anything: Cache) -> None: ...

    help = refusal(report, [DB], job).help or ""
    assert "`jobkit new service hooks/NAME.py` writes what provides one: its factory returns `Cache`" in help


def test_what_replaces_nothing_is_told() -> None:
    """With the closest name (JK406); under that name it replaces."""
    wrong = ServiceGraph([CACHE, ServiceSpec(open_db, name="cachee", replaces=True)])
    assert [(error.code, error.message) for error in wrong.errors] == [
        ("JK406", "service `cachee` replaces nothing: no other service has that name")
    ]
    assert wrong.errors[0].help == "did you mean `cache`?"
    for services in ([CACHE, DB], [DB, CACHE]):
        specs = [ServiceSpec(item.factory, name="cache", replaces=item is DB) for item in services]
        right = ServiceGraph(specs)
        assert right.errors == []
        assert right.find("cache").spec.replaces


def test_a_factory_whose_annotation_cannot_be_read_is_told() -> None:
    """No type would find its service (JK406); a type said besides mends it."""

    def factory() -> Unknown:  # type: ignore[name-defined]  # noqa: F821 - that is what is tested
        ...

    [fault] = faults_of_services(ServiceGraph([ServiceSpec(factory, name="db")]), [])
    assert (fault.code, fault.line) == ("JK406", factory.__code__.co_firstlineno)
    assert "its factory returns `Unknown`, which cannot be evaluated here" in fault.message
    mended = ServiceGraph([ServiceSpec(factory, name="db", provides=Database), *builtin_specs()])
    assert faults_of_services(mended, []) == []


def test_several_of_a_type_are_ambiguous(job: MakeJob) -> None:
    """They are listed, with the two ways to choose (JK403)."""

    async def report(ctx: object, database: Database) -> None: ...

    error = refusal(report, [DB, REPLICA], job)
    assert (error.code, error.message) == (
        "JK403",
        "job report asks for `database: Database`, and 2 services are of that type: db, replica",
    )
    assert 'Annotated[Database, Service("db")]' in (error.help or "")


def test_choosing_by_marker_mends_it(job: MakeJob) -> None:
    """As the help says (JK403)."""

    async def report(ctx: object, database: Annotated[Database, Service("db")]) -> None: ...

    assert names(report, [DB, REPLICA], job) == ["db"]


def test_services_that_need_each_other_are_refused(job: MakeJob) -> None:
    """The circle is drawn, and who asked first (JK404); with one argument less it can be opened."""

    def open_a(b: object) -> Database:
        return Database()

    def open_b(c: object) -> Cache:
        return Cache()

    def open_c(a: object) -> int:
        return 5

    circle = [ServiceSpec(open_a, name="a"), ServiceSpec(open_b, name="b"), ServiceSpec(open_c, name="c")]

    async def report(ctx: object, a: object) -> None: ...

    error = refusal(report, circle, job)
    assert (error.code, error.message) == ("JK404", "services need each other in a circle: a → b → c → a")
    assert "asked for by: job report (extensions/web/jobs/report.py:7) → service a (" in (error.help or "")

    def open_c_alone() -> int:
        return 5

    assert names(report, [*circle[:2], ServiceSpec(open_c_alone, name="c")], job)


def test_a_circle_is_drawn_in_the_same_words_wherever_it_is_entered() -> None:
    """So that it is told once, at the line of one of its factories."""

    def open_a(b: object) -> Database:
        return Database()

    def open_b(a: object) -> Cache:
        return Cache()

    specs = [ServiceSpec(open_a, name="a"), ServiceSpec(open_b, name="b")]
    graph = ServiceGraph(specs)
    [fault] = faults_of_services(graph, [])
    assert (fault.message, fault.line) == (
        "services need each other in a circle: a → b → a",
        specs[0].place[1],
    )


def test_a_lasting_service_cannot_use_one_of_a_run(job: MakeJob) -> None:
    """It would keep it after the run is over (JK405); with the same scope it can."""

    def open_repository(cache: Cache) -> Pool[int]:
        return Pool()

    async def report(ctx: object, repository: Pool[int]) -> None: ...

    of_run = ServiceSpec(open_cache, name="cache", scope="run")
    error = refusal(report, [of_run, ServiceSpec(open_repository, name="repository")], job)
    assert (error.code, "cannot use `cache`, which is opened for each run" in error.message) == (
        "JK405",
        True,
    )
    assert 'scope="run"' in (error.help or "")
    assert names(report, [of_run, ServiceSpec(open_repository, name="repository", scope="run")], job)


def test_a_service_deep_inside_shows_the_chain(job: MakeJob) -> None:
    """From the job down to the factory that asks, each with file and line."""

    def open_repository(missing: Cache) -> Pool[int]:
        return Pool()

    def open_outer(inner: Pool[int]) -> Database:
        return Database()

    async def report(ctx: object, db: Database) -> None: ...

    specs = [ServiceSpec(open_repository, name="inner"), ServiceSpec(open_outer, name="outer")]
    error = refusal(report, specs, job)
    assert error.message == "service inner asks for `missing: Cache`, and nothing provides it"
    chain = (error.help or "").splitlines()[-1]
    place = f"{__file__}:{open_repository.__code__.co_firstlineno}"
    assert chain.startswith("asked for by: job report (extensions/web/jobs/report.py:7) → service outer (")
    assert chain.endswith(f"→ service inner ({place})")


def test_a_name_that_means_something_else_is_refused(job: MakeJob) -> None:
    """``cache`` is there, and it is no Database (JK409)."""

    async def report(ctx: object, cache: Database) -> None: ...

    error = refusal(report, [CACHE], job)
    assert (error.code, error.message) == (
        "JK409",
        "job report asks for `cache: Database`, and `cache` is Cache",
    )

    async def right(ctx: object, cache: Cache) -> None: ...

    assert names(right, [CACHE], job) == ["cache"]


# -- several providers --------------------------------------------------------------------------------


def test_a_second_service_of_one_name_is_an_error_and_the_first_stays(job: MakeJob) -> None:
    """Unless it says that it replaces it (JK407)."""

    async def report(ctx: object, db: object) -> None: ...

    graph = ServiceGraph([DB, ServiceSpec(open_cache, name="db")])
    [error] = graph.errors
    assert (error.code, "there already is a service `db`" in error.message) == ("JK407", True)
    [told] = ServiceGraph([DB, ServiceSpec(open_cache, name="db")], root=Path(__file__).parent).errors
    assert f"(test_graph.py:{DB.place[1]})" in told.message
    [node] = graph.plan(job(report)).arguments
    assert node is not None
    assert node.spec is DB

    replacing = ServiceSpec(open_cache, name="db", replaces=True)
    for order in ([DB, replacing], [replacing, DB]):
        graph = ServiceGraph(order)
        assert graph.errors == []
        assert [item.spec for item in graph.available()] == [replacing]


def test_what_was_replaced_is_not_found_by_its_type_any_more(job: MakeJob) -> None:
    """It is gone, not merely renamed."""

    async def report(ctx: object, database: Database) -> None: ...

    assert refusal(report, [DB, ServiceSpec(open_cache, name="db", replaces=True)], job).code == "JK402"


def test_an_extension_shadows_for_its_own_jobs(job: MakeJob) -> None:
    """By name and by type; other extensions see the project's."""

    async def by_name(ctx, db) -> None: ...  # type: ignore[no-untyped-def]

    async def by_type(ctx: object, database: Database) -> None: ...

    own = ServiceSpec(open_replica, name="own_db")
    own_db = ServiceSpec(open_replica, name="db")
    graph = ServiceGraph([DB, Provider(own, "web.hooks", "web"), Provider(own_db, "shop.hooks", "shop")])
    for function, extension, expected in [
        (by_name, "shop", own_db),
        (by_name, "web", DB),
        (by_type, "web", own),
        (by_type, "shop", own_db),
        (by_type, "blog", DB),
    ]:
        [node] = graph.plan(job(function, extension=extension)).arguments
        assert node is not None
        assert node.spec is expected


def test_objects_given_by_name_take_the_place_of_the_service(job: MakeJob) -> None:
    """Found under the name and the types of what they replace, whatever they are themselves."""

    async def report(ctx: object, db: Database, database: Annotated[Database, Service("db")]) -> None: ...

    async def by_type(ctx: object, anything: Database, fake: Fake) -> None: ...

    fake = Fake()
    graph = ServiceGraph([DB], given={"db": fake})
    for function in (report, by_type):
        plan = graph.plan(job(function))
        assert [node and node.provider.value for node in plan.arguments] == [fake, fake]


def test_objects_given_by_name_need_nothing_to_replace(job: MakeJob) -> None:
    """A program that embeds jobkit gives what its jobs ask for; plain values are found by name only."""

    async def report(ctx: object, db: Database, limit: Annotated[int, Service("limit")]) -> None: ...

    database = Database()
    plan = ServiceGraph([], given={"db": database, "limit": 5}).plan(job(report))
    assert [node and node.provider.value for node in plan.arguments] == [database, 5]


def test_objects_given_by_type_stand_in_for_all_of_that_type(job: MakeJob) -> None:
    """Under whatever name they were provided."""

    async def report(ctx: object, db: object, replica: Database, other: Database) -> None: ...

    fake = Database()
    plan = ServiceGraph([DB, REPLICA], given={Database: fake}).plan(job(report))
    assert [node and node.provider.value for node in plan.arguments] == [fake, fake, fake]
    assert ServiceGraph([], given={Database: fake}).find(Database).provider.value is fake


def test_a_built_in_service_can_be_given(job: MakeJob) -> None:
    """By its name, and then its type finds it too."""

    async def report(ctx: object, anything: Clock) -> None: ...

    plan = ServiceGraph(builtin_specs(), given={"clock": "a clock"}).plan(job(report))
    assert [node and node.provider.value for node in plan.arguments] == ["a clock"]


# -- looking up while a run goes on -------------------------------------------------------------------


def test_a_service_is_found_by_name_or_type() -> None:
    """What ``ctx.service`` does."""
    graph = ServiceGraph([DB, CACHE])
    assert graph.find("db").spec is DB
    assert graph.find(Cache).spec is CACHE


def test_what_is_not_found_names_what_there_is() -> None:
    """The same words as at collection."""
    graph = ServiceGraph([DB])
    with pytest.raises(ServiceNotFound, match="`dbx` is asked for, and nothing provides it") as caught:
        graph.find("dbx")
    assert caught.value.help == "did you mean `db`?\navailable: db (Database)"
    with pytest.raises(ServiceNotFound, match="`Cache` is asked for"):
        graph.find(Cache)
    with pytest.raises(ServiceNotFound):
        ServiceGraph([]).find("db")
