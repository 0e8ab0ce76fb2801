"""The baseline: Asterisk's own Queue() with the same phones, in the same Asterisk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callcore.lab.site import LabSite
from callcore.telephony.layout import AsteriskPaths
from callcore.telephony.render import write_private

#: What every queue has in common with callcore's: longest idle first, no wrap-up, music.
COMMON = """\
strategy = leastrecent
musicclass = default
timeout = 15
retry = 1
wrapuptime = 0
ringinuse = no
joinempty = yes
leavewhenempty = no
"""


def queues_conf(members: Mapping[str, Sequence[str]]) -> str:
    """One queue per name, with these phones."""
    sections = []
    for name, phones in members.items():
        lines = [f"member => PJSIP/{phone}" for phone in phones]
        sections.append(f"[{name}]\n{COMMON}" + "\n".join(lines) + "\n")
    return "\n".join(sections)


def extensions_conf(numbers: Mapping[str, str]) -> str:
    """Numbers that lead from the trunk to a queue of Asterisk's, past callcore."""
    lines = ["[callcore-trunk](+)"]
    for number, queue in numbers.items():
        lines += [
            # i: at once, as ARI answers; else it waits up to 500 ms for the caller's first sound.
            f"exten => {number},1,Answer(,i)",
            f" same => n,Queue({queue})",
            " same => n,Hangup()",
        ]
    return "\n".join(lines) + "\n"


async def install(
    site: LabSite, numbers: Mapping[str, str], members: Mapping[str, Sequence[str]]
) -> None:
    """Give the running Asterisk the queues and the numbers that lead to them."""
    etc = AsteriskPaths.under(site.var).etc
    write_private(etc / "queues_extra.conf", queues_conf(members))
    write_private(etc / "extensions_extra.conf", extensions_conf(numbers))
    await site.asterisk("queue reload all")
    await site.asterisk("dialplan reload")
