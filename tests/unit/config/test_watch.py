"""callcore/watch.py: changed files are told once, in order."""

import os

from callcore.watch import watch


async def test_changes_are_told(tmp_path):
    """A file that came, one that was written and one that went are each told; then silence."""
    old, gone, tree = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "ivr"
    tree.mkdir()
    for file in (old, gone):
        file.write_text("1")
    looks = 0

    async def pause():
        nonlocal looks
        looks += 1
        if looks == 2:
            old.write_text("22")
            gone.unlink()
            (tree / "deep").mkdir()
            (tree / "deep" / "t.yaml").write_text("x")
        if looks == 4:
            os.utime(old, (1, 1))

    seen = []
    async for changed in watch(lambda: [old, gone, tree], pause):
        seen.append((looks, [p.name for p in changed]))
        if len(seen) == 2:
            break
    assert seen == [(2, ["a.toml", "b.toml", "t.yaml"]), (4, ["a.toml"])]
