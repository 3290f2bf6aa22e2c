"""A certificate authority of our own, and certificates it signs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A made authority; ``file`` is what a client trusts."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @property
    def file(self) -> Path:
        """Its own certificate."""
        return self.folder / "ca.pem"

    def server(self, host: str, days: int = 10) -> ssl.SSLContext:
        """A server's context with a certificate for ``host``, valid until in ``days`` days."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = certificate(named(host), key, self, days).sign(self.key, hashes.SHA256())
        target = self.folder / f"{host}-{days}.pem"
        target.write_bytes(private(key) + found.public_bytes(serialization.Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(target)
        return context


def authority(folder: Path) -> Authority:
    """A new authority with its certificate in ``folder``."""
    made = Authority(folder, ec.generate_private_key(ec.SECP256R1()), named("Test authority"))
    own = certificate(made.name, made.key, made, 10, is_authority=True)
    signed = own.sign(made.key, hashes.SHA256())
    made.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return made


def certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority,
    days: int,
    *,
    is_authority: bool = False,
) -> x509.CertificateBuilder:
    """A certificate to be signed."""
    now = datetime.now(UTC)
    host = str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    issuer_key = x509.SubjectKeyIdentifier.from_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if is_authority:
        usage = dict.fromkeys(USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
        return builder.add_extension(x509.KeyUsage(**usage), critical=True)
    return builder.add_extension(
        x509.SubjectAlternativeName([known_as(host)]), critical=False
    ).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False
    )


USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def known_as(host: str) -> x509.GeneralName:
    """A host by its name or its address."""
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def named(common: str) -> x509.Name:
    """A name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
