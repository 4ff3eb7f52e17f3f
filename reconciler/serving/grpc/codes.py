"""Codes: what gRPC calls the reasons for which there is no answer."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from reconciler.errors import ReconcilerError
from reconciler.serving.refusal import Refused

_OF_STATUS: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def code(error: ReconcilerError) -> grpc.StatusCode:
    """Return the code for what a client is refused with over HTTP as `refusal` says."""
    if not isinstance(error, Refused):
        return grpc.StatusCode.INVALID_ARGUMENT
    return _OF_STATUS.get(error.status, grpc.StatusCode.INTERNAL)
