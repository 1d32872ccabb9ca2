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


def test_figures_may_vary_only_if_the_page_says_so() -> None:
    assert same("took 1.5 s, 12,345 rows", "took 0.93 s, 9 rows", figures_vary=True)
    assert not same("took 1.5 s", "took 0.93 s", figures_vary=False)
    assert not same("took 1.5 s", "took 1.5 ms", figures_vary=True)
