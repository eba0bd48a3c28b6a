"""``jobkit help TOPIC``: pages about things that several verbs share."""

from __future__ import annotations

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.session import Session
from jobkit.cli.topics import all_topics, topic
from jobkit.cli.usage import did_you_mean, quoted
from jobkit.exceptions import UsageError


@verb(
    "help", examples=[("jobkit help selection", "how jobs are selected"), ("jobkit help run", "like --help")]
)
@click.argument("name", metavar="[TOPIC]", required=False, shell_complete=completing("topics"))
def command(session: Session, name: str | None) -> None:
    """Explain a topic, or a verb; without one, list the topics."""
    output = session.output
    if name is None:
        topics = all_topics()
        output.answer([{"topic": topic, "title": title} for topic, title in topics.items()])
        width = max(map(len, topics))
        output.lines(
            [
                "Topics, each shown by `jobkit help TOPIC`:",
                *(f"  {topic:{width}}  {title}" for topic, title in topics.items()),
                "",
                "`jobkit --help` lists the verbs.",
            ]
        )
        return
    page = topic(name)
    if page is None:
        _explain_verb(session, name)
        return
    from jobkit.cli.render.markdown import markdown

    title, _, text = page.partition("\n")
    output.answer({"topic": name, "title": title.removeprefix("# "), "text": text.strip()})
    output.lines(markdown(page, output.terminal))


def _explain_verb(session: Session, name: str) -> None:
    ctx = click.get_current_context().parent
    assert ctx is not None
    program = ctx.command
    assert isinstance(program, click.Group)
    found = program.get_command(ctx, name)
    if found is None:
        known = [*all_topics(), *program.list_commands(ctx)]
        raise UsageError(
            f"there is no topic {quoted(name, 60)}",
            code="JK804",
            help=did_you_mean(name, known, "`jobkit help` lists the topics"),
        )
    text = found.get_help(click.Context(found, info_name=name, parent=ctx))
    session.output.answer({"topic": name, "title": found.get_short_help_str(200), "text": text})
    session.output.lines([text])
