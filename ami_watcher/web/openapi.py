"""The API in OpenAPI 3.1, made from the documents that it answers with."""

from __future__ import annotations

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from ami_watcher.event import EventKind
from ami_watcher.web import documents

EVENTS: Final = (
    "Server-sent events (text/event-stream). `snapshot`: a RegistrationsDocument, first of all and whenever more was "
    "missed than is kept. `registration`, `link`, `role`, `kick`, `contact`: an EventDocument each. `contacts`: how "
    "many came and went at once. `beat`: a sign of life every 10 s, without an id. A client that comes again with "
    "Last-Event-ID is told what it missed."
)

ALIVE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["ready", "version"],
    "properties": {"ready": {"type": "boolean"}, "version": {"type": "string"}},
}


def description(version: str) -> dict[str, Any]:
    """The whole document.

    Args:
        version: of hotstandby.
    """
    models = (
        documents.RegistrationsDocument,
        documents.ContactsDocument,
        documents.HistoryDocument,
        documents.HealthDocument,
        documents.RefusalDocument,
    )
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ami-watcher",
            "version": version,
            "description": "What one Asterisk holds: outbound registrations, phones, and what changed. "
            "Times are unix seconds. Nothing can be changed here.",
        },
        "security": [{}, {"token": []}],
        "paths": {
            "/api/registrations": {
                "get": _answers(
                    "All outbound registrations, with a strip of the last day", documents.RegistrationsDocument
                )
            },
            "/api/contacts": {
                "get": _answers(
                    "Who is registered here, and who has not come back",
                    documents.ContactsDocument,
                    ("q", "only where name, address or user agent holds it", {"type": "string", "maxLength": 200}),
                    ("limit", "contacts at most", _number(500, 0, 10_000)),
                )
            },
            "/api/history": {
                "get": _answers(
                    "What changed, oldest first",
                    documents.HistoryDocument,
                    ("since", "unix seconds", {"type": "number", "minimum": 0, "default": 0}),
                    (
                        "kind",
                        "only these",
                        {"type": "string", "enum": list(EventKind)},
                    ),
                    ("subject", "only this trunk or phone", {"type": "string", "maxLength": 256}),
                    ("limit", "the newest so many", _number(200, 1, 10_000)),
                )
            },
            "/api/events": {
                "get": {
                    "summary": "Changes as they happen",
                    "description": EVENTS,
                    "responses": {
                        "200": {"description": "an endless answer", "content": {"text/event-stream": {}}},
                        "503": _refusal("too many listen already"),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "summary": "Whether the daemon lives; needs no token",
                    "security": [{}],
                    "responses": {
                        "200": {
                            "description": "it lives",
                            "content": {"application/json": {"schema": ALIVE}},
                        }
                    },
                }
            },
            "/readyz": {
                "get": {
                    **_answers("Whether everything here is proven now", documents.HealthDocument),
                    "responses": {
                        "200": _document("it is", documents.HealthDocument),
                        "503": _document("it is not; problems says why", documents.HealthDocument),
                    },
                }
            },
            "/metrics": {
                "get": {
                    "summary": "Prometheus metrics",
                    "responses": {"200": {"description": "text format", "content": {"text/plain": {}}}},
                }
            },
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _answers(
    summary: str, model: type[documents.Document], *parameters: tuple[str, str, dict[str, Any]]
) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": {"200": _document("as of now", model)}}
    if parameters:
        operation["parameters"] = [
            {"name": name, "in": "query", "required": False, "description": words, "schema": schema}
            for name, words, schema in parameters
        ]
        operation["responses"]["400"] = _refusal("a parameter is not what it may be")
    return operation


def _document(words: str, model: type[documents.Document]) -> dict[str, Any]:
    return {
        "description": words,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
    }


def _refusal(words: str) -> dict[str, Any]:
    return _document(words, documents.RefusalDocument)


def _number(default: int, least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}
