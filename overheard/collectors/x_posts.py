"""What a post of X says: https://docs.x.com/x-api/fundamentals/data-dictionary"""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any, NamedTuple

from overheard.collectors.base import Post
from overheard.collectors.x_query import language
from overheard.collectors.x_sweep import time_of


class Repost(NamedTuple):
    """Somebody passed a post on. reach: how often that has been done to it by now."""

    of: str
    reach: int


def understood(tweet: Mapping[str, Any]) -> Post | Repost:
    """Raises KeyError, TypeError or ValueError for what is no post.

    A post keeps the first id of its edit history, and its time; a long one has its whole text in `note_tweet`.
    """
    number, history = int(tweet["id"]), tweet.get("edit_history_tweet_ids") or [tweet["id"]]
    first = int(history[0])
    refers = {reference["type"]: str(int(reference["id"])) for reference in tweet.get("referenced_tweets") or ()}
    reach = int((tweet.get("public_metrics") or {}).get("retweet_count", 0))
    if "retweeted" in refers:
        return Repost(refers["retweeted"], reach)
    text = (tweet.get("note_tweet") or {}).get("text") or tweet["text"]
    if not isinstance(text, str) or not text.strip():
        raise ValueError("no text")
    made_at = datetime.fromisoformat(tweet["created_at"]).astimezone(UTC)
    return Post(
        external_id=str(first),
        text=unescape(text),
        posted_at=made_at if number == first else time_of(first),
        author=str(tweet.get("author_id", "")),
        url=f"https://x.com/i/web/status/{number}",
        language=language(tweet.get("lang") or ""),
        reach=reach,
        replies_to=refers.get("replied_to", ""),
        quotes=refers.get("quoted", ""),
        edited_at=made_at if number != first else None,
    )
