"""The private key that a command signs with, and the passphrase of its file, which is never on a command line."""

import os
import sys
from pathlib import Path

from edge_export.signing import PassphraseNeeded, SigningKey
from edge_runtime.contract.terminal import printable

VARIABLE = "EDGE_EXPORT_PASSPHRASE"


def signing_key(path: Path) -> SigningKey:
    """The key in `path`. If it is encrypted, the environment has the passphrase, or the user is asked for it.

    Raises:
        PassphraseNeeded: it is encrypted, the environment does not have the passphrase, and nobody can be asked.
        ExportError, ExtraNotInstalled: as `SigningKey.read`.
    """
    given = os.environ.get(VARIABLE)
    try:
        return SigningKey.read(path, given)
    except PassphraseNeeded as error:
        if sys.stdin is None or not sys.stdin.isatty():
            raise PassphraseNeeded(
                f"{printable(path)} is encrypted; run the command at a terminal, which asks for the passphrase, or put "
                f"it into the environment as {VARIABLE}"
            ) from error
    from getpass import getpass

    return SigningKey.read(path, getpass(f"Passphrase of {printable(path)}: "))
