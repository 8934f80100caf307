"""`python -m overheard.batches`: one upload received, or one batch's results written, in a process of its own.

The API starts it, so that a large or hostile file costs the API neither memory nor time, and sends one line of JSON on
its standard input: {"receive": PATH, "upload": {…}} is answered by one line, {"job_id"} or {"error", "detail"};
{"results": ID, "format": …} by the rows. It ends with whoever holds the other end of its standard input.
"""

import json
import os
import resource
import sys
import threading
from pathlib import Path
from typing import Any, Final

from sqlalchemy.exc import IntegrityError, OperationalError

from overheard.batches.receive import receive
from overheard.batches.results import write_results
from overheard.errors import OverheardError
from overheard.settings import Settings
from overheard.store.batches import Upload
from overheard.store.database import Database

MEMORY_BYTES: Final = 3_000_000_000  # of addresses; what is in use stays far below, but a file can lie about its sizes
NICENESS: Final = 5  # whoever waits for an answer comes first


def main() -> None:
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_api, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    os.nice(NICENESS)
    settings = Settings.load()
    database = Database(settings.sql_url)
    if "receive" in order:
        sys.stdout.write(json.dumps(_received(database, settings, order)))
    else:
        write_results(database, order["results"], order["format"], sys.stdout.buffer)


def _end_with_the_api() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _received(database: Database, settings: Settings, order: dict[str, Any]) -> dict[str, str]:
    try:
        return {"job_id": receive(database, settings, Path(order["receive"]), Upload(**order["upload"]))}
    except (OverheardError, IntegrityError, OperationalError, MemoryError) as error:
        return {"error": type(error).__name__, "detail": str(error)}


main()
