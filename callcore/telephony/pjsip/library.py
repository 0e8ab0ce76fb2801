"""Finds pjsua2 and callcore's ports for it, and says what that build can do."""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from callcore.errors import SetupError

#: A caller and an agent are two calls; the wheels of the package index allow four.
FEWEST_CALLS = 32
#: What pjsua2's limits are read as, and the settings ask for.
GET_IT = "run make pjsua2: it builds one with room for 512 calls (3 minutes, then it is cached)"


class Facts(NamedTuple):
    """What a build of pjsua2 offers."""

    version: str
    calls: int
    codecs: tuple[str, ...]


@cache
def load() -> tuple[Any, ModuleType]:
    """pjsua2 and `callcore.native._pjsip`; `SetupError` where they are missing.

    The ports use pjproject's functions inside pjsua2's library: its symbols must be global before.
    """
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    try:
        library = importlib.import_module("pjsua2")
    except ImportError as exc:
        raise SetupError(f"pjsua2 cannot be used ({exc}): {GET_IT}") from exc
    finally:
        sys.setdlopenflags(flags)
    try:
        ports = importlib.import_module("callcore.native._pjsip")
    except ImportError as exc:
        raise SetupError(
            f"pjsua2 is there, but not as make pjsua2 builds it ({exc}): {GET_IT}"
        ) from exc
    return library, ports


def facts() -> Facts:
    """Version, limit and codecs; loads the library and starts it for a moment.

    For a process that does nothing else with it (`callcore check`).
    """
    library, _ = load()
    endpoint = library.Endpoint()
    endpoint.libCreate()
    try:
        config = quiet_config(library)
        calls = config.uaConfig.maxCalls
        endpoint.libInit(config)
        codecs = tuple(
            dict.fromkeys(c.codecId.partition("/")[0] for c in endpoint.codecEnum2() if c.priority)
        )
        return Facts(endpoint.libVersion().full, calls, codecs)
    finally:
        endpoint.libDestroy()


def quiet_config(library: Any) -> Any:
    """The library's defaults (its limits among them), without a word on the console."""
    config = library.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    return config


def check_limit(calls: int) -> None:
    """Refuse a build that cannot carry a call centre."""
    if calls < FEWEST_CALLS:
        raise SetupError(
            f"this pjsua2 allows {calls} calls at once, {FEWEST_CALLS} at least: {GET_IT}"
        )
