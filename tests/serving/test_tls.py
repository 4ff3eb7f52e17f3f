"""TLS with certificates made here: served, renewed while it runs, asked of clients."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reconciler.errors import UsageError
from reconciler.serving.tls import Certificate, Renewed
from tests.serving.test_connection import HELLO, Site, response, run, site


def issue(
    folder: Path,
    name: str,
    password: bytes | None = None,
    issuer: Certificate | None = None,
    days: int = 1,
) -> Certificate:
    """Write a certificate, and its key; without an issuer, it vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, signing = (called, key) if issuer is None else signer(issuer)
    now = dt.datetime.now(dt.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(called).issuer_name(by).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9)).not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )  # fmt: skip
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, lock))
    return Certificate(str(folder / "cert.pem"), str(folder / "key.pem"))


def signer(issuer: Certificate) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
    """Return the name of an issuer, and its key."""
    certificate = x509.load_pem_x509_certificate(Path(issuer.cert).read_bytes())
    key = serialization.load_pem_private_key(Path(issuer.key).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return certificate.subject, key


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.cert)


async def subject(server: Site, context: ssl.SSLContext) -> str:
    """Ask once, and return whose certificate was shown."""
    line = await server.line(context)
    line[1].write(HELLO)
    assert await response(line) == (200, 0)
    shown = line[1].get_extra_info("peercert")
    line[1].close()
    return str(dict(pair[0] for pair in shown["subject"])["commonName"])


def test_renewed_files_hold_for_whoever_connects_then(tmp_path: Path) -> None:
    certificate = issue(tmp_path, "first")
    renewed = Renewed(certificate)

    async def test() -> None:
        async with site(context=renewed.context) as server:
            before = trusting(certificate)
            assert await subject(server, before) == "first"
            kept = await server.line(before)
            old_key = (tmp_path / "key.pem").read_bytes()
            issue(tmp_path, "second")
            after = trusting(certificate)
            new_key = (tmp_path / "key.pem").read_bytes()
            (tmp_path / "key.pem").write_bytes(old_key)  # half-way: they do not fit together
            renewed.look()
            assert await subject(server, before) == "first"
            (tmp_path / "key.pem").write_bytes(new_key)
            renewed.look()
            assert await subject(server, after) == "second"
            kept[1].write(HELLO)
            assert await response(kept) == (200, 0)
            (tmp_path / "cert.pem").unlink()
            renewed.look()
            assert await subject(server, after) == "second"

    run(test)


def test_clients_without_a_certificate_are_turned_away_where_one_is_asked_for(
    tmp_path: Path,
) -> None:
    own, client = tmp_path / "own", tmp_path / "client"
    own.mkdir()
    client.mkdir()
    certificate, known = issue(own, "server"), issue(client, "client")
    asking = Certificate(certificate.cert, certificate.key, known.cert)

    async def test() -> None:
        async with site(context=asking.context()) as server:
            showing = trusting(certificate)
            showing.load_cert_chain(known.cert, known.key)
            assert await subject(server, showing) == "server"
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await subject(server, trusting(certificate))

    run(test)


def test_old_versions_of_the_protocol_are_not_spoken(tmp_path: Path) -> None:
    assert issue(tmp_path, "x").context().minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("wrong", ["key", "cert", "both", "ca", "password", "missing"])
def test_files_that_are_wrong_are_named(tmp_path: Path, wrong: str) -> None:
    made = issue(tmp_path, "x", b"hush" if wrong == "password" else None)
    junk = tmp_path / "junk.pem"
    junk.write_text("no PEM")
    certificate = {
        "key": Certificate(made.cert, str(junk)),
        "cert": Certificate(str(junk), made.key),
        "both": Certificate(made.key, made.cert),
        "ca": Certificate(made.cert, made.key, str(junk)),
        "password": made,
        "missing": Certificate(made.cert, str(tmp_path / "nowhere.pem")),
    }[wrong]
    with pytest.raises(UsageError) as raised:
        certificate.context()
    assert str(tmp_path) in raised.value.message
    assert "hush" not in str(raised.value)
