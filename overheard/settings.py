"""Everything that can be set, read once from the environment: OVERHEARD_<NAME>. Only this file reads `os.environ`."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from overheard.errors import SettingsError

PREFIX = "OVERHEARD_"


class Settings(BaseSettings):
    """The one configuration object. Durations end in `_s` (seconds), sizes in `_bytes`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    home: Path = Field(Path("var"), description="State folder: database, queue, logs, MLflow, models.")
    host: str = Field("127.0.0.1", description="Address that the API, Flower and MLflow listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the API and the dashboard.")
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower.")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of MLflow.")
    redis_url: SecretStr | None = Field(None, description="Redis or Valkey >= 6.2; unset: the embedded server.")
    database_url: SecretStr | None = Field(None, description="SQLAlchemy URL; unset: SQLite in the state folder.")
    api_url: str | None = Field(None, description="API that the command line talks to; unset: the stack of this home.")
    api_key: SecretStr | None = Field(None, min_length=16, description="An admin's key; unset on loopback: made once.")
    first_model: str = Field(
        "starter", description="Model served until there is a champion; see Models in the reference."
    )
    first_model_labels: str | None = Field(
        None, description="What its outputs mean where it does not say, in their order, with commas."
    )
    model_store: str | None = Field(
        None, description="Folder or fsspec URL of the models that were trained; unset: in the state folder."
    )
    base_model: str = Field("champion", description="What a training starts from; see Training in the reference.")
    training_data: str = Field(
        "cardiffnlp/tweet_eval:sentiment",
        description="Base data: a Hub data set `id[:config]`, or a Parquet, CSV or JSONL file with `text` and `label`.",
    )
    checkpoint_every_s: float = Field(
        30, gt=0, description="How often a training saves itself: at most so much is done again after a kill."
    )
    mlflow_url: str | None = Field(None, description="MLflow server that mirrors runs and models; unset: the stack's.")
    scoring_threads: int = Field(0, ge=0, description="Cores for one scoring process; 0: all there are.")
    score_cache_bytes: int = Field(64_000_000, ge=0, description="Memory for scores of texts that come again; 0: none.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="What scores: `auto` takes a GPU that can be used."
    )
    wait_s: float = Field(30, gt=0, le=300, description="How long POST /inference waits before it becomes a job.")
    resend_s: float = Field(10, gt=0, description="A part unanswered for so long is sent again.")
    max_waiters: int = Field(64, ge=1, description="Requests that may wait for scores at once; one more gets 503.")
    max_queued_messages: int = Field(
        10_000_000, ge=1, description="Messages that jobs may have to score; beyond it new jobs get 503."
    )
    max_streams: int = Field(16, ge=1, description="Event streams and batch transfers at once; one more gets 503.")
    rate_per_key: int = Field(120_000, ge=0, description="Calls a minute that a key may make; 0: any number.")
    rate_per_address: int = Field(
        6_000, ge=0, description="Calls a minute that an address may make without a key; 0: any number."
    )
    rate_of_wrong_keys: int = Field(
        60,
        ge=0,
        description="Wrong keys a minute, after which an address is refused for the rest of it; 0: any number.",
    )
    proxies: int = Field(
        0, ge=0, le=10, description="Reverse proxies in front of the API, whose `X-Forwarded-*` headers are believed."
    )
    max_upload_bytes: int = Field(1_000_000_000, ge=1, description="Largest upload of POST /batches; more gets 413.")
    keep_free_bytes: int = Field(
        500_000_000, ge=0, description="An upload that would leave less room on the state folder's disk gets 507."
    )
    max_attempts: int = Field(3, ge=1, description="Times that work is started before it is parked as failed.")
    lease_s: float = Field(
        30, gt=0, le=600, description="Work whose worker has been silent for so long is given to another."
    )
    visibility_s: int = Field(30, ge=1, description="A scoring message unacknowledged for so long is delivered again.")
    reap_every_s: float = Field(15, gt=0, description="How often lost work is looked for.")
    watch_every_s: float = Field(30, gt=0, description="How often alert rules are looked at; see Alerts.")
    keep_jobs_days: int = Field(30, ge=1, description="Finished jobs, their texts and scores are deleted after this.")
    secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="Keys the hashes of authors and signs webhooks; unset: made once, in the state folder.",
    )
    keep_authors: bool = Field(False, description="Keep authors as their platforms name them, not as keyed hashes.")
    keep_posts: str = Field(
        "365",
        pattern=r"^\d+(,\w+=\d+)*$",
        description="Days that posts are kept after they were heard; a source can have its own: `365,x=30`.",
    )
    inspect_every_s: int = Field(300, ge=10, description="How often a feed is inspected, unless it says otherwise.")
    fetch_timeout_s: float = Field(20, gt=0, description="How long a platform may take to answer.")
    feed_hosts: str | None = Field(
        None, description="Hosts, addresses and networks inside of your own network that feeds may be read from."
    )
    x_token: SecretStr | None = Field(None, description="Bearer token of X's API v2.")
    x_url: str = Field("https://api.twitter.com", description="Where X's API is.")
    x_monthly_reads: int = Field(
        10_000, ge=0, description="Posts that may be read from X in a month: reads cost money."
    )
    x_read_cost: float = Field(0.005, ge=0, description="What X bills for a post that was read, in dollars.")
    mastodon_url: str = Field("https://mastodon.social", description="Mastodon instance that is read by default.")
    mastodon_token: SecretStr | None = Field(
        None, description="Access token of that instance; searching by words needs one."
    )
    hn_url: str = Field("https://hn.algolia.com", description="Where Hacker News is searched.")
    bluesky_url: str = Field("https://bsky.social", description="Bluesky server of the account.")
    bluesky_handle: str | None = Field(None, description="Account that searches Bluesky.")
    bluesky_password: SecretStr | None = Field(None, description="An app password of that account.")
    audits_per_week: int = Field(
        50, ge=0, le=1000, description="Posts per brand that people are asked to check each week; 0: none."
    )
    hf_repo: str | None = Field(
        None, pattern=r"^\w[\w.-]*/\w[\w.-]*$", description="Hub repository that promoted models are published to."
    )
    hf_token: SecretStr | None = Field(None, description="Token that may write there; unset: the Hub client's own.")
    max_slowdown: float = Field(
        1.5, gt=0, description="A challenger may take so many times as long per message as the champion."
    )
    max_recall_loss: float = Field(
        0.01, ge=0, le=1, description="Macro-recall that a challenger must be sure not to lose to be called not worse."
    )
    max_slice_fall: float = Field(
        0.02, ge=0, le=1, description="A challenger whose macro-recall falls by more on a slice is not promoted."
    )
    min_slice_rows: int = Field(200, ge=1, description="Slices of the test rows with fewer rows can't veto.")
    min_test_rows: int = Field(300, ge=1, description="On fewer test rows nothing is promoted.")
    watched_trainings: int = Field(5, ge=2, description="So many last trainings are compared by the accuracy check.")
    max_accuracy_fall: float = Field(
        0.05,
        ge=0,
        le=1,
        description="A fall of accuracy or macro-recall by more, against the last ones' best, is told.",
    )
    retrain_on_fall: bool = Field(False, description="Start a training when accuracy has fallen and there are labels.")
    notify_url: SecretStr | None = Field(
        None, description="Who is told of alerts and digests, as apprise writes it: the recipient `default`."
    )
    notify_schemes: str = Field(
        "mailto,mailtos,slack,workflow,workflows,discord,mmost,mmosts,tgram,ntfy,ntfys,json,jsons",
        pattern=r"^[a-z0-9]+(,[a-z0-9]+)*$",
        description="Ways that recipients may be told in.",
    )
    notify_hosts: str | None = Field(
        None, description="Hosts, addresses and networks inside of your own network that notices may go to."
    )
    public_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="Where people reach the dashboard: links in notices lead there."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = Field("text", description="What a line of the log is; `json` for collectors.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment. Raises SettingsError naming each variable that can't be used, and why."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            reasons = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            raise SettingsError(reasons) from None

    @cached_property
    def running_stack(self) -> dict[str, Any]:
        """What `overheard up` wrote about the stack that runs in this home; empty when none does."""
        try:
            return dict(json.loads(self.stack_file.read_text()))
        except (OSError, ValueError):
            return {}

    @property
    def stack_file(self) -> Path:
        return self.home / "stack.json"

    @property
    def models(self) -> Path:
        """Models that were fetched or made here."""
        return self.home / "models"

    @property
    def trainings(self) -> Path:
        """A folder per unfinished training: its frozen data and its checkpoints."""
        return self.home / "trainings"

    @property
    def api_key_file(self) -> Path:
        return self.home / "api_key"

    @property
    def secret_file(self) -> Path:
        return self.home / "secret"

    @property
    def retention(self) -> "Retention":
        default, *own = self.keep_posts.split(",")
        return Retention(int(default), {source: int(days) for source, days in (part.split("=") for part in own)})

    @property
    def broker_url(self) -> str:
        """URL of the Redis-protocol server: the one that is set, else the embedded one of the running stack."""
        if self.redis_url:
            return self.redis_url.get_secret_value()
        if url := self.running_stack.get("redis_url"):
            return str(url)
        raise SettingsError(f"no Redis: set {PREFIX}REDIS_URL, or start the stack of {self.home} with `overheard up`")

    @property
    def sql_url(self) -> str:
        return self.database_url.get_secret_value() if self.database_url else f"sqlite:///{self.home / 'overheard.db'}"

    @property
    def is_loopback(self) -> bool:
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment for a process of ours: this one's, with every setting made explicit, and `extra` on top."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        plain = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in values.items()
            if value is not None
        }
        return {**os.environ, **{PREFIX + name.upper(): value for name, value in plain.items()}, **extra}


@dataclass(frozen=True)
class Retention:
    """For how many days posts are kept, where a source has no time of its own."""

    default: int
    own: Mapping[str, int]

    def days(self, source: str) -> int:
        return self.own.get(source, self.default)


def calm_threads() -> None:
    """Have OpenMP's threads sleep while they wait for each other, unless the environment says otherwise.

    They spin by default: as soon as anything else needs a core, a training on all cores is 60 times as slow as one
    whose threads sleep (measured on two cores, one of them busy). OpenMP reads this when torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
