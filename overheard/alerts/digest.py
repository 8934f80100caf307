"""The weekly digest of a brand: figures as JSON when the week is over, and a message made of these."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from overheard.alerts import charts
from overheard.alerts.compose import House, examples, links, render
from overheard.alerts.message import Chart, Message
from overheard.alerts.wording import harmless, interval, listed, percent, points, subject
from overheard.intervals import NONE, Share
from overheard.scoring.bundle import LABELS
from overheard.settings import Settings
from overheard.store import brands, digests, outbox
from overheard.store.database import Database
from overheard.store.digests import WEEK, Week

CHARTED: Final = timedelta(weeks=4)
MAX_WORDS, MAX_TOPICS = 5, 3
MAX_SOURCES: Final = 3
METHODS: Final = {
    "audited": "People checked {audits} of these posts; the interval rests on what they said.",
    "nearby": "People checked {audits} posts of the weeks around; the interval rests on what they said of those.",
    "corrected": "Nobody has checked any of these posts: the interval is as wide as befits a model nobody checked.",
    "too_few": "With so few posts no interval would be valid.",
}


def announce(database: Database, settings: Settings, due_at: datetime, now: datetime) -> dict[str, Any]:
    """Write the digests of the week before `due_at` for all who want them. For JSON: how many brands, how many notices.

    A transaction per brand: called again, it goes on where it stopped.
    """
    since = digests.monday(due_at) - WEEK
    with database.read() as session:
        found = digests.heard_of(session, since - WEEK)
    told = 0
    for brand_id in found:
        with database.read() as session:
            figures = read(session, brand_id, since, settings.first_model)
        with database.write() as session:
            told += outbox.announce_digest(session, brand_id, f"{brand_id}:{since:%Y-%m-%d}", figures, now)
    return {"week": f"{since:%Y-%m-%d}", "brands": len(found), "notices": told}


def read(session: Session, brand_id: int, since: datetime, first_model: str) -> dict[str, Any]:
    """For JSON; of posts the ids alone, so that what is erased by then is not told. Raises NotFound."""
    week = digests.read(session, brands.get(session, brand_id), since, first_model)
    chart = charts.of_brand(session, brand_id, week.brand.name, week.until - CHARTED, week.until, week.since)
    return {
        "brand_id": brand_id,
        "brand": week.brand.name,
        "since": week.since.isoformat(),
        "until": week.until.isoformat(),
        "posts": week.now.point.posts,
        "posts_before": week.before.point.posts,
        "is_complete": week.now.point.is_complete,
        "now": week.now.estimate.as_dict(),
        "before": week.before.estimate.as_dict(),
        "changes": {name: change.as_dict() for name, change in zip(LABELS, week.changes, strict=True)},
        "movement": _movement(week),
        "model": {"version": week.model, **asdict(week.accuracy), "drifted": list(week.drifted)},
        "gaps": [{**asdict(gap), "since": gap.since.isoformat(), "until": gap.until.isoformat()} for gap in week.gaps],
        "incidents": [
            {
                "id": one.id,
                "title": one.finding["title"],
                "opened_at": one.opened_at.isoformat(),
                "resolved_at": one.resolved_at and one.resolved_at.isoformat(),
            }
            for one in week.incidents
        ],
        "audits": week.audits,
        "chart": chart and asdict(chart),
    }


def _movement(week: Week) -> dict[str, Any] | None:
    if week.movement is None or week.movement.split is None:
        return None
    told, split = week.movement, week.movement.split
    parts = {name: part and asdict(part) for name in ("mix", "mood", "model") for part in [getattr(split, name)]}
    by_size = sorted(split.sources, key=lambda one: -abs(one.mix + one.mood))
    return {
        "parts": parts,
        "sources": [{"source": one.source, "mix": one.mix, "mood": one.mood} for one in by_size[:MAX_SOURCES]],
        "words": [one.text for one in (*told.words[:MAX_WORDS], *told.topics[:MAX_TOPICS])],
        "post_ids": list(told.examples),
    }


def message(session: Session, house: House, figures: Mapping[str, Any], message_id: str, recipient: str) -> Message:
    """figures: what `read` gave."""
    since, until = (datetime.fromisoformat(figures[name]) for name in ("since", "until"))
    title = f"{figures['brand']}, {_week(since, until)}"
    chart = figures["chart"] and Chart.of(figures["chart"])
    movement = figures["movement"] or {"words": [], "post_ids": []}
    told: dict[str, Any] = {
        "title": title,
        "figures": figures,
        "headline": list(_headline(figures)),
        "rows": list(_rows(figures)),
        "drivers": list(_drivers(figures)),
        "words": movement["words"],
        "examples": examples(session, movement["post_ids"]),
        "model": list(_model(figures["model"])),
        "todo": list(_todo(figures)),
        "incidents": [_timed(one) for one in figures["incidents"]],
        "gaps": [_timed(one) for one in figures["gaps"]],
        "chart": chart,
        "links": links(house, {"posts": f"/posts?brand_id={figures['brand_id']}", "audits": "/audits"}),
        "recipient": recipient,
    }
    brief = [*told["headline"], *told["drivers"][:2], *_missing(figures), *told["todo"]]
    return Message(
        id=message_id,
        subject=subject(f"{title}: {_short(figures)}"),
        text=render("digest.txt", **told),
        html=render("digest.html", **told),
        brief="\n".join([*map(harmless, brief), *told["links"].values()]),
        facts={"kind": "digest", **{name: value for name, value in figures.items() if name != "chart"}},
        chart=chart,
    )


def _week(since: datetime, until: datetime) -> str:
    """Like `2 to 8 March 2026`."""
    last = until - timedelta(days=1)
    first = f"{since.day} {since:%B}" if since.month != last.month else f"{since.day}"
    return f"{first} to {last.day} {last:%B %Y}"


def _share(told: Mapping[str, float | None]) -> Share:
    return Share(told["point"], told["low"], told["high"])


def _short(figures: Mapping[str, Any]) -> str:
    share = _share(figures["now"]["shares"]["negative"])
    posts = f"{figures['posts']:,} posts"
    if share.point is None or share.low is None or share.high is None:
        return posts
    return f"{percent(share.point)} negative ({interval(share.low, share.high)}), {posts}"


def _headline(figures: Mapping[str, Any]) -> Iterable[str]:
    """What was said, how sure that is, and whether it differs from the week before."""
    posts, before, estimate = figures["posts"], figures["posts_before"], figures["now"]
    share, change = _share(estimate["shares"]["negative"]), _share(figures["changes"]["negative"])
    volume = f"{posts:,} posts were heard (the week before: {before:,})."
    if share.low is None or share.high is None or share.point is None:
        yield f"{volume} {METHODS['too_few']}"
        return
    sure = f"{interval(share.low, share.high)}, with 95 % confidence"
    yield f"{volume} {percent(share.point)} of them were negative: {sure}."
    if change.point is not None and change.low is not None and change.high is not None:
        about = f"{points(change.point)} ({points(change.low).removesuffix(' points')} to {points(change.high)})"
        moved = "up" if change.low > 0 else "down" if change.high < 0 else ""
        yield (
            f"That is {moved} by more than chance explains: {about}."
            if moved
            else f"Against the week before that is no sure change: {about}."
        )
    yield METHODS[estimate["method"]].format(audits=estimate["audits"])


def _rows(figures: Mapping[str, Any]) -> Iterable[tuple[str, str, str, str]]:
    """Class, this week, the week before, the change."""
    for name in LABELS:
        change = _share(figures["changes"][name])
        yield (
            name,
            _told(_share(figures["now"]["shares"][name])),
            _told(_share(figures["before"]["shares"][name])),
            "" if change.point is None else points(change.point),
        )


def _told(share: Share) -> str:
    if share.point is None or share.low is None or share.high is None:
        return "too few posts"
    return f"{percent(share.point)} ({interval(share.low, share.high)})"


def _drivers(figures: Mapping[str, Any]) -> Iterable[str]:
    """What drove the change, the largest part first. Nothing where nothing changed for sure."""
    movement = figures["movement"]
    if movement is None:
        return
    said = {
        "mood": "within its sources people spoke otherwise",
        "mix": "posts came from other sources than before",
        "model": "another model version read the posts",
    }
    parts = {name: part for name, part in movement["parts"].items() if part}
    for name, part in sorted(parts.items(), key=lambda one: -abs(one[1]["value"])):
        if part["low"] > 0 or part["high"] < 0:
            about = f"{points(part['low']).removesuffix(' points')} to {points(part['high'])}"
            yield f"{points(part['value'])} because {said[name]} ({about})."
    moved = [f"{one['source']} ({points(one['mix'] + one['mood'])})" for one in movement["sources"] if _is_felt(one)]
    if moved:
        yield f"Most of it came through {listed(moved)}."


def _is_felt(source: Mapping[str, float]) -> bool:
    return abs(source["mix"] + source["mood"]) >= 0.005


def _model(model: Mapping[str, Any]) -> Iterable[str]:
    """How good the model is believed to be."""
    if model["version"] is None:
        yield "No model serves yet."
        return
    yield f"Model {model['version']} serves."
    weekly = model["weekly"] or {"expected": None, "audited": None}
    if right := _right(weekly["expected"]):
        yield f"On this week's posts it is believed to be right in {right}, by its own probabilities."
    if right := _right(weekly["audited"]):
        yield f"By the {weekly['audited']['posts']:,} of them that people checked it is right in {right}."
    if checked := model["checked"]:
        about = f"{checked['n']:,} labels of people ({checked['labels']})"
        yield f"On {about} it was right in {percent(checked['accuracy'])}."
    else:
        yield "People have labelled too few texts lately to check it."
    yield from (f"It has become worse: {fall}." for fall in model["fallen"])
    if model["drifted"]:
        yield f"This week's posts differ from what it was trained on in {listed(model['drifted'])}."


def _right(figures: Mapping[str, Any] | None) -> str:
    """Empty where it is not known."""
    accuracy = _share(figures["accuracy"]) if figures else NONE
    return "" if accuracy.low is None else _told(accuracy)


def _todo(figures: Mapping[str, Any]) -> Iterable[str]:
    still = [one for one in figures["incidents"] if not one["resolved_at"]]
    if still:
        yield f"{_count(len(still), 'alert')} still open."
    if figures["audits"]:
        yield f"{_count(figures['audits'], 'post')} to check: a few minutes a week make these intervals narrow."


def _missing(figures: Mapping[str, Any]) -> Iterable[str]:
    if figures["gaps"]:
        yield f"Not everything was heard: {_count(len(figures['gaps']), 'gap')}."


def _count(number: int, one: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {one}s"


def _timed(row: Mapping[str, Any]) -> dict[str, Any]:
    """With times in place of their texts."""
    names = ("since", "until", "opened_at", "resolved_at")
    return {name: datetime.fromisoformat(value) if name in names and value else value for name, value in row.items()}
