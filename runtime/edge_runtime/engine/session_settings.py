"""How the sessions of a model are opened: what the user has chosen, for the first session and all that follow."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from edge_runtime.contract.errors import InvalidInput, UnknownDevice
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.terminal import one_line, printable, suggestion
from edge_runtime.engine.devices import CPU, CUDA, candidates
from edge_runtime.engine.model_files import as_path
from edge_runtime.engine.ort_errors import reason_of

# A provider of ONNX Runtime, and its options.
Provider: TypeAlias = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class SessionSettings:
    """How to open the sessions of a model; `Predictor` says what each means.

    Attributes:
        device: what the user asks for.
        threads: the most processors that one call may use on the CPU; None for all of this process.
        providers: the providers of ONNX Runtime, in their order, in place of `device`; None if `device` counts.
        session_options: the options of ONNX Runtime's sessions, by name.
        custom_operators: the libraries of custom operators.
        limits: how much the model and a call of it may take.
    """

    device: str = "auto"
    threads: int | None = None
    providers: tuple[Provider, ...] | None = None
    session_options: Mapping[str, Any] = field(default_factory=dict)
    custom_operators: tuple[str, ...] = ()
    limits: Limits = DEFAULTS

    @classmethod
    def checked(
        cls,
        device: Any,
        threads: Any,
        providers: Any,
        session_options: Any,
        custom_operators: Any,
        limits: Any = None,
    ) -> "SessionSettings":
        """The settings that a user has given.

        Raises:
            InvalidInput: one of them is not what can be given.
            UnknownDevice: no device has this name.
        """
        is_usual = threads is providers is session_options is custom_operators is limits is None
        if is_usual and type(device) is str and device == "auto":
            return _USUAL
        if threads is not None and (type(threads) is not int or threads < 1):
            raise InvalidInput(f"threads must be an integer of at least 1, found {_shown(threads)}")
        if not isinstance(device, str):
            raise UnknownDevice(f"a device is a string such as 'cpu', found {type(device).__name__}")
        candidates(device)
        if providers is not None and device != "auto":
            raise InvalidInput("give device or providers, not both")
        return cls(
            device,
            threads,
            None if providers is None else _providers(providers),
            _options(session_options, "session_options"),
            _libraries(custom_operators),
            Limits.checked(limits),
        )

    @property
    def shown_device(self) -> str:
        """What was asked for, for a message."""
        if self.providers is None:
            return f"device {self.device!r}"
        return f"providers {', '.join(printable(name) for name, _ in self.providers)}"

    @property
    def may_choose(self) -> bool:
        """Whether the user leaves it to us where calls run."""
        return self.providers is None and self.device == "auto"

    @property
    def leaves_threads(self) -> bool:
        """Whether calls run on the CPU, and the user leaves it to us on how many threads, up to `threads`."""
        is_cpu = self.device in ("cpu", CPU) if self.providers is None else self.providers[0][0] == CPU
        return is_cpu and not self.session_options

    @cached_property
    def on_cpu(self) -> "SessionSettings":
        """These on the CPU; those whose first provider it is already stay as they are."""
        if self.providers is not None and self.providers[0][0] == CPU:
            return self
        return replace(self, device="cpu", providers=None)

    @cached_property
    def on_one_thread(self) -> "SessionSettings":
        """These on one thread of the CPU, whatever the session options say of threads."""
        options = {name: value for name, value in self.session_options.items() if "intra_op" not in name}
        return replace(self.on_cpu, threads=1, session_options=options)

    def with_options(self, options: Mapping[str, Any]) -> "SessionSettings":
        """These with more session options, unless the user has set them."""
        return replace(self, session_options={**options, **self.session_options})

    def apply(self, options: Any) -> None:
        """Set an onnxruntime.SessionOptions as the user wants it.

        Raises:
            InvalidInput: ONNX Runtime does not have an option, does not take its value, or cannot load a library.
        """
        for name, value in self.session_options.items():
            _set(options, name, value)
        for library in self.custom_operators:
            try:
                options.register_custom_ops_library(library)
            except Exception as error:
                raise InvalidInput(
                    f"custom_operators: ONNX Runtime cannot load {printable(library)}: {reason_of(error)}"
                ) from error


_USUAL = SessionSettings()


def _set(options: Any, name: str, value: Any) -> None:
    """Set one option: an entry of the configuration, whose name has a dot, or an attribute of SessionOptions."""
    is_entry = "." in name
    if not is_entry:
        attributes = [one for one in dir(options) if not one.startswith("_") and not callable(getattr(options, one))]
        if name not in attributes:
            known = suggestion(name, attributes)
            raise InvalidInput(f"session_options: ONNX Runtime's sessions have no option {name!r}{known}")
    try:
        if is_entry:
            options.add_session_config_entry(name, str(int(value) if isinstance(value, bool) else value))
        else:
            # By the names of an enumeration's members too, such as ORT_DISABLE_ALL.
            members = getattr(type(getattr(options, name)), "__members__", {})
            setattr(options, name, members.get(value, value) if isinstance(value, str) else value)
    except Exception as error:
        raise InvalidInput(f"session_options: {printable(name)} cannot be {_shown(value)}") from error


def _providers(given: Any) -> tuple[Provider, ...]:
    """The providers that a user has given, as onnxruntime.InferenceSession takes them: names, or names with options."""
    example = "such as ['CUDAExecutionProvider', ('CPUExecutionProvider', {})]"
    found: list[Provider] = []
    for one in _listed(given, f"providers takes a list {example}"):
        name, options = one if isinstance(one, tuple | list) and len(one) == 2 else (one, {})
        if not isinstance(name, str):
            raise InvalidInput(f"providers takes a list {example}, found {_shown(one)}")
        options = _options(options, f"providers: the options of {printable(name)}")
        # TF32 keeps 10 bits of the 23 of a float32: what was verified in float32 runs in it only if that is asked for.
        tf32 = {"use_tf32": "0"} if name == CUDA else {}
        found.append((name, {**tf32, **{key: str(value) for key, value in options.items()}}))
    if not found:
        raise InvalidInput(f"providers takes a list {example}, found an empty one")
    return tuple(found)


def _options(given: Any, meaning: str) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{meaning}: a dict by name is expected, found {type(given).__name__}")
    options: dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(name, str):
            raise InvalidInput(f"{meaning}: a name is a string, found {_shown(name)}")
        if not isinstance(value, str | int | float) and not hasattr(type(value), "__members__"):
            raise InvalidInput(f"{meaning}: {printable(name)} cannot be {_shown(value)}")
        options[name] = value
    return options


def _libraries(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, str | os.PathLike):
        given = [given]
    found = []
    for one in _listed(given, "custom_operators takes the path of a library, or a list of paths"):
        path = as_path(one, "a library of custom operators", InvalidInput)
        # A mere name is looked for where the system has its libraries.
        # `os.path.exists` does not raise for what no path can be.
        found.append(str(path.absolute() if len(path.parts) > 1 or os.path.exists(path) else path))  # noqa: PTH110
    # ONNX Runtime refuses a library that it has loaded for the session.
    return tuple(dict.fromkeys(found))


def _listed(given: Any, meaning: str) -> list[Any]:
    if not isinstance(given, list | tuple):
        raise InvalidInput(f"{meaning}, found {type(given).__name__}")
    return list(given)


def _shown(value: Any) -> str:
    """A user's value in one line, whatever its own repr does."""
    try:
        return one_line(repr(value))[:100]
    except Exception:
        return type(value).__name__
