"""The command line's way to a running callcore: its HTTP API, with the token of its file."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from callcore.errors import CallcoreError, ConfigError, Refused, ServerUnreachable, UnknownEntity

if TYPE_CHECKING:
    from callcore.config import Settings
    from callcore.directory_additions import DirectoryFile

TIMEOUT = 15.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Answered404(UnknownEntity):
    """The server's own sentence."""

    def __init__(self, sentence: str) -> None:
        CallcoreError.__init__(self, sentence)


class Server:
    """One running callcore."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._host = ANY_ADDRESS.get(settings.api.bind, settings.api.bind)
        self._port = settings.api.port

    def get(self, *path: str, query: dict[str, str] | None = None) -> Any:
        return self._decoded(*self._raw("GET", path, query=query))

    def post(self, *path: str, body: object = None) -> Any:
        return self._decoded(*self._raw("POST", path, body=body))

    def download(self, *path: str) -> bytes:
        """The bytes of a file."""
        status, content = self._raw("GET", path)
        if status >= 400:
            self._decoded(status, content)
        return content

    def _decoded(self, status: int, text: bytes) -> Any:
        try:
            answer = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ServerUnreachable(f"{self._where} answers, but it is not callcore") from exc
        if status < 400:
            return answer
        sentence = answer.get("error") if isinstance(answer, dict) else None
        raise _error(status, str(sentence or f"status {status}"))

    def _raw(
        self,
        method: str,
        path: tuple[str, ...],
        body: object = None,
        query: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body; each part of `path` is one segment, whatever it contains."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        url = "/api/v1/" + "/".join(quote(part, safe="") for part in path)
        url += f"?{urlencode(query)}" if query else ""
        content = None if body is None else msgspec.json.encode(body)
        try:
            connection.request(method, url, body=content, headers=self._headers())
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, http.client.HTTPException) as exc:
            raise ServerUnreachable(
                f"no callcore answers on {self._where} ({_reason(exc)}): run callcore serve"
            ) from exc
        finally:
            connection.close()
        if status == 401:
            raise ServerUnreachable(
                f"what listens on {self._where} refuses the token of {self._settings.token_file}:"
                " it is another callcore, or the token changed after its start"
            )
        return status, text

    def _headers(self) -> dict[str, str]:
        from callcore.api_token import read_token

        try:
            return {"Authorization": f"Bearer {read_token(self._settings.token_file)}"}
        except FileNotFoundError as exc:
            raise ServerUnreachable(
                f"no API token in {self._settings.token_file}: `callcore serve` makes it"
                " at its first start"
            ) from exc
        except OSError as exc:
            file = self._settings.token_file
            raise ServerUnreachable(f"cannot read {file}: {exc.strerror}") from exc

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"


def _error(status: int, sentence: str) -> CallcoreError:
    if status == 404:
        return Answered404(sentence)
    if status in (400, 413, 422):
        return ConfigError(sentence)
    return Refused(sentence)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def edit_directory(settings: Settings, edit: Callable[[DirectoryFile], None]) -> bool:
    """Change var/directory.json; a running callcore takes it over at once. True: one did."""
    import functools

    from callcore.directory_file import editing
    from callcore.site_check import check_change

    check = functools.partial(check_change, settings)
    path = settings.directory_file
    with editing(path, settings.configured, settings.configured_places, check) as file:
        edit(file)
    try:
        Server(settings).post("reload")
    except ServerUnreachable:
        return False  # it will read the file when it starts
    return True


def remove_entity(settings: Settings, section: str, name: str) -> bool:
    """Remove what was added at run time; what callcore.toml says can only be removed there."""
    if name in getattr(settings.configured, section):
        place = settings.configured_places.get(f"{section}.{name}", settings.file)
        raise Refused(f"{section[:-1]} {name!r} is written in {place}: remove it there")
    if name not in getattr(settings.directory, section):
        raise UnknownEntity(section[:-1], name)
    return edit_directory(settings, lambda file: file.remove(section, name))


def add_entity(settings: Settings, entity: Any) -> bool:
    """Add a phone, trunk or agent whose id is free."""
    section = f"{type(entity).__name__.lower()}s"
    if entity.id in getattr(settings.directory, section):
        place = settings.places.get(f"{section}.{entity.id}", "")
        raise Refused(f"there is a {section[:-1]} {entity.id!r} already, in {place}")
    return edit_directory(settings, lambda file: file.put(entity))


def find(settings: Settings, section: str, name: str) -> Any:
    """An entity that must be there."""
    table = getattr(settings.directory, section)
    if name not in table:
        raise UnknownEntity(section[:-1], name)
    return table[name]


def reset_entity(
    config: Path | None, section: str, name: str, edit: Callable[[DirectoryFile], None]
) -> bool:
    """Drop run-time changes, also where callcore.toml no longer has what they change."""
    from callcore.config import find_settings_file, load_file_only
    from callcore.directory_additions import DirectoryFile

    settings = load_file_only(config or find_settings_file(os.environ), os.environ)
    additions = DirectoryFile.read(settings.directory_file).additions
    if name in getattr(additions, section):
        raise Refused(f"{section[:-1]} {name!r} was added at run time: callcore.toml has none")
    changed = getattr(additions, f"{section[:-1]}_settings"), additions.members
    if name not in getattr(settings.configured, section) and not any(name in t for t in changed):
        raise UnknownEntity(section[:-1], name)
    return edit_directory(settings, edit)
