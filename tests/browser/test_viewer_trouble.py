"""The viewer when something is wrong: with a file, with the service, or with the reader's right to ask it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cxrshift.gateway.access.api_keys import make_key, write_keys
from cxrshift.gateway.access.callers import Role
from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift.serving.stack import Stack
from tests.browser.viewer_page import ViewerPage
from tests.browser.watch import Watch


@contextmanager
def gateway_of(stack: Stack, **settings: str) -> Iterator[GatewayProcess]:
    """A gateway of the test's own before the same TorchServe."""
    environment = tuple((f"CXRSHIFT_{name.upper()}", value) for name, value in settings.items())
    config = GatewayConfig(upstream=stack.torchserve.grpc_target, models=("phantom",), environment=environment)
    with GatewayProcess(config) as running:
        yield running


def viewer_of(gateway: GatewayProcess, page: Page, watch: Watch) -> ViewerPage:
    watch.allow_origin(gateway.rest_url)
    return ViewerPage(page, gateway.rest_url)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7 not a radiograph", "DICOM, PNG, JPEG or NPY"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "PNG"),
        (b"", "empty"),
    ],
    ids=["pdf", "broken-png", "empty"],
)
def test_a_bad_file_is_told_in_words(viewer: ViewerPage, watch: Watch, content: bytes, words: str) -> None:
    watch.forgive("Failed to load resource: the server responded with a status of 4")
    viewer.open_sample()
    viewer.drop("bad.bin", content)
    expect(viewer.problem).to_contain_text(words)
    expect(viewer.problem).not_to_contain_text("bad.bin")
    assert viewer.serious_faults() == []
    viewer.button("effusion", exact=True).click()  # and the next one goes as if nothing had been
    viewer.expect_explained("Effusion")
    expect(viewer.problem).to_be_hidden()


def test_a_file_beyond_the_limit_is_not_even_sent(stack: Stack, page: Page, watch: Watch) -> None:
    watch.forgive("Failed to load resource: the server responded with a status of 400")
    with gateway_of(stack, max_request_bytes="2048") as gateway:
        viewer = viewer_of(gateway, page, watch)
        viewer.open()
        viewer.drop("large.png", b"\x89PNG" + b"\0" * 4096)
        expect(viewer.problem).to_contain_text("the most that is taken")
        assert watch.sent == []
        viewer.drop("small.png", b"\x89PNG" + b"\0" * 1024)  # broken too, but within the limit: it is sent, and seen
        expect(viewer.problem).to_contain_text("PNG")
        assert watch.sent == [f"{gateway.rest_url}/v1/classify?model=phantom"]


def test_a_service_that_went_away_is_said_and_tried_again(stack: Stack, page: Page, watch: Watch) -> None:
    watch.forgive("net::ERR_")
    with gateway_of(stack) as gateway:
        viewer, port = viewer_of(gateway, page, watch), gateway.ports.rest
        viewer.open_sample()
    viewer.bar("Mass").click()
    expect(viewer.problem).to_contain_text("can't be reached")
    assert viewer.serious_faults() == []
    shown = viewer.ink("radiograph")
    config = GatewayConfig(upstream=stack.torchserve.grpc_target, models=("phantom",), rest_port=port)
    with GatewayProcess(config):
        viewer.button("Try again").click()
        viewer.expect_explained("Mass")
        expect(viewer.problem).to_be_hidden()
    assert shown


def test_a_slow_service_can_be_waited_for_or_not(stack: Stack, viewer: ViewerPage) -> None:
    viewer.open_sample()
    workers = stack.worker_pids()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        viewer.bar("Mass").click()
        expect(viewer.progress).to_contain_text("Explaining Mass … 1 s.")
        expect(viewer.bar("Mass")).to_contain_text("explaining")
        viewer.button("Cancel").click()
        expect(viewer.progress).to_be_hidden()
        viewer.bar("Effusion").click()
        expect(viewer.progress).to_contain_text("Explaining Effusion … 1 s.")
        assert viewer.serious_faults() == []
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    viewer.expect_explained("Effusion")
    expect(viewer.problem).to_be_hidden()


def test_a_key_is_asked_for_and_kept_in_memory_alone(stack: Stack, page: Page, watch: Watch, tmp_path: Path) -> None:
    watch.forgive("Failed to load resource: the server responded with a status of 401")
    keys = tmp_path / "keys.toml"
    key = make_key("reader", [Role.EXPLAIN, Role.CLASSIFY])
    write_keys(keys, [key.stored])
    with gateway_of(stack, api_keys_file=str(keys)) as gateway:
        viewer = viewer_of(gateway, page, watch)
        page.goto(viewer.url)
        expect(page.get_by_role("dialog", name="This service asks for a key")).to_be_visible()
        assert viewer.serious_faults() == []
        page.get_by_label("Key or token").fill("wrong")
        viewer.button("Use it").click()
        expect(page.get_by_role("dialog")).to_contain_text("key")
        page.get_by_label("Key or token").fill(key.text)
        viewer.button("Use it").click()
        viewer.button("pneumothorax").click()
        viewer.expect_explained("Pneumothorax")
        kept = page.evaluate(
            "() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie + location"
        )
        assert key.text not in kept


def test_a_viewer_can_be_left_out(stack: Stack, page: Page) -> None:
    with gateway_of(stack, viewer="false") as gateway:
        answer = page.goto(gateway.rest_url)
        assert answer
        assert answer.status == 404
