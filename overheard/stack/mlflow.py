"""MLflow's password: its own basic authentication, with the API key as the password of its one user, `admin`."""

import secrets
from pathlib import Path
from typing import Final

from overheard.stack.home import write_private

USER: Final = "admin"
FILE: Final = "mlflow.ini"
USERS: Final = "mlflow_users.db"

# Paths are relative to <home>/run, where it starts. A password is slow to check: what was right is known for a minute.
CONFIGURATION: Final = f"""\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{USERS}
admin_username = {USER}
auth_cache_ttl_seconds = 60
"""


def server(home: Path, key: str) -> dict[str, str]:
    """The environment that the server needs.

    Its users are made anew at each start: MLflow keeps the password it was given once, and the key may have changed.
    """
    for file in (home / "run").glob(USERS + "*"):
        file.unlink()
    write_private(home / "run" / FILE, CONFIGURATION)
    return {
        "MLFLOW_AUTH_CONFIG_PATH": FILE,
        "MLFLOW_AUTH_ADMIN_PASSWORD": key,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
    }


def client(key: str) -> dict[str, str]:
    """The environment that a client of this stack's server needs."""
    return {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": key}
