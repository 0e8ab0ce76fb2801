"""How many channels of a trunk are in use, and whether there is room for another call."""

from __future__ import annotations

from callcore.call.model import SwitchState


def has_room(state: SwitchState, trunk_id: str) -> bool:
    trunk = state.directory.trunks.get(trunk_id)
    if trunk is None:
        return False
    return not trunk.max_channels or channels_on(state, trunk_id) < trunk.max_channels


def channels_on(state: SwitchState, trunk_id: str) -> int:
    """Channels in use on a trunk, both directions."""
    count = 0
    for call in state.calls.values():
        if call.live and call.direction == "inbound" and call.endpoint == trunk_id:
            count += 1
        count += sum(1 for leg in call.legs.values() if leg.trunk == trunk_id)
    return count
