"""Text that is not to be shown."""

from __future__ import annotations


class Secret(str):
    """Text that is kept out of logs, history and errors; its ``repr`` is ``***``.

    Annotate a job parameter ``token: Secret``, or ``Annotated[str, Secret]``. It is a ``str`` in every other
    respect: formatting it into a header gives the real text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        from jobkit.redaction import MASK

        return MASK
