"""Compressed bodies: unpacked no further than a body may be large."""

from __future__ import annotations

import zlib

from reconciler.serving.http import too_large
from reconciler.serving.refusal import Refused
from reconciler.serving.v2.datatypes import shown, wrong

_PLAIN = ("identity", "")
#: How zlib is told what a content encoding is.
_FORMATS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def unpacked(body: bytes, encoding: bytes, most: int) -> bytes:
    """Return a body as it was before it was compressed.

    Args:
        body: As it came.
        encoding: What `Content-Encoding` says.
        most: Bytes that it may have.

    Raises:
        Refused: 413: it is larger; 415: it is compressed in a way that is not known here.
        UsageError: `BadInput`: it is not what its encoding says.
    """
    name = encoding.decode("latin-1").strip().lower()
    if name in _PLAIN:
        return body
    if name not in _FORMATS:
        message = f"content encoding {shown(name)}, wanted gzip, deflate or none"
        raise Refused(415, message, reason="UnknownEncoding")
    unpacking = zlib.decompressobj(_FORMATS[name])
    try:
        content = unpacking.decompress(body, most + 1)
    except zlib.error as error:
        raise wrong(f"the body is not {name}: {error}") from error
    if len(content) > most:
        raise too_large(most)
    if not unpacking.eof:
        raise wrong(f"the body ends in the middle of what {name} has packed")
    return content
