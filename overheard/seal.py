"""Secrets that have to be read again, kept so that only this installation can."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from overheard.errors import SettingsError


class Seal:
    """Fernet (AES-128-CBC and HMAC-SHA256) with a key derived from the installation's secret for this purpose alone."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        key = hmac.new(secret, f"seal:{purpose}".encode(), hashlib.sha256).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def close(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises SettingsError when another secret sealed it."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SettingsError("it was saved under another OVERHEARD_SECRET: save it again") from None

    def holds(self, sealed: str, text: str) -> bool:
        """Whether this text was sealed, and by us."""
        try:
            return self.open(sealed) == text
        except SettingsError:
            return False
