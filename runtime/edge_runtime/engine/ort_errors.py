"""ONNX Runtime's errors, as errors of this package: one line that says what helps.

Not what does not help: the source files and the signatures of its C++ functions, its error codes, the types of
all inputs of a node.
"""

import errno
import os
import re
from pathlib import PurePath

from edge_runtime.contract.errors import (
    EdgePredictError,
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    ModelNotFound,
    OutOfResources,
)
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.terminal import one_line, shortened

# "/src/squeeze.h:53 " or "C:\src\squeeze.h:53 " begins a place in the source, the condition that is not met may end it.
_PLACE = re.compile(r"(?:(?:[A-Za-z]:)?[^\s\"'(]*[/\\])?[\w.+-]+\.(?:cc|cpp|cu|cuh|h|hpp|inc|mm):\d+ ")
_CONDITION = re.compile(r"(?:\S+ ){0,40}?was false\. ")
# What may stand before the name of a C++ function.
_RETURNED = {"static", "virtual", "inline", "constexpr", "const", "void", "bool", "int", "auto", "size_t"}

# How many characters of a message are read.
_MOST_READ = 4000

_SHORTAGES = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}

# In messages, before what they say.
_NOISE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Exception during (?:initialization|loading): "
    r"|(?:This is an invalid|Invalid) model\. (?:Error: )?|Fatal error: (?=\S+ is not a registered)| ?==> Context: .*$"
    r"|External data path for model loaded from bytes escapes working directory\. "
)
_FAILED_NODE = re.compile(r"Non-zero status code returned while running (\w+) node\. Name:'(.*?)' Status Message: ")
_OUTSIDE = re.compile(r'External data path: "(.+?)" resolved path: "(.+?)" allowed directory: "(.+?)"')
# That memory has run out, in the words of C++ and of the system.
NO_MEMORY = r"bad_alloc|(?i:failed to allocate memory|cannot allocate memory|out of memory)"
# What the system has refused: the same call may work later.
_RESOURCES = re.compile(
    rf"{NO_MEMORY}|pthread_create failed"
    r"|Available memory of \d+ is smaller|Too many open files|Resource temporarily unavailable"
)
_BAD_NODE = re.compile(r'In Node, \("(.*?)", (\w+), ".*?", -?\d+\) : .*? , Error ')


def translated(error: Exception, model: str) -> EdgePredictError:
    """ONNX Runtime's `error` about `model`, as an error of ours.

    Its exceptions derive from Exception directly, and only the names of their classes say what kind they are.

    Raises:
        Exception: `error` itself, if ONNX Runtime does not raise such: a signal handler did, to end the call.
    """
    is_own = type(error).__module__.startswith(("onnxruntime", "builtins")) and not isinstance(error, OSError)
    if not is_own or is_from_handler(error):
        raise error
    reason = reason_of(error)
    if lacks_resources(error):
        return OutOfResources(f"{model} cannot compute this now: {reason or 'not enough memory'}")
    if found := re.search(r"Unexpected (\w+) type +<class '(\w+)'>.*? for input '(.*)'", reason):
        kind, of_type, name = found.groups()
        return InvalidInput(
            f"{name}: ONNX Runtime's Python package does not take such a map with a {kind} of {of_type}"
        )
    match type(error).__name__:
        case "NoSuchFile":
            return ModelNotFound(f"{model}: no such file, or one that it refers to is missing: {reason}")
        case "InvalidProtobuf" | "InvalidGraph" | "NoModel" | "ModelLoaded" | "ModelRequiresCompilation":
            return InvalidModel(f"{model} is not a model that ONNX Runtime can load: {reason}")
        case "InvalidArgument" | "ValueError" | "TypeError" | "UnicodeEncodeError":
            return InvalidInput(f"{model} cannot take these inputs: {reason}")
        case _:
            return InferenceFailed(f"ONNX Runtime failed on {model}: {reason}")


def loading_error(error: Exception, name: str) -> EdgePredictError:
    """What ONNX Runtime raised while it loaded the model `name`, as an error of ours."""
    if lacks_resources(error):
        return OutOfResources(f"{name} cannot be opened now: {reason_of(error) or 'not enough memory'}")
    whole = _said(error)
    if found := _missing_file(whole):
        path = PurePath(found)
        if "loaded from bytes" in whole or PurePath(os.devnull) in path.parents:
            return not_beside(name)
        return ModelNotFound(
            f"{name} has its weights in {path.name}, and {path.parent} has no such file; copy it there, under that name"
        )
    if found_place := _OUTSIDE.search(whole):
        location, place, allowed = found_place.groups()
        if allowed == os.devnull:
            return not_beside(name)
        return InvalidModel(
            f"{name} has its weights in {location}, which is {place}, and ONNX Runtime reads only what lies in "
            f"{allowed}; put it there, and open the model there"
        )
    if "model_path must not be empty" in whole or "escapes working directory" in whole:
        return not_beside(name)
    reason = reason_of(error).rstrip(".")
    if missing := _missing_operator(reason):
        return InvalidModel(f"{name} {missing}")
    if found_version := re.search(r"Opset (\d+) is under development.* domain (\S+) is till opset (\d+)", whole):
        opset, domain, newest = found_version.groups()
        return InvalidModel(
            f"{name} is of opset {opset} of {domain}, and this ONNX Runtime knows those up to {newest}; "
            "upgrade onnxruntime"
        )
    if found_version := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", whole):
        return InvalidModel(
            f"{name} is of IR version {found_version[1]}, and this ONNX Runtime reads those up to {found_version[2]}; "
            "upgrade onnxruntime"
        )
    if found_size := re.search(r"size to read: (\d+) given file_length: (\d+)", whole):
        return InvalidModel(
            f"a file that holds weights of {name} is cut: it has {int(found_size[2]):,} bytes, and "
            f"{int(found_size[1]):,} are to be read from one place of it; copy it again"
        )
    if reason.lower().endswith("protobuf parsing failed"):
        reason = "it is not an ONNX file, or damaged"
    return InvalidModel(f"{name} is not a model that ONNX Runtime can load ({reason})")


def lacks_resources(error: BaseException) -> bool:
    """Whether the system is short of memory, threads or open files; the model and the rows may be right."""
    if isinstance(error, OSError):
        return error.errno in _SHORTAGES
    return isinstance(error, MemoryError) or _RESOURCES.search(str(error)) is not None


def lacks_threads(error: Exception) -> bool:
    """Whether ONNX Runtime could not start a thread."""
    return "pthread_create failed" in str(error)


def reason_of(error: Exception) -> str:
    """What the message of `error` says, in one line of bounded length."""
    reason = re.sub("Load model from .*? failed: ?", "", _said(error))
    reason = _NOISE.sub("", _without_places(reason))
    reason = _FAILED_NODE.sub(lambda node: f"{node[1]}{_quoted(node[2])}: ", reason)
    reason = _BAD_NODE.sub(lambda node: f"{node[2]}{_quoted(node[1])}: ", reason).strip()
    return shortened(reason)


def _said(error: Exception) -> str:
    """The message of `error` in one line: names in it may be as long as a file, and the patterns take their square."""
    return shortened(one_line(error), _MOST_READ)


def _quoted(name: str | None) -> str:
    return f" {name!r}" if name else ""


def not_beside(name: str) -> InvalidModel:
    """The error for a content `name` whose weights are in files that ONNX Runtime was not told to find."""
    return InvalidModel(
        f"{name} has its weights in other files: open it by its path, with all of them beside it, or pass its content, "
        "and their folder as data_folder"
    )


def _missing_file(message: str) -> str | None:
    """The file with weights that is not there, as the versions of ONNX Runtime say it."""
    for pattern in (
        r'External data path does not exist: "(.+?)"',
        r"GetFileLength for (.+?) failed: ?Invalid fd",
        r"No such file or directory \[(.+?)\]",
        r'open file "?(.+?)"? fail(?:ed)?: ?(?:No such file|errcode = 2)',
    ):
        if found := re.search(pattern, message):
            return found[1]
    return None


def _missing_operator(reason: str) -> str | None:
    """What operator of the model ONNX Runtime does not have, and who has it."""
    if found := re.search(r"(\S+?):(\w+)\(-?\d+\) is not a registered function/op", reason):
        domain, operator = found.groups()
    elif found := re.search(r"^(\w+)[^:]*: No opset import for domain '(.*)'", reason):
        operator, domain = found.groups()
    elif found := re.search(r"No Op registered for (\w+) with domain_version of (\d+)", reason):
        return f"has the operator {found[1]}, which this ONNX Runtime does not know in opset {found[2]}"
    elif found := re.search(r"Could not find an implementation for (\w+)\((\d+)\)(?:.* '(.*)')?", reason):
        return (
            f"has the operator {found[1]}{_quoted(found[3])} of opset {found[2]} for types for which this ONNX Runtime "
            "does not have an implementation"
        )
    else:
        return None
    source = (
        "onnxruntime-extensions has it: custom_operators=onnxruntime_extensions.get_library_path(), at the shell "
        "--operators FILE"
        if domain == "ai.onnx.contrib"
        else "give the library that has it: custom_operators=path, at the shell --operators FILE"
    )
    return f"has the custom operator {domain}:{operator}; {source}"


def _without_places(message: str) -> str:
    """`message` without places in ONNX Runtime's source and the functions and conditions that stand there."""
    said, start = "", 0
    while place := _PLACE.search(message, start):
        said += message[start : place.start()]
        start = _after_function(message, place.end())
        if condition := _CONDITION.match(message, start):
            start = condition.end()
    return said + message[start:]


def _after_function(message: str, start: int) -> int:
    """Where the name, or the whole signature, of the C++ function that begins at `start` ends.

    Compilers give "Compute", "onnxruntime::Squeeze::Compute", and "virtual Status Squeeze::Compute(Context*) const
    [with T = float]".
    """
    at, words = start, 0
    while at < len(message):
        end = _word_end(message, at)
        word = message[at:end].rstrip()
        if re.search(r"\w\(|\(\)|>\(", word):
            at = end
            while message.startswith(("const ", "noexcept ", "[with "), at):
                at = _word_end(message, at)
            return at
        if not (word in _RETURNED or "::" in word or word.endswith(("*", "&", ">"))):
            # A name alone; or, after words that are a qualified name, what the message says.
            return end if not words and re.fullmatch(r"[A-Za-z_]\w*", word) else at
        at, words = end, words + 1
    return at


def _word_end(message: str, start: int) -> int:
    """The end of a word, with the space after it: brackets, and what is in them, belong to the word."""
    depth = 0
    for index in range(start, len(message)):
        one = message[index]
        if one in "([{" or (one == "<" and message[index - 1 : index] not in ("<", " ")):
            depth += 1
        elif one in ")]}" or (one == ">" and message[index - 1 : index] != "-"):
            depth = max(0, depth - 1)
        elif one == " " and not depth:
            return index + 1
    return len(message)
