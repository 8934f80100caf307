"""The `overheard` command: starts the stack as processes, talks HTTP to the API, calls the domain."""

import sys

import typer

from overheard.cli.alerts import app as alerts
from overheard.cli.audits import app as audits
from overheard.cli.brands import app as brands
from overheard.cli.digest import digest
from overheard.cli.doctor import doctor
from overheard.cli.evaluate import evaluate
from overheard.cli.feeds import app as feeds
from overheard.cli.keep import backup, migrate, restore
from overheard.cli.keys import app as keys
from overheard.cli.labels import app as labels
from overheard.cli.models import app as models
from overheard.cli.models import export
from overheard.cli.recipients import app as recipients
from overheard.cli.replay import replay
from overheard.cli.rules import app as rules
from overheard.cli.schedules import app as schedules
from overheard.cli.score import score
from overheard.cli.sentiment import sentiment
from overheard.cli.train import train
from overheard.cli.up import down, up
from overheard.errors import OverheardError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="What people say about a brand, how sure that is, and a model that learns from every correction.",
)
plain = (up, down, doctor, score, sentiment, digest, evaluate, train, export, replay, migrate, backup, restore)
for command in plain:
    app.command()(command)
app.add_typer(audits, name="audits")
app.add_typer(brands, name="brands")
app.add_typer(feeds, name="feeds")
app.add_typer(keys, name="keys")
app.add_typer(labels, name="labels")
app.add_typer(models, name="models")
app.add_typer(rules, name="rules")
app.add_typer(alerts, name="alerts")
app.add_typer(recipients, name="recipients")
app.add_typer(schedules, name="schedules")


def main() -> None:
    """Run the command line: an error of ours is one line on stderr and exit status 1, never a traceback."""
    try:
        app()
    except ModuleNotFoundError as error:
        print(f"overheard: {error.name} is not installed: pip install 'overheard[local]'", file=sys.stderr)
        sys.exit(1)
    except OverheardError as error:
        print(f"overheard: {error}", file=sys.stderr)
        sys.exit(1)
