"""`overheard doctor`: every check in the order in which one would mend what it finds."""

from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from overheard.errors import OverheardError
from overheard.settings import Settings
from overheard.stack import checks, condition, installation
from overheard.stack.checks import Finding

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def diagnose(settings: Settings) -> Iterator[Finding]:
    looks: list[Callable[[], Iterator[Finding]]] = [
        installation.python,
        installation.packages,
        installation.pins,
        installation.imports,
        lambda: installation.model(settings),
        lambda: condition.folder(settings),
        lambda: checks.disk(settings.home),
        lambda: condition.secrets(settings),
        lambda: checks.queue(settings),
        lambda: checks.databases(settings, thorough=True),
        lambda: condition.schema(settings),
        lambda: condition.running(settings),
    ]
    for look in looks:
        try:
            yield from look()
        except (OverheardError, OSError) as error:  # a check that can't be made is a problem like any other
            yield Finding("doctor", "problem", str(error), "mend that first")


def show(settings: Settings, console: Console) -> bool:
    """Print a table of all findings; whether there is no problem."""
    table = Table("check", "", Column("finding", overflow="fold"))
    with console.status("looking"):
        findings = list(diagnose(settings))
    for finding in findings:
        text = f"{finding.detail}\n-> {finding.remedy}" if finding.remedy else finding.detail
        table.add_row(Text(finding.check), Text(finding.level, style=STYLES[finding.level]), Text(text))
    console.print(table)
    return all(finding.level != "problem" for finding in findings)
