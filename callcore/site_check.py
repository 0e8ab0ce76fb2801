"""What a change of the directory must not break: itself, and the trees that lead to and from it."""

from __future__ import annotations

import msgspec

from callcore.config import Settings
from callcore.directory import Directory
from callcore.directory_check import check_directory, check_trees
from callcore.directory_faults import Places
from callcore.site import check_site


def check_change(settings: Settings, directory: Directory, places: Places) -> None:
    """Refuse a directory that is wrong in itself, or that the trees do not fit any more.

    Raises `ConfigError`. What was wrong with the trees before does not stand in the way.
    """
    check_directory(directory, places)
    checked = check_site(msgspec.structs.replace(settings, directory=directory, places=places))
    if not checked.errors:
        check_trees(directory, checked.trees, places)
        return
    before = {str(error) for error in check_site(settings).errors}
    new = [error for error in checked.errors if str(error) not in before]
    if new:
        raise new[0]
