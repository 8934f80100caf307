"""The installation's own secret, from which others are derived, for those who set none."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import Final

from overheard.errors import SettingsError
from overheard.settings import Settings

MIN_CHARS: Final = 16


def ensure_secret(settings: Settings) -> bytes:
    """OVERHEARD_SECRET; unset: the secret in the state folder, made once, readable by us only. Raises SettingsError.

    Where the stack has several machines it has to be set: else each of them hashes the same author otherwise.
    """
    if settings.secret:
        return settings.secret.get_secret_value().encode()
    return made_once(settings.secret_file).encode()


def made_once(path: Path) -> str:
    """The secret in this file, which is made unless it is there: by one process, however many come at once.

    Raises SettingsError when the file can't be used, or holds less than a secret.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            secret = file.read().strip()
            if not secret:
                secret = secrets.token_urlsafe(32)
                file.write(secret + "\n")
    except OSError as error:
        raise SettingsError(f"the key file {path} can't be used ({error.strerror}): mend that, or delete it") from error
    if len(secret) < MIN_CHARS:
        raise SettingsError(f"{path} holds no key of {MIN_CHARS} characters: delete it, and a new one is made")
    return secret
