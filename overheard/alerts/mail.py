"""An e-mail: plain text, HTML and its chart in one message, with an id that stays when it is sent again.

apprise understands the address; but the mail that it would send has a text made from the HTML, a new id each time, and
one transaction per address. So it is sent from here.
"""

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from typing import Final

from overheard.alerts.message import Message
from overheard.errors import NotDelivered

TIMEOUT_S: Final = 20
CHART: Final = "chart"


@dataclass(frozen=True)
class Envelope:
    """How a mail gets there. mode: `ssl`, `starttls` or `insecure`. sender, to, …: (name, address) each."""

    host: str
    port: int
    mode: str
    user: str | None
    password: str | None
    is_verified: bool
    sender: tuple[str, str]
    to: tuple[tuple[str, str], ...]
    cc: tuple[tuple[str, str], ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def addresses(self) -> list[str]:
        return list(dict.fromkeys([address for _, address in (*self.to, *self.cc)] + list(self.bcc)))


def compose(message: Message, envelope: Envelope, png: bytes | None) -> EmailMessage:
    """multipart/alternative of the text and the HTML, which holds its chart inline."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(message.subject.split())
    mail["From"] = _address(*envelope.sender)
    mail["To"] = [_address(*one) for one in envelope.to]
    if envelope.cc:
        mail["Cc"] = [_address(*one) for one in envelope.cc]
    if envelope.reply_to:
        mail["Reply-To"] = [_address(*one) for one in envelope.reply_to]
    domain = envelope.sender[1].rpartition("@")[2]
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    if message.thread:
        mail["In-Reply-To"] = mail["References"] = f"<{message.thread}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    for name, value in envelope.headers:
        if name not in mail:
            mail[name] = value
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    if png:
        *_, html = mail.iter_parts()
        html.add_related(png, "image", "png", cid=f"<{CHART}>", filename=f"{CHART}.png", disposition="inline")
    return mail


def _address(name: str, address: str) -> Address:
    return Address(" ".join(name.split()), addr_spec=address)


def send(mail: EmailMessage, envelope: Envelope) -> str:
    """What went wrong although the server took it: addresses that it refused among others.

    Raises NotDelivered when it refused all; OSError and SMTPException: then nobody was sent anything, or the server did
    not say that it took it.
    """
    context = ssl.create_default_context()
    if not envelope.is_verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if envelope.mode == "ssl":
        server: smtplib.SMTP = smtplib.SMTP_SSL(envelope.host, envelope.port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(envelope.host, envelope.port, timeout=TIMEOUT_S)
    try:
        if envelope.mode == "starttls":
            server.starttls(context=context)
        if envelope.user and envelope.password:
            server.login(envelope.user, envelope.password)
        refused = server.send_message(mail, envelope.sender[1], envelope.addresses)
    except smtplib.SMTPRecipientsRefused as error:
        raise NotDelivered(_said(error.recipients)) from None
    finally:
        server.close()  # it has said what it took: nothing is gained by waiting for its farewell
    return _said(refused)


def _said(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{address} was refused ({code})" for address, (code, _) in refused.items())
