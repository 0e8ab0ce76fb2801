"""`callcore serve` before it serves: one server per directory, one line per fault."""

import os

import pytest

from callcore.cli.main import the_one_error
from callcore.cli.serve import only_one
from callcore.errors import SetupError


def test_a_second_server_is_refused(tmp_path):
    """It names the first one's pid; when that ended, the directory is free."""
    refused = pytest.raises(SetupError, match=f"another callcore .pid {os.getpid()}.")
    with only_one(tmp_path / "var"), refused, only_one(tmp_path / "var"):
        pass
    with only_one(tmp_path / "var"):
        pass


def test_a_fault_inside_the_task_group_is_one_line():
    """What the server died of comes out of its task groups; a bug keeps its traceback."""
    fault = SetupError("port taken")
    group = BaseExceptionGroup("outer", [ExceptionGroup("inner", [fault])])
    assert the_one_error(group) is fault
    bug = ExceptionGroup("outer", [fault, ValueError("bug")])
    with pytest.raises(ExceptionGroup):
        the_one_error(bug)
