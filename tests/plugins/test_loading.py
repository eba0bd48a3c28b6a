"""Loading plugins: from every source in a fixed order, by the user's choice, and each for itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit import collection, hookimpl
from jobkit.exceptions import ConfigError, PluginError, UsageError
from jobkit.plugins.registry import PluginRegistry
from jobkit.plugins.sources import Builtin, PluginChoice
from tests.plugins.distributions import SitePackages, forget_modules
from tests.plugins.projects import SOUND, PluginProject, states


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginProject]:
    """An empty project, and an empty folder of distributions; afterwards nothing of them is imported."""
    site = SitePackages(tmp_path / "site")
    monkeypatch.setattr(sys, "path", [str(site.folder), *sys.path])
    yield PluginProject(tmp_path / "shop", site)
    collection.detach()
    forget_modules(tmp_path)


def only_warning(registry: PluginRegistry) -> PluginError:
    """The one warning there is."""
    [warning] = registry.warnings
    return warning


class Cron:
    @hookimpl
    def jobkit_schedule_kinds(self, config: object) -> list[object]:
        return []


# -- sources --------------------------------------------------------------------------------------------


def test_plugins_are_met_in_a_fixed_order(project: PluginProject) -> None:
    """Built-ins, --plugin, entry points, the variable, hooks/*.py, then each extension's hooks.py."""
    project.site.install("beta", plugins={"webhook": "beta"}, modules={"beta.py": SOUND})
    project.site.install("alpha", plugins={"zulu": "alpha", "first": "alpha_first"})
    project.site.install("gamma", plugins={"chosen": "gamma"}, modules={"gamma.py": SOUND})
    for module in ("alpha", "alpha_first", "by_name", "by_variable"):
        (project.site.folder / f"{module}.py").write_text(SOUND)
    project.file("hooks/b.py")
    project.file("hooks/a.py")
    project.file("extensions/web/hooks.py")
    project.file("extensions/mail/hooks.py")
    registry = project.load(
        "chosen",
        "by_name",
        variables={"JOBKIT_PLUGINS": "by_variable, webhook,"},
        builtins=[Builtin("cron", Cron)],
    )
    assert [(info.name, info.source) for info in registry.infos] == [
        ("cron", "built-in"),
        ("chosen", "option"),
        ("by_name", "option"),
        ("first", "entry point"),
        ("zulu", "entry point"),
        ("webhook", "entry point"),
        ("by_variable", "variable"),
        ("a", "project"),
        ("b", "project"),
        ("mail.hooks", "extension"),
        ("web.hooks", "extension"),
    ]
    assert set(states(registry).values()) == {"active"}
    assert registry.warnings == []


def test_what_is_known_of_each_plugin(project: PluginProject) -> None:
    """Name, distribution, version, file and extension: what `jobkit plugins` shows."""
    project.site.install("jobkit-notify", "1.2", {"webhook": "notify"}, {"notify.py": SOUND})
    project.file("extensions/web/hooks.py")
    project.configure('[project]\nrequired_plugins = ["jobkit_notify"]\n')
    webhook, hooks = project.load().infos
    assert (webhook.distribution, webhook.version, webhook.required) == ("jobkit-notify", "1.2", True)
    assert (webhook.path, webhook.hooks) == (project.site.folder / "notify.py", ("jobkit_services",))
    assert (hooks.extension, hooks.path) == ("web", project.root / "extensions/web/hooks.py")
    assert hooks.required is False


def test_an_entry_point_may_name_an_attribute(project: PluginProject) -> None:
    """`module:object.attribute` is followed, extras in brackets are not."""
    text = f"class Home:\n    class Plugin:\n        pass\n\n{SOUND}"
    project.site.install("alpha", plugins={"a": "alpha:Home.Plugin [extra]"}, modules={"alpha.py": text})
    [info] = project.load().infos
    assert type(info.plugin).__name__ == "Plugin"


def test_modules_of_the_project_are_named_by_the_variable(project: PluginProject) -> None:
    """JOBKIT_PLUGINS finds what lies on the project's own pythonpath."""
    project.configure('[project]\npythonpath = ["src"]\n')
    project.file("src/audit_of_shop/plugin.py")
    registry = project.load(variables={"JOBKIT_PLUGINS": "audit_of_shop.plugin"})
    assert states(registry) == {"audit_of_shop.plugin": "active"}


def test_files_of_hooks_are_modules_that_may_import_each_other(project: PluginProject) -> None:
    """They are jobkit_hooks.<file>; helpers, tests and folders in hooks/ are no plugins."""
    project.file("hooks/audit.py", f"from ._helpers import X\nfrom jobkit_hooks import metrics\n{SOUND}")
    project.file("hooks/metrics.py")
    project.file("hooks/_helpers.py", "X = 1\n")
    project.file("hooks/conftest.py", "raise RuntimeError\n")
    project.file("hooks/jobkit-mail/pyproject.toml", "")
    project.file("hooks/jobkit-mail/plugin.py", "raise RuntimeError\n")
    project.file("hooks/notes.txt", "")
    registry = project.load()
    assert states(registry) == {"audit": "active", "metrics": "active"}
    assert [info.plugin for info in registry.infos] == [
        sys.modules["jobkit_hooks.audit"],
        sys.modules["jobkit_hooks.metrics"],
    ]


def test_an_extension_may_be_called_anything(project: PluginProject) -> None:
    """Names that are no identifiers are quoted as they are for job files."""
    project.file("extensions/v1.2/hooks.py")
    project.file("extensions/.hidden/hooks.py")
    project.file("hooks/my.audit.py")
    assert states(project.load()) == {"my.audit": "active", "v1.2.hooks": "active"}


def test_an_extension_is_limited_to_its_hooks(project: PluginProject) -> None:
    """A hook that concerns the whole project is refused in an extension's hooks.py, at its line."""
    project.file("extensions/web/hooks.py", SOUND.replace("jobkit_services", "jobkit_engines"))
    registry = project.load()
    assert states(registry) == {"web.hooks": "broken"}
    warning = only_warning(registry)
    assert (warning.code, warning.location(project.root)) == ("JK706", "extensions/web/hooks.py:4")


# -- choice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["webhook", "jobkit-notify", "Jobkit.Notify"])
@pytest.mark.parametrize("others", [[], ["webhook"], ["jobkit-notify"]])
def test_blocking_an_installed_plugin_imports_nothing_of_it(
    project: PluginProject, word: str, others: list[str]
) -> None:
    """By the name of the plugin or of its distribution, also where it is asked for elsewhere."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify.hooks"})
    project.file("../site/notify/__init__.py", "raise RuntimeError\n")
    project.file("../site/notify/hooks.py", "raise RuntimeError\n")
    registry = project.load(f"no:{word}", *others, variables={"JOBKIT_PLUGINS": "webhook"})
    assert states(registry) == {"webhook": "blocked"}
    assert registry.warnings == []
    assert "notify" not in sys.modules


@pytest.mark.parametrize("name", ["audit", "web.hooks", "by_name", "by_variable", "cron"])
def test_plugins_from_everywhere_can_be_blocked(project: PluginProject, name: str) -> None:
    """Files, modules, and what jobkit brings."""
    project.file("hooks/audit.py")
    project.file("extensions/web/hooks.py")
    project.file("by_name.py")
    project.file("by_variable.py")
    variables = {"JOBKIT_PLUGINS": "by_variable"}
    registry = project.load("by_name", f"no:{name}", variables=variables, builtins=[Builtin("cron", Cron)])
    assert [info.name for info in registry.infos if info.status == "blocked"] == [name]
    assert len([info for info in registry.infos if info.status == "active"]) == 4
    assert not {name, f"jobkit_hooks.{name}"} & sys.modules.keys()


@pytest.mark.parametrize("name", ["audit", "web.hooks", "by_name", "cron", "webhook", "jobkit-notify"])
def test_the_variable_leaves_out_what_the_option_does(project: PluginProject, name: str) -> None:
    """JOBKIT_PLUGINS=no:NAME, beside names that it asks for; nothing is made up for the word itself."""
    project.file("hooks/audit.py")
    project.file("extensions/web/hooks.py")
    project.file("by_name.py")
    project.site.install("jobkit-notify", plugins={"webhook": "notify"}, modules={"notify.py": SOUND})
    variables = {"JOBKIT_PLUGINS": f"by_name, no:{name}"}
    registry = project.load(variables=variables, builtins=[Builtin("cron", Cron)])
    blocked = [info.name for info in registry.infos if info.status == "blocked"]
    assert blocked == ["webhook" if name == "jobkit-notify" else name]
    assert len(registry.infos) == 5
    assert registry.warnings == []


def test_the_option_wins_over_the_variable(project: PluginProject) -> None:
    """What the command line asks for is loaded; a block without effect is told by its origin."""
    project.file("by_name.py")
    registry = project.load("by_name", variables={"JOBKIT_PLUGINS": "no:by_name,no:nothing"})
    assert states(registry) == {"by_name": "active"}
    warning = only_warning(registry)
    assert (warning.code, warning.message[:25]) == ("JK713", "JOBKIT_PLUGINS no:nothing")
    with pytest.raises(UsageError, match="JOBKIT_PLUGINS: 'no:' names no plugin"):
        project.load(variables={"JOBKIT_PLUGINS": "no:"})


@pytest.mark.parametrize(
    ("value", "loads"), [("1", False), ("yes", False), ("", True), ("0", True), ("off", True)]
)
def test_the_variable_switches_autoload_off(project: PluginProject, value: str, loads: bool) -> None:
    """Unless it says no; the project's own files are loaded all the same."""
    project.site.install("alpha", plugins={"a": "alpha"}, modules={"alpha.py": SOUND})
    project.file("hooks/audit.py")
    registry = project.load(variables={"JOBKIT_DISABLE_PLUGIN_AUTOLOAD": value})
    assert ("a" in states(registry)) is loads
    assert "audit" in states(registry)


def test_without_autoload_only_what_is_named_is_loaded(project: PluginProject) -> None:
    """--disable-plugin-autoload together with --plugin NAME or JOBKIT_PLUGINS."""
    for name in ("alpha", "beta", "gamma"):
        project.site.install(name, plugins={f"{name}-plugin": name}, modules={f"{name}.py": SOUND})
    registry = project.load("alpha-plugin", variables={"JOBKIT_PLUGINS": "beta"}, disable_autoload=True)
    assert states(registry) == {"alpha-plugin": "active", "beta-plugin": "active"}
    assert "gamma" not in sys.modules


def test_naming_a_plugin_twice_loads_it_once(project: PluginProject) -> None:
    """By the option, the variable, its entry point, its module: one plugin and no complaint."""
    project.site.install("alpha", plugins={"a": "alpha"}, modules={"alpha.py": SOUND})
    registry = project.load("a", "a", variables={"JOBKIT_PLUGINS": "a,alpha"})
    assert states(registry) == {"a": "active"}
    assert registry.warnings == []


def test_naming_a_file_of_the_project_is_no_mistake(project: PluginProject) -> None:
    """--plugin audit, where hooks/audit.py is loaded anyway."""
    project.file("hooks/audit.py")
    assert states(project.load("audit")) == {"audit": "active"}


def test_an_option_that_names_nothing_is_refused(project: PluginProject) -> None:
    """JK711: with the closest name; after correcting it the plugin is loaded."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify"}, modules={"notify.py": SOUND})
    with pytest.raises(UsageError) as refused:
        project.load("completely-different")
    assert refused.value.help == "installed are jobkit-notify, webhook"
    with pytest.raises(UsageError, match="no plugin is installed under that name") as refused:
        project.load("webhok")
    assert (refused.value.code, refused.value.help) == ("JK711", "did you mean webhook?")
    assert states(project.load("webhook")) == {"webhook": "active"}


@pytest.mark.parametrize("word", ["", "no:", " no: ", "  "])
def test_an_option_without_a_name_is_refused(word: str) -> None:
    """JK711: an empty name is nobody's."""
    with pytest.raises(UsageError) as refused:
        PluginChoice.of([word])
    assert refused.value.code == "JK711"


@pytest.mark.parametrize("word", ["nothing_there", "os.nothing", "no-module", "..", "a b"])
def test_a_variable_that_names_nothing_is_a_warning(project: PluginProject, word: str) -> None:
    """JK711: a plugin that is missing on this machine keeps nothing from working."""
    registry = project.load(variables={"JOBKIT_PLUGINS": word})
    assert states(registry) == {word: "broken"}
    assert only_warning(registry).code == "JK711"
    assert "JOBKIT_PLUGINS" in only_warning(registry).message


def test_a_block_of_nothing_is_a_warning(project: PluginProject) -> None:
    """JK713: with the closest name, for what was to be off is on; corrected it is quiet."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify"}, modules={"notify.py": SOUND})
    registry = project.load("no:webhok")
    assert states(registry) == {"webhook": "active"}
    assert (only_warning(registry).code, only_warning(registry).help) == ("JK713", "did you mean no:webhook?")
    assert project.load("no:webhook").warnings == []


def test_a_block_is_known_though_nothing_is_loaded(project: PluginProject) -> None:
    """With autoload off, the name of an installed plugin is no mistake."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify"})
    assert project.load("no:jobkit-notify", disable_autoload=True).warnings == []


def test_what_everything_stands_on_cannot_be_blocked(project: PluginProject) -> None:
    """JK713: an essential built-in stays, and says so."""
    registry = project.load("no:cron", builtins=[Builtin("cron", Cron, essential=True)])
    assert states(registry) == {"cron": "active"}
    assert only_warning(registry).code == "JK713"


# -- broken plugins -------------------------------------------------------------------------------------

BROKEN = {
    "a missing package": ("X = 1\nimport not_there_at_all\n", 2, "JK709", "not_there_at_all"),
    "an exception": ("\n\nX = 1 / 0\n", 3, "JK709", "ZeroDivisionError: division by zero"),
    "an end": ("import sys\nsys.exit(7)\n", 2, "JK709", "sys.exit(7) was called"),
    "another end": ("class Stop(BaseException): ...\nraise Stop('enough')\n", 2, "JK709", "Stop: enough"),
    "bad syntax": ("X = 1\ndef f(:\n", 2, "JK709", "is no valid Python: SyntaxError"),
    "a library": ("import json\njson.loads('{')\n", 2, "JK709", "JSONDecodeError"),
    "a refusal": ("from jobkit.exceptions import PluginError\nraise PluginError('no')\n", 2, "JK700", "no"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_harms_only_itself(project: PluginProject, kind: str) -> None:
    """JK709, JK700: a warning names plugin, distribution, line, reason and switch; the rest are loaded."""
    text, line, code, reason = BROKEN[kind]
    project.site.install("alpha", plugins={"a": "alpha"}, modules={"alpha.py": SOUND})
    project.site.install("broken-one", "0.9", {"bad": "broken_one"}, {"broken_one.py": text})
    project.site.install("zulu", plugins={"z": "zulu"}, modules={"zulu.py": SOUND})
    registry = project.load()
    assert states(registry) == {"a": "active", "bad": "broken", "z": "active"}
    warning = only_warning(registry)
    assert warning.code == code
    assert "plugin bad" in warning.message
    assert reason in warning.message
    assert "broken-one 0.9" in warning.message or code == "JK700"
    assert "--plugin no:bad" in (warning.help or "")
    assert (warning.path, warning.line) == (project.site.folder / "broken_one.py", line)
    assert states(project.load("no:bad")) == {"a": "active", "bad": "blocked", "z": "active"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_harms_only_itself(project: PluginProject, kind: str) -> None:
    """JK709: hooks/*.py and an extension's hooks.py likewise."""
    text, line, code, _ = BROKEN[kind]
    project.file("hooks/bad.py", text)
    project.file("hooks/good.py")
    project.file("extensions/web/hooks.py", text)
    registry = project.load()
    assert states(registry) == {"bad": "broken", "good": "active", "web.hooks": "broken"}
    assert [(warning.code, warning.location(project.root)) for warning in registry.warnings] == [
        (code, f"hooks/bad.py:{line}"),
        (code, f"extensions/web/hooks.py:{line}"),
    ]
    assert "jobkit_hooks.bad" not in sys.modules


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nothing_there", "there is no module nothing_there"),
        ("alpha.nothing", "there is no module alpha.nothing"),
        ("alpha:plugni", "alpha has no attribute plugni; did you mean plugin?"),
        ("alpha:plugin.x", "alpha.plugin has no attribute x"),
        ("not a module", "is no name of a module"),
    ],
)
def test_an_entry_point_that_leads_nowhere(project: PluginProject, value: str, words: str) -> None:
    """JK712: shown where it is written; installed again with the right one it is loaded."""
    modules = {"alpha.py": f"{SOUND}\nplugin = object()\n"}
    info = project.site.install("alpha", plugins={"ok": "alpha", "a": value}, modules=modules)
    registry = project.load()
    assert states(registry) == {"a": "broken", "ok": "active"}
    warning = only_warning(registry)
    assert (warning.code, warning.path, warning.line) == ("JK712", info / "entry_points.txt", 6)
    assert words in warning.message
    project.site.install("alpha", plugins={"ok": "alpha", "a": "alpha:plugin"})
    assert project.load().warnings == []


def test_stopping_the_program_stops_it(project: PluginProject) -> None:
    """Ctrl-C during an import is the user's, and no fault of the plugin."""
    text = "raise KeyboardInterrupt\n"
    project.site.install("slow", plugins={"slow": "slow_one"}, modules={"slow_one.py": text})
    with pytest.raises(KeyboardInterrupt):
        project.load()


def test_secrets_are_not_repeated(project: PluginProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plugin says of its failure is searched for what came from variables."""
    monkeypatch.setenv("SHOP_DSN", "correct-horse-battery")
    project.configure('[plugins.bad]\ndsn = "${SHOP_DSN}"\n')
    text = "raise ValueError('cannot reach correct-horse-battery\\x1b[0m')\n"
    project.site.install("broken-one", plugins={"bad": "broken_one"}, modules={"broken_one.py": text})
    message = only_warning(project.load()).message
    assert "correct-horse" not in message
    assert "\x1b" not in message


@pytest.mark.parametrize("kind", ["entry point", "file", "block", "twice"])
def test_strict_makes_errors_of_warnings(project: PluginProject, kind: str) -> None:
    """With --strict the first broken plugin ends the loading."""
    words = []
    if kind == "entry point":
        project.site.install("alpha", plugins={"a": "nothing_there"})
    elif kind == "file":
        project.file("hooks/bad.py", "1 / 0\n")
    elif kind == "block":
        words = ["no:nobody"]
    else:
        project.site.install("alpha", plugins={"a": "alpha"}, modules={"alpha.py": SOUND})
        project.site.install("beta", plugins={"a": "beta"}, modules={"beta.py": SOUND})
    assert len(project.load(*words).warnings) == 1
    with pytest.raises(PluginError):
        project.load(*words, strict=True)


# -- one name -------------------------------------------------------------------------------------------


def test_one_name_in_two_distributions(project: PluginProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """JK707: both are named, the first on sys.path is taken, and the advice for either choice works."""
    project.site.install("zulu", "1.0", {"webhook": "zulu"}, {"zulu.py": SOUND})
    second = SitePackages(project.root.parent / "second")
    second.install("alpha", "2.0", {"webhook": "alpha"}, {"alpha.py": SOUND})
    monkeypatch.setattr(sys, "path", [*sys.path, str(second.folder)])
    registry = project.load()
    assert [(info.distribution, info.status) for info in registry.infos] == [
        ("zulu", "active"),
        ("alpha", "broken"),
    ]
    assert "alpha" not in sys.modules
    warning = only_warning(registry)
    assert warning.code == "JK707"
    assert "zulu 1.0" in warning.message
    assert "alpha 2.0" in warning.message
    quiet = project.load("no:alpha")
    assert ([info.status for info in quiet.infos], quiet.warnings) == (["active", "blocked"], [])
    other = project.load("no:zulu")
    assert ([info.status for info in other.infos], other.warnings) == (["blocked", "active"], [])


def test_one_name_in_one_folder_goes_by_the_distribution(project: PluginProject) -> None:
    """The order does not depend on how a disk lists a folder."""
    for name in ("zulu", "alpha", "Mike"):
        project.site.install(name, plugins={"webhook": name.lower()}, modules={f"{name.lower()}.py": SOUND})
    registry = project.load()
    assert [info.distribution for info in registry.infos] == ["alpha", "Mike", "zulu"]
    assert [info.status for info in registry.infos] == ["active", "broken", "broken"]


def test_nobody_takes_the_place_of_a_broken_plugin(project: PluginProject) -> None:
    """JK707: another plugin of the name is not what was meant, though the first cannot be loaded."""
    project.site.install("alpha", plugins={"webhook": "alpha"}, modules={"alpha.py": "1 / 0\n"})
    project.site.install("beta", plugins={"webhook": "beta"}, modules={"beta.py": SOUND})
    registry = project.load()
    assert [info.status for info in registry.infos] == ["broken", "broken"]
    assert [warning.code for warning in registry.warnings] == ["JK709", "JK707"]
    assert "beta" not in sys.modules
    assert [info.status for info in project.load("no:alpha").infos] == ["blocked", "active"]


def test_one_name_from_two_sources(project: PluginProject) -> None:
    """JK707: the earlier source keeps it, and the later file is not executed."""
    project.site.install("alpha", plugins={"cron": "alpha", "audit": "alpha"}, modules={"alpha.py": SOUND})
    project.file("hooks/audit.py", "raise RuntimeError\n")
    registry = project.load(builtins=[Builtin("cron", Cron)])
    assert [(info.name, info.source, info.status) for info in registry.infos] == [
        ("cron", "built-in", "active"),
        ("audit", "entry point", "active"),
        ("cron", "entry point", "broken"),
        ("audit", "project", "broken"),
    ]
    assert [warning.code for warning in registry.warnings] == ["JK707", "JK707"]
    assert "built-in cron" in registry.warnings[0].message
    assert registry.warnings[1].path == project.root / "hooks/audit.py"


def test_the_advice_for_two_plugins_of_a_name_keeps_one(project: PluginProject) -> None:
    """JK707: blocking the name would block both; the distribution can be blocked, the file renamed."""
    project.site.install("jobkit-hello", plugins={"hello": "alpha"}, modules={"alpha.py": SOUND})
    file = project.file("hooks/hello.py", SOUND)
    advice = only_warning(project.load()).help or ""
    assert "rename hooks/hello.py" in advice
    assert "`--plugin no:jobkit-hello` takes the other instead" in advice
    assert "no:hello" not in advice
    other = project.load("no:jobkit-hello")
    assert ([info.status for info in other.infos], other.warnings) == (["blocked", "active"], [])
    file.rename(file.with_name("hello_local.py"))
    both = project.load()
    assert ([info.status for info in both.infos], both.warnings) == (["active", "active"], [])


def test_a_distribution_called_like_its_plugin_is_not_offered_to_be_blocked(project: PluginProject) -> None:
    """JK707: that would block the file of the name, too."""
    project.site.install("hello", plugins={"hello": "alpha"}, modules={"alpha.py": SOUND})
    project.file("hooks/hello.py", SOUND)
    assert only_warning(project.load()).help == "rename hooks/hello.py"


def test_a_distribution_that_is_there_twice_counts_once(
    project: PluginProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy that is imported hides the one behind it, as it does for Python."""
    project.site.install("alpha", "2.0", {"a": "alpha"}, {"alpha.py": SOUND})
    second = SitePackages(project.root.parent / "second")
    second.install("Alpha", "1.0", {"a": "alpha", "old": "alpha"})
    monkeypatch.setattr(sys, "path", [*sys.path, str(second.folder)])
    [info] = project.load().infos
    assert (info.name, info.version) == ("a", "2.0")


# -- required plugins -----------------------------------------------------------------------------------


def required(project: PluginProject, *words: str) -> None:
    names = ", ".join(f'"{word}"' for word in words)
    project.configure(f"[project]\nname = 'shop'\nrequired_plugins = [{names}]\n")


def refused(
    project: PluginProject, *words: str, strict: bool = False, disable_autoload: bool = False
) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        project.load(*words, strict=strict, disable_autoload=disable_autoload)
    assert caught.value.code == "JK710"
    return caught.value


@pytest.mark.parametrize("word", ["webhook", "jobkit-notify", "jobkit_notify"])
def test_a_required_plugin_that_is_there(project: PluginProject, word: str) -> None:
    """Named by itself or by its distribution."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify"}, modules={"notify.py": SOUND})
    required(project, word)
    [info] = project.load().infos
    assert info.required


def test_a_required_plugin_that_is_not_installed(project: PluginProject) -> None:
    """JK710: at the line of the setting, with the closest name; once it is installed all is well."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify"}, modules={"notify.py": SOUND})
    required(project, "jobkit-notfy")
    error = refused(project)
    assert "jobkit-notfy is required and not installed" in error.message
    assert "did you mean 'jobkit-notify'?" in (error.help or "")
    assert error.location(project.root) == "jobkit.toml:3"
    required(project, "jobkit-notify")
    assert states(project.load()) == {"webhook": "active"}


def test_everything_required_is_said_at_once(project: PluginProject) -> None:
    """JK710: one error for each that is missing, the same one not twice."""
    required(project, "first", "second", "first")
    assert len(refused(project).errors) == 2


def test_a_required_name_that_two_plugins_have(project: PluginProject) -> None:
    """The first fulfils it; the second is a warning, unless its distribution is what is required."""
    project.site.install("alpha", plugins={"webhook": "alpha"}, modules={"alpha.py": SOUND})
    project.site.install("beta", plugins={"webhook": "beta"}, modules={"beta.py": SOUND})
    required(project, "webhook")
    assert only_warning(project.load()).code == "JK707"
    required(project, "beta")
    assert "two plugins are called webhook" in refused(project).message


@pytest.mark.parametrize("word", ["bad", "broken-one"])
@pytest.mark.parametrize("strict", [False, True])
def test_a_required_plugin_that_is_broken(project: PluginProject, word: str, strict: bool) -> None:
    """JK710: with the reason and its place; others that are broken too stay warnings."""
    project.site.install("broken-one", plugins={"bad": "broken_one"}, modules={"broken_one.py": "1 / 0\n"})
    required(project, word)
    error = refused(project, strict=strict)
    assert "division by zero" in error.message
    assert "broken_one.py:1" in error.message
    assert error.location(project.root) == "jobkit.toml:3"


def test_a_required_plugin_that_is_registered_in_vain(project: PluginProject) -> None:
    """JK710: a fault that is found at registration counts, too."""
    project.file("hooks/audit.py", SOUND.replace("jobkit_services", "jobkit_servces"))
    required(project, "audit")
    assert "jobkit_servces" in refused(project).message


def test_a_required_plugin_that_is_blocked(project: PluginProject) -> None:
    """JK710: the option and the setting contradict each other."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify"}, modules={"notify.py": SOUND})
    required(project, "jobkit-notify")
    assert "blocked by --plugin no:" in refused(project, "no:webhook").message


def test_a_required_plugin_without_autoload(project: PluginProject) -> None:
    """JK710: the advice names the option that loads it, which works."""
    project.site.install("jobkit-notify", plugins={"webhook": "notify"}, modules={"notify.py": SOUND})
    required(project, "jobkit-notify")
    assert "--plugin webhook" in (refused(project, disable_autoload=True).help or "")
    assert states(project.load("webhook", disable_autoload=True)) == {"webhook": "active"}


def test_a_required_distribution_that_offers_nothing(project: PluginProject) -> None:
    """JK710: it is installed, and is no plugin."""
    project.site.install("just-a-library")
    required(project, "just_a_library")
    assert "offers no plugin" in refused(project).message


# -- files that are not executed ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["hooks/bad.py", "hooks", "extensions/web/hooks.py", "extensions/web"])
def test_what_everybody_may_write_to_is_not_executed(project: PluginProject, path: str) -> None:
    """JK150, as for job files; the command that is advised mends it, and so does trust_permissions."""
    file = path if path.endswith(".py") else f"{path}/{'hooks' if 'web' in path else 'bad'}.py"
    project.file(file, "from jobkit import hookimpl\n")
    target = project.root / path
    mode = target.stat().st_mode
    target.chmod(mode | 0o002)
    registry = project.load()
    assert set(states(registry).values()) == {"broken"}
    warning = only_warning(registry)
    assert (warning.code, warning.path) == ("JK150", project.root / file)
    assert f"chmod o-w {path}" in (warning.help or "")
    target.chmod(mode)
    assert project.load().warnings == []
    target.chmod(mode | 0o002)
    project.configure("[project]\ntrust_permissions = true\n")
    assert project.load().warnings == []


def test_what_is_no_file_is_not_opened(project: PluginProject) -> None:
    """A named pipe would wait for a writer for ever."""
    project.file("hooks/good.py")
    os.mkfifo(project.root / "hooks/pipe.py")
    (project.root / "hooks/folder.py").mkdir()
    registry = project.load()
    assert states(registry) == {"folder": "broken", "good": "active", "pipe": "broken"}
    assert {warning.code for warning in registry.warnings} == {"JK155"}


def test_links_stay_in_the_project_and_count_once(project: PluginProject) -> None:
    """JK156 and JK157: a link out of the project, one to nothing, and a second way to one file."""
    real = project.file("hooks/real.py")
    outside = project.file("../elsewhere.py")
    (project.root / "hooks/again.py").symlink_to(real)
    (project.root / "hooks/out.py").symlink_to(outside)
    (project.root / "hooks/void.py").symlink_to("nowhere.py")
    registry = project.load()
    assert states(registry) == {"again": "broken", "out": "broken", "real": "active", "void": "broken"}
    codes = {info.name: info.error.code for info in registry.infos if info.error is not None}
    assert codes == {"again": "JK157", "out": "JK156", "void": "JK156"}


def test_a_folder_of_hooks_that_lies_elsewhere_is_refused(project: PluginProject) -> None:
    """JK156: nor may the whole folder lead out of the project."""
    project.file("../elsewhere/audit.py")
    (project.root / "hooks").symlink_to(project.root.parent / "elsewhere")
    registry = project.load()
    assert only_warning(registry).code == "JK156"


def test_a_file_has_a_time_limit(project: PluginProject) -> None:
    """JK709: one that never ends is ended; with a sound one everything is loaded."""
    project.configure('[project]\nimport_timeout = "300ms"\n')
    project.file("hooks/endless.py", "while True:\n    pass\n")
    project.file("hooks/good.py")
    registry = project.load()
    assert states(registry) == {"endless": "broken", "good": "active"}
    assert only_warning(registry).code == "JK709"
    assert "took longer than 300ms" in only_warning(registry).message
    project.file("hooks/endless.py")
    assert project.load().warnings == []


def test_a_file_leaves_the_process_as_it_was(project: PluginProject) -> None:
    """What it changes for everybody is put back."""
    before = Path.cwd(), list(sys.path)
    project.file("hooks/mover.py", "import os, sys\nos.chdir('/')\nsys.path.insert(0, '/')\n")
    assert states(project.load()) == {"mover": "active"}
    assert Path.cwd() == before[0]
    assert sys.path[0] == before[1][0]


def test_a_file_may_not_register_jobs(project: PluginProject) -> None:
    """Jobs belong to extensions: a submit_job in hooks/ is refused at its line."""
    text = "from jobkit import submit_job\n\n\n@submit_job\ndef work(ctx): ...\n"
    project.file("hooks/jobs.py", text)
    registry = project.load()
    assert states(registry) == {"jobs": "broken"}
    assert only_warning(registry).line == 4
