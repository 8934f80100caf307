"""The platforms that the contract suite goes over: a new one is a file with its case, and a line here."""

from tests.collectors.bluesky_case import BlueskyCase
from tests.collectors.case import Case, OnlineCase
from tests.collectors.file_case import FileCase
from tests.collectors.hn_case import HnCase
from tests.collectors.mastodon_case import MastodonCase, MastodonSearchCase
from tests.collectors.rss_case import RssCase
from tests.collectors.x_case import XCase

CASES: tuple[type[Case], ...] = (XCase, RssCase, FileCase, MastodonCase, MastodonSearchCase, HnCase, BlueskyCase)
ONLINE = tuple(case for case in CASES if issubclass(case, OnlineCase))
PAGED = tuple(case for case in CASES if case.page)
BILLED = tuple(case for case in CASES if case.billed)
KEYED = tuple(case for case in CASES if case.secrets)
