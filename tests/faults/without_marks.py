"""``jobkit`` with a store that keeps no marks: what the accounts are worth is seen by its failing them."""

from __future__ import annotations

from jobkit.cli.main import main
from jobkit.stores.sqlite import claims


def _move(connection: object, step: claims.Step, state: tuple[object, ...], span: int | None) -> object:
    return step.mark, *state[1:3]


claims._move = _move  # type: ignore[assignment]

if __name__ == "__main__":
    main()
