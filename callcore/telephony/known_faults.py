"""Faults of Asterisk releases that an operator has to know of: what `callcore check` says."""

from __future__ import annotations

import re

from callcore.findings import Finding, warning

_VERSION = re.compile(r"(\d+)\.(\d+)")
#: By major version, the first minor one with and the first without the crash: a REFER that asks for
#: no reports (RFC 4488) while ARI controls transfers (asterisk/asterisk issue 2021). 21 has ended.
_REFER_SUB = {20: (13, 21), 21: (8, 1000), 22: (3, 11), 23: (0, 5)}


def known_faults(version: str) -> list[Finding]:
    """`version` as Asterisk tells it, such as ``22.10.1~dfsg``."""
    found = _VERSION.search(version)
    if found is None:
        return []
    major, minor = int(found[1]), int(found[2])
    first, mended = _REFER_SUB.get(major, (0, 0))
    if not first <= minor < mended:
        return []
    return [
        warning(
            "asterisk",
            f"Asterisk {major}.{minor} crashes when a phone transfers with `Refer-Sub: false`",
            "where phones have that option (RFC 4488), turn it off; or Asterisk 20.21, 22.11, 23.5",
        )
    ]
