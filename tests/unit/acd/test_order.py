"""Orders with lazy removal, and the timers on them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callcore.acd.order import Order
from callcore.acd.timers import Timers

IDS = st.sampled_from("abcdef")
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "discard", "first", "even"]), IDS, st.integers(0, 9))
)


@given(OPERATIONS)
def test_an_order_is_a_sorted_table(operations):
    """Whatever is added and removed, the first is the least of what is there."""
    order, table = Order(), {}
    for operation, ident, key in operations:
        if operation == "add":
            order.add((key, ident))
            table[ident] = (key, ident)
        elif operation == "discard":
            order.discard(ident)
            table.pop(ident, None)
        elif operation == "first":
            assert order.head == min(table.values(), default=None)
        else:
            even = [entry for entry in table.values() if entry[0] % 2 == 0]
            assert order.first_where(lambda entry: entry[0] % 2 == 0) == min(even, default=None)
        assert order.sorted() == sorted(table.values())
        assert len(order) == len(table)
        assert (ident in order) == (ident in table)


def test_dead_entries_do_not_pile_up():
    """Memory follows what is there, not what ever was: also where nobody looks at the first."""
    order = Order()
    order.add((0, "stays"))
    for round_ in range(10_000):
        order.add((1 + round_, "comes and goes"))
        order.discard("comes and goes")
    assert len(order._entries) < 100
    for round_ in range(10_000):
        order.add((round_, "moves"))
    assert len(order._entries) < 100


def test_timers_give_what_is_due_earliest_first():
    """One deadline per id; a cleared or replaced one never fires."""
    timers = Timers()
    for ident, when in (("a", 5.0), ("b", 3.0), ("c", 4.0), ("a", 1.0), ("b", None), ("d", 9.0)):
        timers.set(ident, when)
    assert timers.next() == 1.0
    assert list(timers.due(4.0)) == [(1.0, "a"), (4.0, "c")]
    assert (timers.next(), timers.get("a"), timers.get("d")) == (9.0, None, 9.0)
