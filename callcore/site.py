"""What a site wrote for its callers: IVR trees and prompt texts, read from files and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from callcore.config import Settings
from callcore.directory_check import check_trees as check_targets
from callcore.directory_check import trees_of_rules
from callcore.directory_warnings import warnings_of
from callcore.errors import ConfigError
from callcore.ivr.checks import Known
from callcore.ivr.loader import Checked, check_trees, load_prompts
from callcore.ivr.tree import Tree, texts_in
from callcore.types import TreeId

log = structlog.get_logger(__name__)

PROMPT_SETS = "prompts"


def read_tree_files(folder: Path) -> dict[str, str]:
    """Every ``*.yaml`` directly in the folder: path → text."""
    files: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            files[str(path)] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"cannot be read: {exc}", file=str(path)) from exc
    return files


def read_prompt_texts(folder: Path) -> dict[str, dict[str, str]]:
    """The prompt sets below the trees: language → name → words."""
    texts: dict[str, dict[str, str]] = {}
    for path in sorted((folder / PROMPT_SETS).glob("*.yaml")):
        texts[path.stem] = load_prompts(str(path), path.read_text(encoding="utf-8"))
    return texts


def check_site(settings: Settings) -> Checked:
    """Read and check all trees against queues, agents and prompts; never raises for content."""
    directory = settings.directory
    entered = [route.tree for route in directory.routes if route.tree]
    entered += [queue.overflow for queue in directory.queues.values() if queue.overflow]
    for queue in directory.queues.values():
        entered += trees_of_rules(queue)
    known = Known(
        queues=tuple(directory.queues),
        agents=tuple(directory.agents),
        prompts=_prompt_names(settings, read_prompt_texts(settings.paths.ivr)),
        entered=entered,
    )
    return check_trees(read_tree_files(settings.paths.ivr), known)


def load_site(settings: Settings) -> dict[TreeId, Tree]:
    """The trees, or the first error with how many there are."""
    checked = check_site(settings)
    if checked.errors:
        first = checked.errors[0]
        more = len(checked.errors) - 1
        rest = f" (and {more} more: callcore check)" if more else ""
        raise ConfigError(first.message + rest, file=first.file, line=first.line)
    check_targets(settings.directory, checked.trees, settings.places)
    for warning in checked.warnings:
        log.warning("tree_warning", at=str(warning))
    directory, places = settings.directory, settings.places
    for surprise in warnings_of(directory, checked.trees, places, settings.paths.ivr):
        log.warning("settings_warning", at=str(surprise))
    return checked.trees


def fixed_texts(trees: Mapping[TreeId, Tree], settings: Settings) -> list[str]:
    """Media references of all texts without variables, in the languages they may be spoken in."""
    media: dict[str, None] = {}
    for tree in trees.values():
        languages = (tree.language or settings.language.default,)
        for part, language in texts_in(tree):
            if "{" not in part.text:
                for spoken in (language,) if language else languages:
                    media.setdefault(f"text:{spoken}/{part.text}")
    return list(media)


def _prompt_names(
    settings: Settings, texts: Mapping[str, Mapping[str, str]]
) -> dict[str, set[str]]:
    """Names that can be played: texts of the prompt sets, and the site's own recordings."""
    names = {language: set(entries) for language, entries in texts.items()}
    own = settings.paths.site / "prompts"
    for path in own.glob("*/**/*.*") if own.is_dir() else ():
        language, *rest = path.relative_to(own).with_suffix("").parts
        names.setdefault(language, set()).add("/".join(rest))
    return names
