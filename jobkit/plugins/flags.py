"""The options of jobkit's own verbs: none of them can be an option of a plugin.

A plugin's option may stand before and after any verb, as the global ones; with the name of a verb's option it
would be ambiguous. A test compares the list with the command line.
"""

from __future__ import annotations

# Those that there are, and those of verbs that are planned.
_FLAGS = """
--all --as --at --before --disable-plugin-autoload --drop --dry-run --enforce --env --exitfirst --ext
--failed --follow --for --format --from --help --here --job --jobs --json --limit --no-wait --output --param
--pdb --plugin --project --queue --quiet --reason --reload --replay --schedule --since --sink --status
--strict --tag --timeout --timezone --trace-hooks --trigger --until --verbose --version --wait-store --web
--week --yes
"""
JOBKIT_FLAGS = frozenset(_FLAGS.split())
