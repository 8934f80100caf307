"""Times that no calendar can reckon with are refused wherever they are asked for."""

import pytest

from tests.stack import RunningStack

READ = ("/brands/1/changes", "/brands/1/sentiment", "/posts")
TIMES = ("0001-01-02T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:00:00Z")


@pytest.mark.parametrize("at", TIMES)
def test_a_time_out_of_reach_is_refused(stack: RunningStack, at: str) -> None:
    answers = [stack.client.get(path, params={end: at}) for path in READ for end in ("since", "until")]
    answers += [stack.client.post("/brands/1/audits", json={end: at}) for end in ("since", "until")]
    assert {answer.status_code for answer in answers} == {422}
    assert all("1970" in answer.text or "9000" in answer.text for answer in answers)
