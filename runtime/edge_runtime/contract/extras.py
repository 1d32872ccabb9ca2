"""Packages that extras of edge-predict install, asked for where they are needed and not before."""

import importlib

from edge_runtime.contract.errors import ExtraNotInstalled


def require(package: str, extra: str, purpose: str) -> None:
    """See that `package` can be imported.

    Args:
        package: its name, such as "pyarrow".
        extra: the extra that installs it, such as "tables".
        purpose: what needs it, as the subject of a sentence.

    Raises:
        ExtraNotInstalled: it is not installed, or cannot be loaded; the message says how to install it.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ExtraNotInstalled(
            f"{purpose} needs the package {package} ({error}); install it with pip install 'edge-predict[{extra}]'"
        ) from error
