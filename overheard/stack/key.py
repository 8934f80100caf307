"""The first admin's key, for those who set none."""

from overheard.errors import SettingsError
from overheard.secret import MIN_CHARS, made_once
from overheard.settings import Settings


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
    return made_once(settings.api_key_file)
