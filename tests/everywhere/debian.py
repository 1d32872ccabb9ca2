"""Debian's packages, unpacked into folders: nothing is installed, and nobody has to be root."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

BUILD = Path("build/everywhere")


class Absent(Exception):
    """Something cannot be had on this machine; says why, in a line."""


def unpacked(name: str, architecture: str | None, packages: tuple[str, ...]) -> Path:
    """A folder of that name with these packages and what they need, made the first time.

    Args:
        name: of the folder in BUILD.
        architecture: Debian's name of the processor; None for this machine's, of whose libraries no installed one is
            fetched.
        packages: what is wanted.

    Raises:
        Absent: the packages cannot be fetched.
    """
    folder, ready = BUILD / name, BUILD / f"{name}.packages"
    if ready.exists() and ready.read_text() == " ".join(packages):
        return folder
    if missing := [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]:
        raise Absent(f"{missing[0]} is not installed")
    shutil.rmtree(folder, ignore_errors=True)
    archives = BUILD / f"{name}-archives"
    for place in (folder, archives / "lists" / "partial", archives / "archives" / "partial"):
        place.mkdir(parents=True, exist_ok=True)
    _fetch(archives.absolute(), architecture, packages)
    for package in sorted((archives / "archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, folder], check=True)
    shutil.rmtree(archives)
    ready.write_text(" ".join(packages))
    return folder


def script(path: Path, *command: object, **environment: object) -> None:
    """Write a script that runs a command with what it is given, in an environment with these variables besides.

    Of the command's parts, paths are quoted, and what is text is as the shell reads it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [shlex.quote(str(word)) if isinstance(word, Path) else str(word) for word in command]
    exports = "".join(f'export {variable}="{value}"\n' for variable, value in environment.items())
    path.write_text(f'#!/bin/sh\n{exports}exec {" ".join(words)} "$@"\n')
    path.chmod(0o755)


def _fetch(archives: Path, architecture: str | None, packages: tuple[str, ...]) -> None:
    options = [
        *("-q", "-y", "-o", f"Dir::State={archives}", "-o", f"Dir::Cache={archives}", "-o", "APT::Sandbox::User="),
        *("-o", "Debug::NoLocking=true", "-o", "APT::Install-Recommends=false"),
        *("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"),
    ]
    if architecture:
        (archives / "status").touch()
        options += ["-o", f"APT::Architecture={architecture}", "-o", f"APT::Architectures::={architecture}"]
        options += ["-o", f"Dir::State::status={archives / 'status'}"]
    else:
        options += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
    for step in (["update"], ["install", "--download-only", "--reinstall", *packages]):
        result = subprocess.run(
            ["apt-get", *options, *step], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
        )
        if result.returncode:
            lines = [line for line in result.stderr.splitlines() if line.startswith("E:")] or ["apt-get has failed"]
            raise Absent(f"Debian's packages cannot be fetched: {lines[0].removeprefix('E: ')}")
