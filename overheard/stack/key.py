"""The first admin's key, for those who set none."""

import fcntl
import os
import secrets

from overheard.errors import SettingsError
from overheard.settings import Settings

MIN_CHARS = 16


def ensure_api_key(settings: Settings) -> str:
    """OVERHEARD_API_KEY; unset on loopback: the key in the state folder, made once, readable by us only.

    Raises SettingsError when the API can be reached from elsewhere and no key is set, or the file holds none.
    """
    if settings.api_key:
        return settings.api_key.get_secret_value()
    if not settings.is_loopback:
        raise SettingsError(
            f"OVERHEARD_HOST={settings.host} can be reached from other machines: "
            f"set OVERHEARD_API_KEY to a secret of at least {MIN_CHARS} characters"
        )
    path = settings.api_key_file
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two processes may come here at once: one makes the key, both use it
            key = file.read().strip()
            if not key:
                key = secrets.token_urlsafe(32)
                file.write(key + "\n")
    except OSError as error:
        raise SettingsError(f"the key file {path} can't be used ({error.strerror}): mend that, or delete it") from error
    if len(key) < MIN_CHARS:
        raise SettingsError(f"{path} holds no key of {MIN_CHARS} characters: delete it, and a new one is made")
    return key
