"""`overheard migrate`, `overheard backup` and `overheard restore`."""

from pathlib import Path
from typing import Annotated

import typer

from overheard.settings import Settings


def migrate() -> None:
    """Make ready what programs need before they start: the database's tables, and the first model.

    A database is brought to this version; a first model that has to be fetched or converted is, once. Doing it again
    changes nothing. `overheard up` does it by itself.

    Example: overheard migrate
    """
    from overheard import registry
    from overheard.scoring.bundle import load_manifest
    from overheard.store import database

    settings = Settings.load()
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database.migrate(settings.sql_url)
    print("the database has the tables of this version")
    bundle = registry.locate(settings.first_model, settings.models, settings.first_model_labels)
    print(f"the first model is {load_manifest(bundle).version}, in {bundle}")


def backup(
    out: Annotated[Path, typer.Argument(help="The archive, .tar; one that is there is replaced at once.")],
) -> None:
    """Write the state folder's databases, models and secrets to one file, while the stack runs or not.

    Not in it: logs, what is queued (jobs are in the database, and are queued again), what can be fetched or converted
    again, and a database elsewhere (OVERHEARD_DATABASE_URL): that is for `pg_dump`.

    Example: overheard backup /backups/overheard.tar
    """
    from overheard.stack import archive

    settings = Settings.load()
    written = archive.write(settings, out)
    print(f"{out}: {', '.join(written)}, {out.stat().st_size / 1e6:,.1f} MB")
    if archive.lacks_database(settings):
        typer.echo("the database is elsewhere (OVERHEARD_DATABASE_URL): back it up there, before this", err=True)


def restore(
    archive: Annotated[Path, typer.Argument(help="What `overheard backup` wrote.")],
) -> None:
    """Put a backup into a state folder that has no database yet (OVERHEARD_HOME says which).

    Example: OVERHEARD_HOME=/srv/overheard overheard restore /backups/overheard.tar
    """
    from overheard.stack import archive as archives

    settings = Settings.load()
    restored = archives.restore(settings, archive)
    print(f"{settings.home}: {', '.join(restored)}; `overheard up` goes on from there")
