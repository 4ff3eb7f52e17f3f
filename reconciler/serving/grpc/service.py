"""The service: what each method of the protocol answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from reconciler.adapters.tokens import Right
from reconciler.bundle.predictor import Predictions
from reconciler.serving.answering import Ask
from reconciler.serving.grpc import open_inference_pb2 as protocol
from reconciler.serving.grpc.front import Context, Front, Method, metadata, text
from reconciler.serving.grpc.health_pb2 import HealthCheckRequest, HealthCheckResponse
from reconciler.serving.grpc.reading import inference, parse
from reconciler.serving.grpc.writing import model_metadata, response
from reconciler.serving.loaded import Loaded
from reconciler.serving.refusal import Refused
from reconciler.serving.shop import Shop
from reconciler.serving.v2 import metadata as about
from reconciler.serving.v2.datatypes import wrong
from reconciler.serving.v2.inputs import predict
from reconciler.serving.v2.outputs import chosen

INFERENCE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"
M = TypeVar("M", bound=Message)


class Service:
    """Answers; used by the loop's thread alone.

    Args:
        shop: What answers.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return both services, as a server takes them."""
        of_inference: Mapping[str, tuple[Right | None, Method]] = {
            "ServerLive": (None, self._live),
            "ServerReady": (None, self._ready),
            "ServerMetadata": (Right.PREDICT, self._server),
            "ModelMetadata": (Right.PREDICT, self._model),
            "ModelReady": (Right.PREDICT, self._model_ready),
            "ModelInfer": (Right.PREDICT, self._infer),
            "RepositoryIndex": (Right.PREDICT, self._index),
        }
        of_health = {"Check": (None, self._health)}
        return self._handler(INFERENCE, of_inference), self._handler(HEALTH, of_health)

    def _handler(
        self, service: str, methods: Mapping[str, tuple[Right | None, Method]]
    ) -> grpc.GenericRpcHandler:
        """Return a service; its methods take bytes, so that what is no message is refused too."""
        made: Any = {
            name: grpc.unary_unary_rpc_method_handler(
                Front(self._shop, f"/{service}/{name}", right, method).answer,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, (right, method) in methods.items()
        }
        return grpc.method_handlers_generic_handler(service, made)

    async def _live(self, content: bytes, _: Context) -> Message:
        read(protocol.ServerLiveRequest, content)
        return protocol.ServerLiveResponse(live=True)

    async def _ready(self, content: bytes, _: Context) -> Message:
        read(protocol.ServerReadyRequest, content)
        return protocol.ServerReadyResponse(ready=self._shop.house.ready)

    async def _health(self, content: bytes, _: Context) -> Message:
        asked = read(HealthCheckRequest, content).service
        if asked not in ("", INFERENCE, HEALTH):
            raise Refused(404, f"there is no service {asked!r:.80}", reason="NoSuchService")
        ready = self._shop.house.ready
        return HealthCheckResponse(
            status=HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
        )

    async def _server(self, content: bytes, _: Context) -> Message:
        read(protocol.ServerMetadataRequest, content)
        return protocol.ServerMetadataResponse(**about.server())

    async def _model(self, content: bytes, _: Context) -> Message:
        asked = read(protocol.ModelMetadataRequest, content)
        standing = self._shop.house.standing(asked.name)
        return model_metadata(about.model(standing, asked.version or None))

    async def _index(self, content: bytes, _: Context) -> Message:
        asked = read(protocol.RepositoryIndexRequest, content)
        listed = about.index(self._shop.house, ready=asked.ready)
        return protocol.RepositoryIndexResponse(models=listed)

    async def _model_ready(self, content: bytes, _: Context) -> Message:
        asked = read(protocol.ModelReadyRequest, content)
        try:
            standing = self._shop.house.standing(asked.name)
            if asked.version:
                standing.version(asked.version)
        except Refused:
            return protocol.ModelReadyResponse(ready=False)
        return protocol.ModelReadyResponse(ready=True)

    async def _infer(self, content: bytes, context: Context) -> Message:
        request = parse(content)
        asked = inference(request)
        most = self._shop.limits.rows
        if asked.rows > most:
            message = f"{asked.rows} rows in one request, at most {most} are taken"
            raise Refused(413, message, reason="TooManyRows")
        number = asked.id or text(context, "x-request-id") or self._shop.ids.next()
        ask = Ask(
            request.model_name,
            request.model_version or None,
            text(context, "x-request-key") or number,
            asked.rows,
            probe=metadata(context, "x-reconciler-probe") is not None
            and self._shop.door.trusts(metadata(context, "authorization")),
        )

        def work(loaded: Loaded) -> Predictions:
            return predict(loaded.predictor, asked.inputs)

        answered = await self._shop.answering.answer(ask, work)
        outputs = chosen(answered.predictions, asked.outputs)
        return response(
            request.model_name, answered.loaded.version, number, outputs, raw=asked.binary
        )


def read(kind: type[M], content: bytes) -> M:
    """Return the message that was sent; UsageError where it is none of its kind."""
    try:
        message: M = kind.FromString(content)
    except DecodeError as error:
        raise wrong(f"the request is no {kind.DESCRIPTOR.name}") from error
    return message
