"""Pending callbacks over the API: seen, and taken back."""

from callcore.call.events import CallbackCancelAsked
from callcore.monitor.callbacks import CallbackView, callback_table

VIEW = CallbackView(
    id="b1", asked_by="c0", queue="sales", number="0301234", state="resting", since=900.0,
    first="agent", attempts=1, due=1060.0,
)  # fmt: skip


async def test_pending_callbacks_by_queue_and_taken_back(api, switch):
    """Listed in order, filtered by queue, cancelled once."""
    switch.pending = {"b1": VIEW}
    status, answer = await api("GET", "/api/v1/callbacks")
    assert (status, answer["at"]) == (200, 1000.0)
    assert [(each["id"], each["number"]) for each in answer["callbacks"]] == [("b1", "0301234")]
    assert len((await api("GET", "/api/v1/callbacks?queue=sales"))[1]["callbacks"]) == 1
    assert (await api("GET", "/api/v1/callbacks?queue=none"))[0] == 404
    assert (await api("POST", "/api/v1/callbacks/b1/cancel"))[0] == 200
    assert switch.events == [CallbackCancelAsked(call="b1")]
    assert (await api("POST", "/api/v1/callbacks/b1/cancel"))[0] == 404


def test_a_table_says_when_it_is_tried_again():
    """Waiting time and the time to the next attempt."""
    (row,) = callback_table([VIEW], 1000.0).rows
    assert row == ("b1", "sales", "0301234", "resting", "1:40", "in 1:00", "1", "agent", "")
