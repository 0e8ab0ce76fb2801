"""The OpenAPI document, made from the same structs the handlers decode and encode."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

import callcore
from callcore.api.endpoint import Endpoint, Problem

REFERENCE = "#/components/schemas/{name}"
JSON = "application/json"


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = [t for e in endpoints for t in (e.body, e.answer, e.query) if _is_struct(t)]
    _, components = msgspec.json.schema_components([*types, Problem], ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "callcore", "version": callcore.__version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_"),
        "responses": {
            str(endpoint.status): {"description": "done", "content": _content(endpoint.answer)},
            "default": {"description": "one sentence why not", "content": _content(Problem)},
        },
    }
    names = re.findall(r"{(\w+)}", endpoint.path)
    parameters = [_parameter(name, "path", {"type": "string"}) for name in names]
    if endpoint.query is not None:
        (schema,), parts = msgspec.json.schema_components([endpoint.query], ref_template="{name}")
        for name, kind in parts[schema["$ref"]]["properties"].items():
            parameters.append(_parameter(name, "query", kind))
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        content = _content(endpoint.body)
        operation["requestBody"] = {"required": not endpoint.body_optional, "content": content}
    if endpoint.path in ("/healthz", "/readyz"):
        operation["security"] = []
    return operation


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _content(kind: Any) -> dict[str, Any]:
    if _is_struct(kind):
        (schema,), _ = msgspec.json.schema_components([kind], ref_template=REFERENCE)
        return {JSON: {"schema": schema}}
    if kind is bytes:
        return {"application/octet-stream": {}}
    return {"text/plain": {"schema": {"type": "string"}}}
