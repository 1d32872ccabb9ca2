"""The Open Inference Protocol, version 2, over REST, with binary tensors and classification as Triton extends it."""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_runtime.contract import schema
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.version import __version__
from edge_runtime.serve import wire_tensors
from edge_runtime.serve.models import Opened, ServedModel, ServedModels
from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.requests import Answer, Asked, ModelEndpoint, json_response, when_sized

_VERSION = "1"
_EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository"]


def routes(models: ServedModels) -> list[Route]:
    """The routes of the protocol."""

    def of_model(answer: Callable[[ServedModel], object]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                model = models.named(request.path_params["name"])
                _check_version(request.path_params)
            except Refused as error:
                return json_response({"error": str(error)}, error.status)
            return json_response(answer(model))

        return endpoint

    def plain(answer: Callable[[], object]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(_: Request) -> Response:
            return json_response(answer())

        return endpoint

    async def ready(_: Request) -> Response:
        return json_response({"ready": models.is_ready}, 200 if models.is_ready else 503)

    async def loading(_: Request) -> Response:
        return json_response(
            {"error": "models are loaded when the server starts, and again when their files change"}, 400
        )

    infer = ModelEndpoint(models, "infer", _infer)
    of_one: list[tuple[str, str, Callable[..., Any]]] = [
        ("/infer", "POST", infer),
        ("", "GET", of_model(_metadata)),
        ("/ready", "GET", of_model(lambda model: {"name": model.name, "ready": True})),
        ("/config", "GET", of_model(_config)),
    ]
    found = [
        Route(f"/v2/models/{{name}}{version}{path}", endpoint, methods=[method])
        for version in ("", "/versions/{version}")
        for path, method, endpoint in of_one
    ]
    about = {"name": "edge-serve", "version": __version__, "extensions": _EXTENSIONS}
    return [
        *found,
        Route("/v2", plain(lambda: about)),
        Route("/v2/health/live", plain(lambda: {"live": True})),
        Route("/v2/health/ready", ready),
        Route("/v2/repository/index", plain(lambda: _index(models)), methods=["POST"]),
        Route("/v2/repository/models/{name}/{action}", loading, methods=["POST"]),
    ]


def _check_version(path: Mapping[str, str]) -> None:
    if (version := path.get("version", _VERSION)) != _VERSION:
        raise Refused(404, f"{path['name']} has no version {version!r}; its version is {_VERSION}")


def _index(models: ServedModels) -> object:
    return [{"name": name, "version": _VERSION, "state": "READY", "reason": ""} for name in models]


def _metadata(model: ServedModel) -> object:
    predictor = model.opened.predictor
    return {
        "name": model.name,
        "versions": [_VERSION],
        "platform": "onnx_onnxv1",
        "inputs": [_declared(spec, "datatype", "") for spec in predictor.inputs],
        "outputs": [_declared(spec, "datatype", "") for spec in _tensors(predictor.outputs)],
    }


def _config(model: ServedModel) -> object:
    """What Triton calls the configuration of a model, as far as it has a meaning here."""
    predictor = model.opened.predictor
    return {
        "name": model.name,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "max_batch_size": 0,
        "input": [_declared(spec, "data_type", "TYPE_") for spec in predictor.inputs],
        "output": [_declared(spec, "data_type", "TYPE_") for spec in _tensors(predictor.outputs)],
    }


def _declared(spec: TensorSpec, key: str, before: str) -> dict[str, object]:
    datatype = wire_tensors.datatype_of(spec) or spec.type
    if before:
        datatype = before + datatype.replace("BYTES", "STRING")
    sizes = [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, key: datatype, "dims" if before else "shape": sizes}


def _tensors(specs: tuple[TensorSpec, ...]) -> list[TensorSpec]:
    """Those that the protocol has a type for; sequences and maps, for example, it has not."""
    return [spec for spec in specs if wire_tensors.datatype_of(spec) is not None]


async def _infer(model: ServedModel, asked: Asked) -> Answer:
    _check_version(asked.path)
    opened = model.opened
    request, feed = await when_sized(model.others, len(asked.body), _read, asked)
    wanted = _wanted(opened, request)
    outputs = await opened.run(feed, tuple(wanted))
    size = sum([output.nbytes for output in outputs if isinstance(output, np.ndarray)])
    return await when_sized(model.others, size, _written, model, opened, request, wanted, outputs)


def _read(asked: Asked) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The JSON of a request, and the tensors in it."""
    body, length = memoryview(asked.body), asked.headers.get(b"inference-header-content-length")
    end = len(body)
    if length is not None:
        if not length.isdigit() or len(length) > 18 or int(length) > end:
            raise InvalidInput(
                "Inference-Header-Content-Length is not the length of the JSON that the body begins with"
            )
        end = int(length)
    request = _parsed(body[:end])
    given: dict[str, Any] = {}
    for tensor in _list(request, "inputs"):
        name, parameters = str(tensor.get("name")), _parameters(tensor)
        if name in given:
            raise InvalidInput(f"{name} is given more than once")
        if "shared_memory_region" in parameters:
            raise InvalidInput(f"{name}: the server does not read shared memory; send the data")
        if "binary_data_size" not in parameters:
            given[name] = wire_tensors.from_json(tensor, name)
            continue
        size = parameters["binary_data_size"]
        if type(size) is not int or not 0 <= size <= len(body) - end:
            raise InvalidInput(
                f"{name}: binary_data_size is {size!r}, and {len(body) - end} bytes are left in the body"
            )
        given[name] = wire_tensors.from_bytes(tensor, name, body[end : end + size])
        end += size
    if end != len(body):
        raise InvalidInput(f"{len(body) - end} bytes are left in the body after its tensors")
    return request, given


def _parsed(text: memoryview) -> dict[str, Any]:
    try:
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            # NaN and Infinity are not JSON, but Triton's clients write them.
            request = schema.parsed(bytes(text), partial(json.loads, parse_float=_finite))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the request is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise InvalidInput("the request must be a JSON object with inputs")
    if not isinstance(request.get("id"), str | None):
        raise InvalidInput(f"id must be a string, found {request['id']!r}")
    return request


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits} is larger than any number; write Infinity if that is meant")
    return value


def _list(request: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = request.get(key)
    if not isinstance(found, list) or not {dict}.issuperset(map(type, found)):
        raise InvalidInput(f"the request must have {key}: a list of objects")
    return found


def _parameters(of: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = of.get("parameters")
    if not isinstance(parameters, dict | None):
        raise InvalidInput("parameters must be an object")
    return parameters or {}


def _wanted(opened: Opened, request: dict[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The parameters of each output to send, by its name."""
    known = opened.tensors
    if not known:
        raise InvalidInput("the model has no output that is a tensor of a type that the protocol has")
    default: Mapping[str, Any] = {"binary_data": _parameters(request).get("binary_data_output", False)}
    if not request.get("outputs"):
        return dict.fromkeys(known, default)
    wanted: dict[str, Mapping[str, Any]] = {
        str(output.get("name")): {**default, **_parameters(output)} for output in _list(request, "outputs")
    }
    for name, parameters in wanted.items():
        if name not in known:
            raise InvalidInput(f"the model has no output {name!r} that is a tensor; it has {', '.join(known)}")
        if "shared_memory_region" in parameters:
            raise InvalidInput(f"{name}: the server does not write shared memory")
        most = parameters.get("classification", 1)
        if type(most) is not int or most < 1:
            raise InvalidInput(f"{name}: classification must be how many classes to send, found {most!r}")
    return wanted


def _written(
    model: ServedModel,
    opened: Opened,
    request: dict[str, Any],
    wanted: dict[str, Mapping[str, Any]],
    outputs: list[Any],
) -> Answer:
    signature = opened.predictor.signature
    described, binary = [], []
    for (name, parameters), array in zip(wanted.items(), outputs, strict=True):
        if most := parameters.get("classification"):
            labels = signature.labels if signature is not None and signature.output == name else ()
            array = wire_tensors.classes(array, most, labels)
        one = {"name": name, "datatype": wire_tensors.datatype_of_array(array), "shape": array.shape}
        if parameters["binary_data"]:
            binary.append(wire_tensors.to_bytes(array))
            one["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            one["data"] = wire_tensors.to_json(array)
        described.append(one)
    response = {"model_name": model.name, "model_version": _VERSION, "outputs": described}
    if request.get("id"):
        response["id"] = request["id"]
    text = orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:
        # orjson writes null for NaN and Infinity, which Triton's clients expect as they are.
        text = json.dumps(response, default=lambda array: array.tolist()).encode()
    if not binary:
        return Answer(text)
    length = (b"inference-header-content-length", str(len(text)).encode())
    return Answer(b"".join([text, *binary]), b"application/octet-stream", headers=[length])
