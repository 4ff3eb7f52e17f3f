"""The server: gRPC in the worker's own loop, beside HTTP.

In the loop, since all that stands behind it is there. A server of threads that hands each request
over and waits was measured at 10 to 30 % more processor time for one request (283 to 338 instead of
260 us), and its threads contend with the loop.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from reconciler.serving.grpc.service import Service
from reconciler.serving.grpc.tls import Renewing
from reconciler.serving.shop import Shop

#: Requests of one worker at a time: what they may hold in memory is so many bodies.
_MOST = 512


class GrpcServer:
    """Serves one worker's house.

    Args:
        shop: What answers.
        address: Where to listen, as `host:port`; the port is shared with other workers.
        tls: The files of `tls.Certificate`, by field; None: in the clear.
    """

    def __init__(self, shop: Shop, address: str, tls: Mapping[str, str] | None = None) -> None:
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=_MOST,
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", shop.limits.body),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self._server.add_generic_rpc_handlers(Service(shop).handlers())
        if tls is None:
            self._server.add_insecure_port(address)
        else:
            self._credentials = Renewing(tls).credentials()
            self._server.add_secure_port(address, self._credentials)

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()

    async def stop(self, drain_s: float) -> None:
        """Take no more requests, and return once those under way have ended, in time or not."""
        await self._server.stop(drain_s)
