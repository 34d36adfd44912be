"""`notify`: a webhook when a batch is done."""

from __future__ import annotations

from typing import Annotated

import typer

from reelmill.cli.output import Json, console, tell, write_json
from reelmill.cli.target import Id, opened
from reelmill.errors import SpecError


def notify(
    target: Id,
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Where to POST; without one, show who is told.")
    ] = None,
    as_json: Json = False,
) -> None:
    """POST to a URL when a batch is done, at once if it is: signed, and tried for about a day.

    Workers and `reelmill housekeep` deliver, where REELMILL_WEBHOOK_SECRET is set.

    Example: `reelmill notify latest https://example.org/hooks/reelmill`
    """
    from reelmill.batch import Batch

    with opened(target) as found:
        if not isinstance(found, Batch):
            raise SpecError("is a job", subject=target, next_step="Give the id of a batch")
        if url is not None:
            notification = found.notify(url)
            told = f"{url} is told when the batch is done"
            tell({"batch": found.id, "notification": notification, "url": url}, told, as_json=as_json)
            return
        for each in found.notifications():
            if as_json:
                write_json(each)
            else:
                problem = f": {each.problem}" if each.problem else ""
                console().print(f"{each.state}  {each.url}{problem}", soft_wrap=True, markup=False)
