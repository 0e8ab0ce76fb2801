"""A random day whose rows are kept, so that all ways of counting it can be compared."""

from __future__ import annotations

from callcore.acd.counts import Counts
from callcore.call import actions as act

from .random_day import RandomDay


class CountedDay(RandomDay):
    """`rows` holds the rows of each event or timer together, as they left the switch."""

    def __init__(self, seed: int, **options: bool) -> None:
        self.rows: list[list[act.RowAction]] = []
        super().__init__(seed, **options)

    def _carry_out(self, actions: list[act.AnyAction]) -> None:
        rows = [action for action in actions if isinstance(action, act.RowAction)]
        if rows:
            self.rows.append(rows)
        super()._carry_out(actions)

    @property
    def intervals(self) -> list[act.WriteInterval]:
        """The closed intervals in their order."""
        return [row for rows in self.rows for row in rows if isinstance(row, act.WriteInterval)]

    def live(self) -> Counts:
        """The live figures of the day: the sum of what is closed and what is not."""
        return self.switch.distributor.today(self.backend.now)
