"""The runner of pages itself: it runs what is there, in order, and fails if something else is printed."""

import os
from pathlib import Path

import pytest
from markdown_pages import Page, WrongOutput, blocks, commands, same

GOOD = """
A page.

```console
$ echo "one 1"
one 1
$ printf 'a\\nb\\n' \\
>&2; cat note.txt || true
a
...
```

```text file=note.txt
written
```

```python
value = 3
```

```pycon
>>> value + 1
4
>>> print("took 0.123 s")
took ... s
```

```sh not-run
exit 1
```

    ```
    an indented block without a language is not run
    ```
"""


def run(page: str, folder: Path) -> int:
    path = folder / "page.md"
    path.write_text(page)
    return Page(path, folder, os.environ).run()


def test_every_block_is_run_in_order(tmp_path: Path) -> None:
    assert [block.language for block in blocks(GOOD)] == ["console", "text", "python", "pycon", "sh", ""]
    page = GOOD.replace("```console", "```sh\ntrue\n```\n\n```console")
    assert run(page, tmp_path) == 5
    assert (tmp_path / "note.txt").read_text() == "written\n"


def test_commands_go_over_several_lines() -> None:
    (first, *_) = blocks(GOOD)
    assert [command.count("\n") for command, _ in commands(first)] == [1, 2]


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo 1\n2\n```",
        "```console\n$ false\n```",
        "```console fails\n$ true\n```",
        "```console\n$ echo 1; echo 2\n1\n```",
        "```pycon\n>>> 1 + 1\n3\n```",
        "```sh\nfalse\n```",
    ],
)
def test_what_is_wrong_is_found(page: str, tmp_path: Path) -> None:
    with pytest.raises(WrongOutput):
        run(page, tmp_path)


def test_an_error_in_python_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run("```python\n1 / 0\n```", tmp_path)
    with pytest.raises(ValueError, match="say not-run"):
        run("```rust\nfn main() {}\n```", tmp_path)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("took 1.5 s, 12,345 rows", "took 0.76 s, 24_000 rows"),
        ("error 8.9e-08", "error 4.5e-08"),
        ("tolerance 2.5e-06", "tolerance 7.0e-06"),
        ("error 0.0e+00 0%", "error 3.0e-07 0%"),
        ("a  1.5\nb 2\n", "a 1.6\nb  3\n"),
        ("[1, 2, 3]", "[2, 4, 6]"),
        ("took ... s, 10 rows", "took 123.4 s, 11 rows"),
        ("...\nloss 0.05\n...", "epoch 1\nloss 9\nloss 0.06\nend"),
        ("probability=0.9...", "probability=0.8123"),
    ],
)
def test_figures_may_vary_if_the_page_says_so(wanted: str, found: str) -> None:
    assert same(wanted, found, figures_vary=True)
    assert same(wanted, wanted, figures_vary=False)
    assert not same(wanted.replace("...", "-"), found, figures_vary=False)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("took 1.5 s", "took 1.5 ms"),
        ("25 kB: 15,361 rows", "71 kB: 15,361 rows"),
        ("25 kB: 15,361 rows", "25 kB: 3,296 rows"),
        ("error 8.9e-08", "error 8.9e-07"),
        ("error 8.9e-08", "error 0.0e+00"),
        ("0 excluded", "1 excluded"),
        ("1 kB", "-1 kB"),
        ("float32", "float16"),
        ("x1 2", "x2 2"),
        ("10 rows", "10 rows, 10 columns"),
        ("... 10 rows", "took 3 s, 1210 rows"),
        ("...\nloss 0.05\n...", "epoch 1\nloss 9\nloss 0.6\nend"),
        ("a 1 ... b 2 ... c", "a 1 b 9 c"),
    ],
)
def test_a_stale_figure_is_found(wanted: str, found: str) -> None:
    assert not same(wanted, found, figures_vary=True)
