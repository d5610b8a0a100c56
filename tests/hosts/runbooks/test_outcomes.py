"""What xe printed is explained where the operator reads how a step ended, whatever its exit code."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from opsportal.operations.states import OperationState as S
from tests.hosts.runbooks.known import U2
from tests.hosts.runbooks.scripted import Scripted
from tests.hosts.runbooks.test_ha_operations import asked
from tests.hosts.xen.samples import sample
from tests.operations.driving import run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("code", "number", "words"),
    [
        (0, 30, "did not get it, so nothing was done, although its exit code is 0"),
        (1, 33, "Turn pool HA off first"),
        (1, 26, "xapi counts this host as dead"),
    ],
)
def test_a_switch_that_did_not_happen(pool: Scripted, people: tuple[User, ...], code: int, number: int, words: str) -> None:
    pool.ha = False
    pool.inventory()
    pool.instead["pool-designate-new-master"] = lambda host: (code, sample(number))
    operation = run(asked("change-pool-master", people, host=U2))
    assert operation.state == S.FAILED
    step = operation.steps.get(key="designate")
    assert words in step.message and "proof fails" in step.message
