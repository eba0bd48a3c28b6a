"""The struct of a plugin's table is a service – for the factories of that plugin, and for nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from jobkit import ServiceSpec
from jobkit.config import Config
from jobkit.config.plugin_tables import table_services
from jobkit.exceptions import ServiceNotFound
from jobkit.services.graph import Provider, ServiceGraph
from jobkit.services.host import ServiceHost
from tests.config.plugin_project import Plugins

if TYPE_CHECKING:
    from tests.config.conftest import Tree


class Shared(msgspec.Struct, frozen=True):
    """A struct that two plugins use."""

    url: str = "default"


class Client:
    """What the plugins provide."""

    def __init__(self, table: Shared) -> None:
        self.table = table


def open_client(settings: Shared) -> Client:
    return Client(settings)


def _config(tree: Tree) -> Config:
    tree.write("jobkit.toml", "[plugins.one]\nurl = 'first'\n[plugins.two]\nurl = 'second'")
    plugins = Plugins()
    for name in ("one", "two"):
        plugins.add(name, lambda parser: parser.table(Shared))
    return plugins.accept(tree.load())


def _graph(config: Config, **given: Any) -> ServiceGraph:
    """A client of each plugin, one of a plugin without a table, and the tables."""
    clients = [
        Provider(ServiceSpec(open_client, name=f"client_{name}"), name) for name in ("one", "two", "three")
    ]
    return ServiceGraph([*clients, *table_services(config)], **given)


@pytest.mark.parametrize(("plugin", "url"), [("one", "first"), ("two", "second")])
async def test_each_plugin_gets_its_own(tree: Tree, plugin: str, url: str) -> None:
    """Two plugins with the same struct do not collide."""
    graph = _graph(_config(tree))
    assert graph.errors == []
    async with ServiceHost(graph) as host:
        client = await host.get(f"client_{plugin}")
    assert client.table == Shared(url)


def test_others_do_not_see_it(tree: Tree) -> None:
    """Neither a plugin without a table, nor jobs; it is not among what is available."""
    graph = _graph(_config(tree))
    with pytest.raises(ServiceNotFound):
        graph.find("client_three")
    with pytest.raises(ServiceNotFound):
        graph.find(Shared)
    assert [item.name for item in graph.available()] == ["client_one", "client_three", "client_two"]


async def test_a_test_may_give_another(tree: Tree) -> None:
    """An object that is given by its type takes the place of every table of that type."""
    async with ServiceHost(_graph(_config(tree), given={Shared: Shared("given")})) as host:
        client = await host.get("client_one")
    assert client.table == Shared("given")


def test_without_plugins_there_is_none(tree: Tree) -> None:
    """Configuration that no plugin has seen gives no services."""
    assert table_services(tree.load()) == []
