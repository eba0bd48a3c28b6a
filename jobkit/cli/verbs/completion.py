"""``jobkit completion SHELL``: the script that makes a TAB complete what can be known."""

from __future__ import annotations

import click

from jobkit.cli.command import verb
from jobkit.cli.completion import SHELLS, script
from jobkit.cli.session import Session


@verb(
    "completion",
    examples=[
        ('eval "$(jobkit completion bash)"', "in ~/.bashrc"),
        ('eval "$(jobkit completion zsh)"', "in ~/.zshrc, after compinit"),
        ("jobkit completion fish > ~/.config/fish/completions/jobkit.fish", "once"),
        ("jobkit completion powershell | Out-String | Invoke-Expression", "in $PROFILE"),
    ],
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(session: Session, shell: str) -> None:
    """Print the script that makes a shell complete jobkit's command lines.

    A TAB offers verbs, options, and the names of jobs, tags and environments as the last collection found
    them: it runs no code of the project.
    """
    text = script(shell)
    if session.output.json:
        session.output.answer({"shell": shell, "script": text})
    else:
        session.output.text(text)
