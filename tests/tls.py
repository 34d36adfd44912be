"""TLS in front of Postgres and Redis: the embedded servers are built without it, as their wheels bring them.

What is tested is what clients do: certificates are checked, names too, and their own are shown.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
CHUNK_BYTES = 2**16
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""What a Postgres client sends first when it wants TLS (protocol-flow, "SSL Session Encryption")."""


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own."""

    name: str
    folder: Path
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, folder: Path, name: str) -> Authority:
        made = cls(name, folder, ec.generate_private_key(ec.SECP256R1()))
        authority = x509.BasicConstraints(ca=True, path_length=None)
        _write(made.certificate, made._signed(name, made.key, authority))
        return made

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def issue(self, name: str) -> Identity:
        """For a server at HOST, or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        identity = Identity(self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}.key")
        host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        _write(identity.certificate, self._signed(name, key, host))
        _write(identity.key, key)
        return identity

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(extension, critical=False)
            .sign(self.key, hashes.SHA256())
        )


@contextmanager
def tls_front(port: int, identity: Identity, *, clients: Path | None = None, postgres: bool = False) -> Iterator[int]:
    """A port that speaks TLS and passes on to `port`. Clients show a certificate of the authority `clients`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server((HOST, 0)) as server:
        accepting = threading.Thread(target=_accept, args=(server, port, context, postgres), daemon=True)
        accepting.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    accepting.join(timeout=10)


def _accept(server: socket.socket, port: int, context: ssl.SSLContext, postgres: bool) -> None:
    with suppress(OSError):
        while True:
            plain, _ = server.accept()
            threading.Thread(target=_serve, args=(plain, port, context, postgres), daemon=True).start()


def _serve(plain: socket.socket, port: int, context: ssl.SSLContext, postgres: bool) -> None:
    with suppress(OSError), plain:
        if postgres and not _asks_for_tls(plain):
            return
        with context.wrap_socket(plain, server_side=True) as client, socket.create_connection((HOST, port)) as inner:
            answers = threading.Thread(target=_pass_on, args=(inner, client), daemon=True)
            answers.start()
            _pass_on(client, inner)
            answers.join()


def _asks_for_tls(plain: socket.socket) -> bool:
    """Whoever does not is not let in."""
    if plain.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
        return False
    plain.sendall(b"S")
    return True


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write(path: Path, what: x509.Certificate | ec.EllipticCurvePrivateKey) -> None:
    pem = serialization.Encoding.PEM
    if isinstance(what, x509.Certificate):
        path.write_bytes(what.public_bytes(pem))
        return
    plain = serialization.NoEncryption()
    path.touch(mode=0o600)
    path.write_bytes(what.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
