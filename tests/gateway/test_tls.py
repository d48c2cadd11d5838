"""TLS and mutual TLS on both public ports: what is refused, and a certificate that is renewed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme

from cxrshift.config import Settings
from cxrshift.gateway.server import Gateway
from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift_client import BusyError, Client, Retry, Tls
from tests.gateway.samples import MODEL
from tests.gateway.worker_double import WorkerDouble

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONCE = Retry(attempts=1)


@dataclass(frozen=True)
class Files:
    """PEM files of one authority."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Served:
    """Where a gateway is and the metrics' address."""

    rest: str
    rpc: str
    operator: str
    port: int


def issue(authority: trustme.CA, folder: Path, name: str) -> Files:
    files = Files(*(folder / f"{name}.{kind}.pem" for kind in ("ca", "certificate", "key")))
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(files.authority)
    issued.private_key_pem.write_to_path(files.key)
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return files


@pytest.fixture(scope="module")
def ours() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


async def serve(exits: AsyncExitStack, double: WorkerDouble, files: Files, **settings: Path) -> Served:
    named = {"tls_certificate": files.certificate, "tls_key": files.key, **settings}
    ports = {"rest_port": 0, "grpc_port": 0, "metrics_port": 0, "drain_seconds": 2}
    gateway = await exits.enter_async_context(
        Gateway(Settings(upstream=double.target, models=(MODEL.name,), **ports, **named))  # type: ignore[arg-type]
    )
    rest, rpc, operator = gateway.ports.rest, gateway.ports.grpc, gateway.ports.metrics
    return Served(f"https://127.0.0.1:{rest}", f"grpcs://127.0.0.1:{rpc}", f"http://127.0.0.1:{operator}", rest)


def names(address: str, tls: Tls) -> list[str]:
    """The models that a client with these files is told."""
    with Client(address, tls=tls, retry=ONCE) as client:
        return [model.name for model in client.list_models()]


async def test_both_ports_speak_tls_and_nothing_else(double: WorkerDouble, tmp_path: Path, ours: trustme.CA) -> None:
    files = issue(ours, tmp_path, "server")
    async with AsyncExitStack() as exits:
        served = await serve(exits, double, files)
        for address in (served.rest, served.rpc):
            assert await asyncio.to_thread(names, address, Tls(files.authority)) == [MODEL.name]
            for wrong in (address.replace("s://", "://"), address):
                with pytest.raises(BusyError):
                    await asyncio.to_thread(names, wrong, Tls())
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(files.authority))) as http:
            answer = await http.get(f"{served.rest}/healthz")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert (await http.get(f"{served.operator}/healthz")).status_code == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_below_1_2_gets_no_connection(
    double: WorkerDouble, tmp_path: Path, ours: trustme.CA, version: ssl.TLSVersion
) -> None:
    files = issue(ours, tmp_path, "server")
    old = ssl.create_default_context(cafile=str(files.authority))
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = version
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with AsyncExitStack() as exits:
        served = await serve(exits, double, files)
        for port in (served.port, int(served.rpc.rpartition(":")[2])):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", port, ssl=old)


async def test_with_mutual_tls_only_a_certificate_of_the_named_authority_gets_in(
    double: WorkerDouble, tmp_path: Path, ours: trustme.CA
) -> None:
    server, client = issue(ours, tmp_path, "server"), issue(ours, tmp_path, "client")
    stranger = issue(trustme.CA(key_type=trustme.KeyType.ECDSA), tmp_path, "stranger")
    async with AsyncExitStack() as exits:
        served = await serve(exits, double, server, tls_client_ca=client.authority)
        for address in (served.rest, served.rpc):
            right = Tls(server.authority, client.certificate, client.key)
            assert await asyncio.to_thread(names, address, right) == [MODEL.name]
            for wrong in (Tls(server.authority), Tls(server.authority, stranger.certificate, stranger.key)):
                with pytest.raises(BusyError):
                    await asyncio.to_thread(names, address, wrong)
        assert double.works  # the models that were listed, and nothing of a stranger


async def test_a_renewed_certificate_is_shown_without_a_restart(
    double: WorkerDouble, tmp_path: Path, ours: trustme.CA
) -> None:
    files = issue(ours, tmp_path, "server")
    async with AsyncExitStack() as exits:
        served = await serve(exits, double, files)
        before = await shown(served.port)
        issue(ours, tmp_path, "server")
        assert await changed(lambda: shown(served.port), before)
        rpc = int(served.rpc.rpartition(":")[2])
        assert await shown(rpc) == await shown(served.port)
        assert await asyncio.to_thread(names, served.rpc, Tls(files.authority)) == [MODEL.name]


async def shown(port: int) -> bytes:
    """The certificate that a port shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return certificate


async def changed(look: Callable[[], Awaitable[bytes]], before: bytes) -> bool:
    """The files are looked at once a second."""
    for _ in range(30):
        await asyncio.sleep(0.2)
        if await look() != before:
            return True
    return False


async def test_the_launcher_waits_for_a_gateway_that_speaks_tls(
    double: WorkerDouble, tmp_path: Path, ours: trustme.CA
) -> None:
    files = issue(ours, tmp_path, "server")
    tls = (("CXRSHIFT_TLS_CERTIFICATE", str(files.certificate)), ("CXRSHIFT_TLS_KEY", str(files.key)))
    config = GatewayConfig(upstream=double.target, models=(MODEL.name,), environment=tls)
    gateway = await asyncio.to_thread(lambda: GatewayProcess(config).__enter__())
    try:
        assert gateway.rest_url.startswith("https://")
        assert await asyncio.to_thread(names, gateway.rest_url, Tls(files.authority)) == [MODEL.name]
    finally:
        assert await asyncio.to_thread(gateway.stop) == 0


@pytest.mark.parametrize("content", ["", "not a certificate"])
async def test_files_that_are_no_certificates_serve_nobody(double: WorkerDouble, tmp_path: Path, content: str) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text(content)
    async with AsyncExitStack() as exits:
        with pytest.raises(ssl.SSLError):
            await serve(exits, double, Files(broken, broken, broken))


async def test_half_of_a_certificate_is_a_wrong_setting(tmp_path: Path) -> None:
    for half in ({"tls_certificate": tmp_path}, {"tls_key": tmp_path}, {"tls_client_ca": tmp_path}):
        with pytest.raises(ValueError, match="go together"):
            Settings(**half)  # type: ignore[arg-type]


async def test_an_issuer_in_the_clear_is_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="https"):
        Settings(oidc_issuer="http://login.example", oidc_audience="cxrshift")
    with pytest.raises(ValueError, match="go together"):
        Settings(oidc_issuer="https://login.example")
