from __future__ import annotations

from apportion.records.protocols import Short


def test_what_is_short_says_where_and_what_may_come_back() -> None:
    short = Short("study", needed=1_200, free=100, releasable=900, held=50)
    assert str(short) == "account 'study': 1,200 needed, 100 free, 900 in flight, 50 held"
    assert (short.account_id, short.needed, short.free, short.releasable, short.held) == ("study", 1_200, 100, 900, 50)
