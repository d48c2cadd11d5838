"""The two steps between a radiograph's arrival and its results in the archive, each with what may go wrong."""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cxrshift.audit import SOURCE_ID, Action, AuditRecord, AuditTrail, Outcome
from cxrshift.errors import CodedError, CxrshiftError
from cxrshift.telemetry import describe_fault, log_event
from cxrshift_api.types import Explanation, ProblemCode
from cxrshift_client import Client
from cxrshift_client.errors import ExplainerError, RequestError

from ...image.decode import decode_radiograph
from ..results import make_objects
from .destinations import DeliveryFailed, DeliveryRefused, Sender
from .metrics import BridgeMetrics, Step
from .settings import BridgeSettings, Rule
from .spool import Spool
from .spool_records import Delivery, Job, State

logger = logging.getLogger("cxrshift.pacs")

_FAULTS_BORNE = 5
"""Times that a fault of the service, or of our own, is taken for a passing one."""
_OUR_FAULT = "The bridge failed on it; its log says where."
_NO_DISK = "The bridge could not read or write one of its own files; its log says where."
"""A full disk, for one: that passes, and is held against no radiograph."""


class _UnsuitableError(CxrshiftError):
    """The rule wants no results of such a radiograph."""


class Work:
    """Explains and delivers. Whatever happens is written to the spool, log and metrics.

    Its methods raise OSError and sqlite3.Error alone, where that cannot be written.
    """

    def __init__(
        self,
        settings: BridgeSettings,
        spool: Spool,
        client: Client,
        senders: Mapping[str, Sender],
        metrics: BridgeMetrics,
        audit: AuditTrail,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._client = client
        self._senders = senders
        self._metrics = metrics
        self._audit = audit
        self._clock = clock

    def abandon(self) -> None:
        """Give up every call to the service; what they were for is done again later."""
        self._client.close()

    # ---- explaining ----

    def explain(self, job: Job) -> None:
        """Have a radiograph explained and keep what is made of it."""
        rule = self._settings.rule(job.rule)
        if rule is None:
            self._give_up(job, "The rule that wanted it is no longer in the settings.")
            return
        try:
            self._spool.keep_results(job, self._make(job, rule), rule.send_to)
        except _UnsuitableError as error:
            self._spool.drop(job, str(error))
            self._tell_explained(job, "rejected", Outcome.SUCCESS)
        except RequestError as error:
            self._give_up(job, error.problem.message)
        except ExplainerError as error:
            is_fault = error.problem.code is ProblemCode.INTERNAL
            self._explain_later(job, error.problem.message, error.problem.retry_after or 0.0, is_fault=is_fault)
        except CodedError as error:
            self._give_up(job, error.message)
        except Exception as error:  # noqa: BLE001 - one radiograph's fault must not end the bridge
            log_event(logger, "explaining failed", level=logging.ERROR, job=job.digest, fault=describe_fault(error))
            is_disk = isinstance(error, OSError | sqlite3.Error)
            self._explain_later(job, _NO_DISK if is_disk else _OUR_FAULT, 0.0, is_fault=not is_disk)
        else:
            self._tell_explained(job, "done", Outcome.SUCCESS)

    def _make(self, job: Job, rule: Rule) -> list[bytes]:
        """The results. Raises CodedError, ExplainerError and _UnsuitableError."""
        content = self._spool.source(job)
        if rule.unsuitable == "reject" and (doubts := decode_radiograph(content).doubts):
            raise _UnsuitableError(doubts[0])
        explanations = self._ask(content, rule, job)
        if rule.unsuitable == "reject":
            _check_likeness(explanations)
        moment = datetime.fromtimestamp(job.received_at, UTC)  # so that a second try makes the same bytes
        return [made.content for made in make_objects(content, explanations, kinds=rule.objects, made_at=moment)]

    def _ask(self, content: bytes, rule: Rule, job: Job) -> tuple[Explanation, ...]:
        return self._client.explain(
            content,
            model=rule.model,
            findings=rule.findings,
            profile=rule.profile,
            frames=rule.frames,
            request_id=job.digest[:32],
            timeout=self._settings.service.timeout,
        ).explanations

    def _explain_later(self, job: Job, reason: str, least: float, *, is_fault: bool) -> None:
        if self._is_too_late(job) or (is_fault and job.attempts + 1 >= _FAULTS_BORNE):
            self._give_up(job, reason)
            return
        self._spool.postpone(job, reason, max(self._wait(job.attempts), least))
        self._tell_explained(job, "retried", Outcome.MINOR_FAILURE)

    def _give_up(self, job: Job, reason: str) -> None:
        self._spool.bury(job, reason)
        self._tell_explained(job, "dead", Outcome.SERIOUS_FAILURE)

    def _tell_explained(self, job: Job, outcome: Step, said: Outcome) -> None:
        self._metrics.explained(outcome)
        log_event(logger, "explained", outcome=outcome, job=job.digest, attempt=job.attempts + 1)
        self._record(Action.EXPLAINED, self._settings.service.address, said, job)

    # ---- delivering ----

    def deliver(self, delivery: Delivery) -> None:
        """Give the results to one archive."""
        name, sender = delivery.destination, self._senders.get(delivery.destination)
        if sender is None:
            self._settle(delivery, f"{name} is no longer among the destinations.")
            return
        try:
            sender.send(self._spool.results(delivery.job))
        except DeliveryRefused as error:
            self._settle(delivery, f"{name}: {error}")
        except DeliveryFailed as error:
            self._deliver_later(delivery, f"{name}: {error}", is_fault=False)
        except Exception as error:  # noqa: BLE001 - as above
            fault = describe_fault(error)
            log_event(logger, "delivering failed", level=logging.ERROR, job=delivery.job.digest, fault=fault)
            is_disk = isinstance(error, OSError | sqlite3.Error)
            self._deliver_later(delivery, _NO_DISK if is_disk else _OUR_FAULT, is_fault=not is_disk)
        else:
            self._settle(delivery)

    def _deliver_later(self, delivery: Delivery, reason: str, *, is_fault: bool) -> None:
        if self._is_too_late(delivery.job) or (is_fault and delivery.attempts + 1 >= _FAULTS_BORNE):
            self._settle(delivery, reason)
            return
        self._spool.postpone_delivery(delivery, reason, self._wait(delivery.attempts))
        self._tell_delivered(delivery, "retried", Outcome.MINOR_FAILURE)

    def _settle(self, delivery: Delivery, refusal: str = "") -> None:
        if self._spool.settle(delivery, refusal) is State.DONE:
            self._metrics.finished(self._clock() - delivery.job.received_at)
        self._tell_delivered(
            delivery, "dead" if refusal else "done", Outcome.SERIOUS_FAILURE if refusal else Outcome.SUCCESS
        )

    def _tell_delivered(self, delivery: Delivery, outcome: Step, said: Outcome) -> None:
        self._metrics.delivered(delivery.destination, outcome)
        log_event(
            logger,
            "delivered",
            outcome=outcome,
            destination=delivery.destination,
            job=delivery.job.digest,
            attempt=delivery.attempts + 1,
        )
        self._record(Action.SENT, delivery.destination, said, delivery.job)

    # ---- both ----

    def _wait(self, failed: int) -> float:
        """Seconds before the next try after ``failed`` earlier ones: doubling, and spread so that many do not meet."""
        limits = self._settings.spool
        whole = min(limits.longest_wait, limits.first_wait * 2.0 ** min(failed, 30))
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def _is_too_late(self, job: Job) -> bool:
        return self._clock() - job.received_at > self._settings.spool.give_up_after

    def _record(self, action: Action, peer: str, outcome: Outcome, job: Job) -> None:
        self._audit.write(AuditRecord(action, SOURCE_ID, peer, outcome, datetime.now(UTC), job.study_instance_uid))


def _check_likeness(explanations: tuple[Explanation, ...]) -> None:
    """Raise _UnsuitableError for a radiograph that is not of the kind that the model knows, where the model can say."""
    if any(explanation.quality.is_stranger for explanation in explanations):
        raise _UnsuitableError("The image is unlike the radiographs that the model was trained on.")
