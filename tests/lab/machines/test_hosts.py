"""A practice host as the portal meets it: over its own transport, with real processes, reboots and pulled plugs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hosts import connections
from hosts.facts.linux import LinuxBasics
from hosts.models import Host
from opsportal.lab.machines import lab as labs
from opsportal.lab.xen.world import World
from opsportal.secrets.value import Secret
from opsportal.transport.command import Command
from opsportal.transport.detached import Detached, Kind, Started
from opsportal.transport.errors import AuthenticationFailed, NoCommonAlgorithm, NoExitStatus, TimedOut, TransportError, Unreachable
from opsportal.transport.host_keys import HostKey
from opsportal.transport.ssh import Pool, SshTarget
from tests.lab.machines.stage import Stage, running

HOST = "xen-a1"


def until(condition: Callable[[], object], seconds: float = 45) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def answers(stage: Stage, ident: str = HOST) -> bool:
    try:
        return stage.run(ident, "true", timeout=5).exit == 0
    except TransportError:
        return False


def refused(stage: Stage, ident: str = HOST) -> bool:
    try:
        stage.run(ident, "true", timeout=5)
    except Unreachable as error:
        return "refused" in str(error)
    except TransportError:
        pass
    return False


def target(stage: Stage, secret: Secret, *, is_key: bool = False, user: str = "root") -> SshTarget:
    machine = stage.machine(HOST)
    key = HostKey(*machine.public_key.split())
    return SshTarget(HOST, machine.place.address, machine.place.port, user, secret, is_key, (key,), machine.legacy)


def test_the_portal_recognises_what_it_is(stage: Stage) -> None:
    fact = LinuxBasics("")
    seen = fact.parse(stage.transport(HOST).run(fact.command(), timeout=30))
    assert (seen.kind(), seen.user, seen.sudo) == ("xenserver", "root", "root")
    assert seen.host_uuid == stage.xe(HOST, "host-list", "hostname=" + seen.hostname, "params=uuid", "--minimal")
    assert [service.name for service in seen.services] == ["xapi"]
    assert [one.name for one in seen.interfaces or ()][:2] == ["eth0", "xenbr0"] and seen.interfaces[1].addresses  # type: ignore[index]
    assert seen.boot_id == stage.machine(HOST).boot_id


def test_asked_again_a_practice_host_answers_from_a_shell_that_waits(stage: Stage) -> None:
    fact, transport = LinuxBasics(""), stage.transport(HOST)
    seen = [fact.parse(transport.ask(fact.command(), timeout=30)) for _ in range(4)]
    assert len({one.boot_id for one in seen}) == 1
    shells = {transport.ask(Command(script='echo "$PPID"'), timeout=10).out for _ in range(5)}
    assert len(shells) == 2


def test_streams_exit_codes_and_input_are_those_of_the_command(stage: Stage) -> None:
    result = stage.run(HOST, script="cat; echo no >&2; exit 7", stdin="häh?\n" * 50_000)
    assert (result.exit, result.err) == (7, "no\n") and result.out == "häh?\n" * 50_000
    assert len(stage.run(HOST, "head", "-c", "3000000", "/dev/zero").out) == 3_000_000
    with pytest.raises(NoExitStatus):
        stage.run(HOST, script="kill -9 $$")


def test_programs_answer_by_their_full_names_and_leave_the_input_of_scripts_alone(stage: Stage) -> None:
    uuid = stage.xe(HOST, "pool-list", "--minimal")
    assert stage.run(HOST, "/opt/xensource/bin/xe", "pool-list", "--minimal").out == f"{uuid}\n"
    script = "while read word; do echo $word; xe pool-list --minimal; done"
    assert stage.run(HOST, script=script, stdin="one\ntwo\n").out == f"one\n{uuid}\ntwo\n{uuid}\n"


def test_many_commands_at_once_do_not_get_in_each_others_way(stage: Stage) -> None:
    script = "for n in 1 2 3 4 5 6 7 8 9; do (xe pool-list --minimal; sleep 0.1) & done; wait"
    assert set(stage.run(HOST, script=script).out.split()) == {stage.xe(HOST, "pool-list", "--minimal")}


def test_a_detached_command_runs_once_is_followed_and_ends_with_its_code(stage: Stage) -> None:
    detached = Detached(stage.transport(HOST), ".opsportal/t")
    waits = "until [ -e /root/go ]; do sleep 0.1; done; for n in 1 2 3; do echo $n; done; exit 7"
    assert isinstance(detached.start("k", 1, Command(script=waits)), Started)
    assert detached.poll("k").state.kind is Kind.RUNNING, "starting does not wait for the end"
    stage.run(HOST, "touch", "/root/go")
    assert b"".join(detached.follow("k", 0, 30)) == b"1\n2\n3\n"
    until(lambda: detached.poll("k").state.code == 7)
    assert not isinstance(detached.start("k", 1, Command(("false",))), Started)


def test_a_reboot_ends_every_command_and_is_noticed(stage: Stage) -> None:
    detached, before = Detached(stage.transport(HOST), ".opsportal/t"), stage.machine(HOST).boot_id
    detached.start("k", 1, Command(("sleep", "600")))
    stage.run(HOST, script="echo kept >/root/kept; echo lost >/tmp/lost")
    with stage.world() as world:
        world.pull_plug(HOST)
    until(lambda: refused(stage))
    with stage.world() as world:
        world.power_on(HOST)
    until(lambda: answers(stage))
    assert detached.poll("k").state.kind is Kind.REBOOTED
    assert detached.boot_id() == stage.machine(HOST).boot_id != before
    assert stage.run(HOST, script="cat /root/kept; cat /tmp/lost").out == "kept\n"


def test_reboot_typed_on_the_host_reboots_it(stage: Stage) -> None:
    before = stage.machine(HOST).boot_id
    stage.run(HOST, "reboot")
    until(lambda: stage.machine(HOST).boot_id != before and answers(stage))


def test_a_pulled_plug_ends_connections_without_an_exit_code(stage: Stage) -> None:
    def pull() -> None:
        until(lambda: stage.machine(HOST).disk.read("/root/begun") is not None)
        with stage.world() as world:
            world.pull_plug(HOST)

    threading.Thread(target=pull).start()
    with pytest.raises(TransportError) as raised:
        stage.run(HOST, script="echo >/root/begun; sleep 60")
    assert "not known" in str(raised.value)


def test_a_cut_network_answers_nothing_and_loses_nothing(stage: Stage) -> None:
    until(lambda: answers(stage))
    with stage.world() as world:
        world.cut_network(HOST, 300)  # three seconds of ours
    with pytest.raises((TimedOut, Unreachable)) as raised:
        stage.run(HOST, "true", timeout=1)
    assert "refused" not in str(raised.value)
    until(lambda: answers(stage))


def test_a_hanging_xe_ends_with_its_time_limit(stage: Stage) -> None:
    with stage.world() as world:
        world.hang_xe(HOST, 100_000)
    assert stage.run(HOST, "timeout", "1", "xe", "host-list", timeout=30).exit == 124


def test_who_may_log_in(stage: Stage, tmp_path: Path) -> None:
    pool, password = Pool(), Secret(stage.lab.password)
    assert pool.get(target(stage, password)).run(Command(("id", "-u")), timeout=10).out == "0\n"
    for wrong in (target(stage, Secret("no")), target(stage, password, user="admin")):
        with pytest.raises(AuthenticationFailed):
            pool.get(wrong).run(Command(("true",)), timeout=10)
    pool.close()
    stage.run(HOST, "rm", "/root/.ssh/authorized_keys")
    connections.forget_all()
    with pytest.raises(AuthenticationFailed):
        stage.run(HOST, "true")


def test_a_sandbox_holds_nothing_of_this_machine(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("secret")
    assert stage.run(HOST, "ls", str(tmp_path)).exit != 0
    assert stage.run(HOST, "touch", "/usr/bin/new").exit != 0
    assert stage.run(HOST, "mount", "-o", "remount,rw", "/usr").exit != 0
    assert stage.run(HOST, script="ps -e -o comm= | grep -c pytest").out == "0\n"
    place = stage.machine("xen-a2").place
    assert stage.run(HOST, "bash", "-c", f"exec 3<>/dev/tcp/{place.address}/{place.port}").exit != 0


def test_an_idle_sandbox_is_put_away_and_nobody_notices(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "NAP_AFTER", 0.2)
    boot_id = stage.run(HOST, script="echo kept >/tmp/kept; cat /proc/sys/kernel/random/boot_id").out
    until(lambda: stage.machine(HOST).sandbox is None)
    assert stage.run(HOST, "cat", "/tmp/kept", "/proc/sys/kernel/random/boot_id").out == f"kept\n{boot_id}"
    Detached(stage.transport(HOST), ".opsportal/t").start("k", 1, Command(("sleep", "600")))
    time.sleep(0.6)
    assert stage.machine(HOST).sandbox is not None, "something runs there"


def test_all_hosts_are_on_loopback_at_one_port(stage: Stage) -> None:
    places: list[Any] = [machine.place for machine in stage.lab.machines("1").values()]
    assert all(place.address.startswith("127.77.1.") for place in places)
    assert len({place.address for place in places}) == len(places) and len({place.port for place in places}) == 1


def test_an_old_host_is_reached_only_when_it_is_marked_legacy(tmp_path: Path, settings: object, db: None) -> None:
    with running(tmp_path, settings, lambda: World.pool("6.2", hosts=1)) as stage:
        host = stage.host("xen1")
        assert host.legacy and "6.2" in stage.run("xen1", "cat", "/etc/redhat-release").out
        Host.objects.filter(pk=host.pk).update(legacy=False)
        connections.forget_all()
        with pytest.raises(NoCommonAlgorithm, match="marked as legacy"):
            stage.run("xen1", "true")


@pytest.mark.parametrize(("typed", "said"), [("yes", "will attempt to restart"), ("no", "Aborted (you typed: 'no')")])
def test_a_prompt_gets_what_is_typed(stage: Stage, typed: str, said: str) -> None:
    member = next(
        uuid
        for uuid in stage.xe(HOST, "host-list", "--minimal").split(",")
        if uuid != stage.xe(HOST, "pool-list", "params=master", "--minimal")
    )
    for vm in filter(None, stage.xe(HOST, "vm-list", f"resident-on={member}", "is-control-domain=false", "--minimal").split(",")):
        stage.xe(HOST, "vm-shutdown", f"uuid={vm}", "--force")
    result = stage.run(HOST, "xe", "pool-eject", f"host-uuid={member}", stdin=f"{typed}\n")
    assert "Type 'yes' to continue" in result.out and said in result.out, result


def test_a_service_that_was_switched_on_runs_at_the_next_boot(stage: Stage) -> None:
    script = "#!/bin/sh\nxe host-list --minimal >/root/ran\n"
    stage.run(
        HOST,
        script="cat >/etc/init.d/mine && chmod 755 /etc/init.d/mine && chkconfig --add mine && chkconfig mine on && reboot",
        stdin=script,
    )
    until(lambda: stage.machine(HOST).disk.read("/root/ran") is not None)
