"""The HTTP API: REST, WebSocket, OpenAPI, metrics."""
