"""callcore/toml_source.py: lines of keys, and errors a person can act on."""

import pytest

from callcore.errors import ConfigError
from callcore.toml_source import TomlSource, locate_keys

TEXT = """\
# comment
top = 1
[a.b]
list = [
  1,
  "x = 2",
]
text = '''
[not.a.table]
y = 3
'''
dotted.key = 4
inline = { p = 1, q = 2 }

[[routes]]
pattern = "1"
[[routes]]
pattern = "2"
[routes.more]
deep = 1
["quoted id"]
"odd.key" = 1
"""


def test_every_key_has_its_line():
    """Multi-line values, dotted, quoted and inline keys, and tables in lists are found."""
    lines = locate_keys(TEXT)
    assert lines == {
        ("top",): 2,
        ("a", "b"): 3,
        ("a", "b", "list"): 4,
        ("a", "b", "text"): 8,
        ("a", "b", "dotted"): 12,
        ("a", "b", "dotted", "key"): 12,
        ("a", "b", "inline"): 13,
        ("a", "b", "inline", "p"): 13,
        ("a", "b", "inline", "q"): 13,
        ("routes", 0): 15,
        ("routes", 0, "pattern"): 16,
        ("routes", 1): 17,
        ("routes", 1, "pattern"): 18,
        ("routes", 1, "more"): 19,
        ("routes", 1, "more", "deep"): 20,
        ("quoted id",): 21,
        ("quoted id", "odd.key"): 22,
    }


def test_a_key_without_a_line_has_that_of_its_table():
    """A default inside a table is reported at the table."""
    source = TomlSource("f.toml", TEXT)
    assert source.line(("routes", 1, "queue")) == 17
    assert source.line(("nowhere",)) == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("a = 1\n[t\n", 2), ("a = 1\na = 2\n", 2), ('a = """open\n\n', 3)],
)
def test_broken_toml_names_file_and_line(text, line):
    """tomllib's position becomes file:line."""
    with pytest.raises(ConfigError) as caught:
        TomlSource("f.toml", text)
    assert (caught.value.file, caught.value.line) == ("f.toml", line)
    assert str(caught.value).startswith(f"f.toml:{line}: not valid TOML: ")


def test_text_that_is_not_utf8_names_the_line(tmp_path):
    """A Latin-1 file is refused with the place of the first bad byte."""
    file = tmp_path / "f.toml"
    file.write_bytes(b'a = 1\nname = "M\xfcller"\n')
    with pytest.raises(ConfigError, match=r"f\.toml:2: is not UTF-8 text"):
        TomlSource.read(file)
