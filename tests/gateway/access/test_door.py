"""Who is let in, over REST and gRPC alike, and what is said to those who are not."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from cxrshift.gateway.access.api_keys import KeyFileError, make_key, read_keys, write_keys
from cxrshift.gateway.access.callers import Role
from cxrshift.telemetry import configure_logging
from cxrshift_api import explain_pb2 as pb
from tests.gateway.access.issuer import AUDIENCE, Issuer, new_key, serve_issuer
from tests.gateway.running import Running, Start, grpc_problem, request
from tests.gateway.samples import npy_image
from tests.gateway.worker_double import WorkerDouble

pytestmark = pytest.mark.asyncio(loop_scope="module")

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


@dataclass(frozen=True)
class Keys:
    """A file of keys and what was in none of it."""

    file: Path
    explainer: str
    classifier: str
    admin: str
    expired: str


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = [
        make_key("ward-platform", (Role.EXPLAIN, Role.CLASSIFY)),
        make_key("triage", (Role.CLASSIFY,)),
        make_key("platform team", (Role.ADMIN,)),
        make_key("old", (Role.ADMIN,), expires=YESTERDAY),
    ]
    file = tmp_path / "api-keys.toml"
    write_keys(file, (key.stored for key in made))
    return Keys(file, *(key.text for key in made))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serve_issuer() as issuer:
        yield issuer


async def rest_status(running: Running, path: str = "/v1/explain", **headers: str) -> int:
    """The status of a call; a refusal must be a problem and must say nothing of what was sent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if path == "/v1/usage":
        answer = await running.rest.get(path, headers=named)
    else:
        answer = await running.rest.post(path, content=npy_image(), headers=named)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert not any(value in answer.text for value in headers.values())
        assert (answer.headers.get("www-authenticate") == "Bearer") == (answer.status_code == 401)
    return answer.status_code


async def grpc_status(running: Running, method: str = "Explain", **metadata: str) -> grpc.StatusCode:
    """The same over gRPC."""
    named = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
    asked = request() if method == "Explain" else pb.ClassifyRequest(image=npy_image())
    call = getattr(running.stub, method)(asked, metadata=named)
    try:
        await call
    except grpc.aio.AioRpcError:
        error, problem = await grpc_problem(call)
        assert not any(value in (error.details() or "") for value in metadata.values())
        assert problem.message == error.details()
    code: grpc.StatusCode = await call.code()
    return code


OK, UNAUTHENTICATED, DENIED = (
    grpc.StatusCode.OK,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
)


async def test_a_key_lets_its_caller_do_what_its_roles_say(start: Start, keys: Keys) -> None:
    running = await start(api_keys_file=keys.file)
    assert await rest_status(running, x_api_key=keys.explainer) == 200
    assert await rest_status(running, authorization=f"Bearer {keys.explainer}") == 200
    assert await rest_status(running, x_api_key=keys.classifier) == 403
    assert await rest_status(running, "/v1/classify", x_api_key=keys.classifier) == 200
    assert await rest_status(running, "/v1/usage", x_api_key=keys.classifier) == 403
    assert await rest_status(running, "/v1/usage", x_api_key=keys.admin) == 200
    assert await rest_status(running, x_api_key=keys.admin) == 200
    assert await grpc_status(running, x_api_key=keys.explainer) == OK
    assert await grpc_status(running, authorization=f"bearer {keys.explainer}") == OK
    assert await grpc_status(running, x_api_key=keys.classifier) == DENIED
    assert await grpc_status(running, "Classify", x_api_key=keys.classifier) == OK


async def test_no_key_and_every_wrong_one_is_401_before_a_worker_hears_of_it(
    start: Start, keys: Keys, double: WorkerDouble
) -> None:
    running = await start(api_keys_file=keys.file)
    double.reset()
    altered = keys.explainer[:-1] + ("A" if keys.explainer[-1] != "A" else "B")
    wrong = [
        keys.expired,
        altered,
        keys.explainer[:12],
        "cxr_00000000_",
        "cxr_",
        "x" * 10_000,
        make_key("x", Role).text,
    ]
    assert await rest_status(running) == 401
    assert await grpc_status(running) == UNAUTHENTICATED
    for text in wrong:
        assert await rest_status(running, x_api_key=text) == 401
        assert await rest_status(running, authorization=f"Bearer {text}") == 401
        if len(text) < 8_000:  # gRPC itself ends a call whose metadata is longer
            assert await grpc_status(running, x_api_key=text) == UNAUTHENTICATED
    assert await rest_status(running, authorization="Basic YTpi") == 401
    assert double.works == []


async def test_metadata_and_headers_that_are_too_long_are_refused_by_the_servers_themselves(
    start: Start, keys: Keys
) -> None:
    running = await start(api_keys_file=keys.file)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.stub.Explain(request(), metadata=(("x-api-key", "x" * 100_000),))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    answer = await running.rest.post("/v1/explain", content=npy_image(), headers={"x-api-key": "x" * 100_000})
    assert (answer.status_code, answer.json()["title"]) == (431, "Request header fields too large")


async def test_keys_are_made_and_revoked_while_the_service_runs(start: Start, keys: Keys) -> None:
    running = await start(api_keys_file=keys.file)
    late = make_key("late", (Role.EXPLAIN,))
    assert await rest_status(running, x_api_key=late.text) == 401
    write_keys(keys.file, (*read_keys(keys.file)[1:], late.stored))
    await until_status(running, 200, x_api_key=late.text)
    assert await rest_status(running, x_api_key=keys.explainer) == 401
    keys.file.write_text("keys = 7")
    await until_status(running, 200, x_api_key=late.text)
    assert read_mode(keys.file) == 0o600


def read_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def until_status(running: Running, wanted: int, **headers: str) -> None:
    """The file is looked at once a second."""
    for _ in range(30):
        time.sleep(0.1)
        if await rest_status(running, **headers) == wanted:
            return
    raise AssertionError(f"never {wanted}")


async def test_the_file_of_keys_holds_no_key(keys: Keys) -> None:
    text = keys.file.read_text()
    assert all(key not in text for key in (keys.explainer, keys.classifier, keys.admin))
    assert all(key.split("_", 2)[2] not in text for key in (keys.explainer, keys.classifier, keys.admin))


@pytest.mark.parametrize("text", ["keys = 7", "[[keys]]\nid = 1", "not toml", '[[keys]]\nname = "x"'])
async def test_a_malformed_file_of_keys_serves_nobody(start: Start, tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(KeyFileError, match="API keys"):
        await start(api_keys_file=file)


def oidc(issuer: Issuer) -> dict[str, str]:
    return {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}


async def test_a_token_of_the_issuer_lets_in_and_its_keys_are_fetched_once(start: Start, issuer: Issuer) -> None:
    running = await start(**oidc(issuer))
    issuer.asked.clear()
    for _ in range(5):
        assert await rest_status(running, authorization=f"Bearer {issuer.token()}") == 200
    assert await grpc_status(running, authorization=f"Bearer {issuer.token(aud=['other', AUDIENCE])}") == OK
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_token_that_is_wrong_in_any_way_is_401(start: Start, issuer: Issuer) -> None:
    running = await start(**oidc(issuer))
    now = int(time.time())
    shared_secret = issuer.documents["/keys"]["keys"][0]["n"]
    wrong = {
        "expired": issuer.token(exp=now - 60),
        "not yet valid": issuer.token(nbf=now + 600),
        "no end": issuer.token(exp=None),
        "no subject": issuer.token(sub=None),
        "another audience": issuer.token(aud="another-service"),
        "no audience": issuer.token(aud=None),
        "another issuer": issuer.token(iss="https://login.example"),
        "signed by another": issuer.token(key=new_key()),
        "an unknown key": issuer.token(headers={"kid": "unknown"}),
        "alg none": issuer.unsigned(),
        "a public key as a shared secret": issuer.token(key=shared_secret, alg="HS256"),
        "cut short": issuer.token()[:-10],
        "no token": "x.y.z",
        "over-long": issuer.token() + "x" * 20_000,
    }
    for text in wrong.values():
        assert await rest_status(running, authorization=f"Bearer {text}") == 401
        if len(text) < 8_000:
            assert await grpc_status(running, authorization=f"Bearer {text}") == UNAUTHENTICATED
    assert await rest_status(running, x_api_key=issuer.token()) == 401


async def test_roles_come_from_the_claim_that_is_named(start: Start, issuer: Issuer) -> None:
    nested = await start(**oidc(issuer), oidc_roles_claim="realm_access.roles")
    token = issuer.token(roles=None, realm_access={"roles": ["offline", "cxrshift:classify"]})
    assert await rest_status(nested, "/v1/classify", authorization=f"Bearer {token}") == 200
    assert await rest_status(nested, authorization=f"Bearer {token}") == 403
    scopes = await start(**oidc(issuer), oidc_roles_claim="scope")
    token = issuer.token(scope="openid cxrshift.explain")
    assert await rest_status(scopes, authorization=f"Bearer {token}") == 200
    for roles in (None, 7, "radiologist"):
        token = issuer.token(roles=roles)
        assert await rest_status(await start(**oidc(issuer)), authorization=f"Bearer {token}") == 403


async def test_new_keys_of_the_issuer_are_found_and_made_up_ones_do_not_flood_it(start: Start, issuer: Issuer) -> None:
    running = await start(**oidc(issuer))
    assert await rest_status(running, authorization=f"Bearer {issuer.token()}") == 200
    issuer.asked.clear()
    for number in range(20):
        token = issuer.token(headers={"kid": f"made-up-{number}"})
        assert await rest_status(running, authorization=f"Bearer {token}") == 401
    assert issuer.asked == []  # fetched a moment ago
    second = new_key()
    issuer.publish(second, "second")
    fresh = await start(**oidc(issuer))
    token = issuer.token(key=second, headers={"kid": "second"})
    assert await rest_status(fresh, authorization=f"Bearer {token}") == 200


async def test_an_issuer_out_of_reach_is_503_with_a_time_to_come_back(start: Start, issuer: Issuer) -> None:
    running = await start(oidc_issuer="http://127.0.0.1:9", oidc_audience=AUDIENCE)
    answer = await running.rest.post(
        "/v1/explain", content=npy_image(), headers={"authorization": f"Bearer {issuer.token()}"}
    )
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_keys_and_tokens_work_side_by_side(start: Start, keys: Keys, issuer: Issuer) -> None:
    running = await start(api_keys_file=keys.file, **oidc(issuer))
    assert await rest_status(running, authorization=f"Bearer {keys.explainer}") == 200
    assert await rest_status(running, authorization=f"Bearer {issuer.token()}") == 200
    assert await rest_status(running) == 401


@pytest.mark.usefixtures("own_logging")
async def test_neither_keys_nor_tokens_nor_their_subjects_are_logged_or_counted(
    start: Start, keys: Keys, issuer: Issuer, tmp_path: Path
) -> None:
    stream = io.StringIO()
    configure_logging("DEBUG", stream=stream)
    trail = tmp_path / "audit.xml"
    running = await start(api_keys_file=keys.file, **oidc(issuer), audit_file=trail)
    token = issuer.token()
    await rest_status(running, authorization=f"Bearer {keys.explainer}")
    await rest_status(running, authorization=f"Bearer {token}")
    await rest_status(running, authorization="Bearer stolen-secret")
    await grpc_status(running, x_api_key="stolen-secret")
    usage = await running.rest.get("/v1/usage", headers={"x-api-key": keys.admin})
    metrics = (await running.rest.get(f"http://127.0.0.1:{running.gateway.ports.metrics}/metrics")).text
    told = stream.getvalue() + metrics + usage.text
    for secret in (keys.explainer, token, "stolen-secret", "jane.doe", "ward-platform"):
        assert secret not in told
    callers = {each["caller"]: each["calls"] for each in usage.json()["callers"]}
    assert callers[f"key:{keys.explainer[4:12]}"] == 1
    assert sorted(name.partition(":")[0] for name in callers) == ["key", "key", "sub"]
    assert 'UserID="ward-platform"' in trail.read_text()
    assert 'UserID="dr.jane.doe@hospital.example"' in trail.read_text()


async def test_one_caller_past_its_rate_is_told_when_to_come_back_and_others_are_not_kept_waiting(
    start: Start, keys: Keys
) -> None:
    running = await start(api_keys_file=keys.file, rate=0.5, rate_burst=3)
    assert [await rest_status(running, x_api_key=keys.explainer) for _ in range(4)] == [200, 200, 200, 429]
    error, problem = await grpc_problem(running.stub.Explain(request(), metadata=(("x-api-key", keys.explainer),)))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 0.5 < problem.retry_after <= 2.0
    assert await rest_status(running, x_api_key=keys.admin) == 200


async def test_without_keys_callers_are_told_apart_by_address_and_nobody_sees_the_others(start: Start) -> None:
    running = await start(rate=0.5, rate_burst=1)
    assert [await rest_status(running) for _ in range(2)] == [200, 429]
    assert (await (await start()).rest.get("/v1/usage")).status_code == 403
