"""Adding hosts: what is discovered at an address, and the texts of everything that can be in the way."""

from __future__ import annotations

import pytest

from tests.lab.cloudstack.clouds import Asker, Refused


def given(ask: Asker, address: str = "10.0.1.13", cluster: str = "practice-a", **more: str) -> dict[str, str]:
    places = {"zoneid": ask.cloud.data.zone.id, "podid": ask.cloud.data.pod.id, "clusterid": ask.cluster(cluster)["id"]}
    return {**places, "url": f"http://{address}", "hypervisor": "XenServer", "username": "root", "password": "practice", **more}


def without(ask: Asker, *names: str) -> Asker:
    for name in names:
        ask("deleteHost", id=ask.id(name), forced="true")
    return ask


def test_one_address_brings_the_whole_pool() -> None:
    ask = without(Asker(), "xen-a1", "xen-a2", "xen-a3")
    made = ask("addHost", **given(ask, hosttags="ssd"))["host"]
    assert [host["name"] for host in made] == ["xen-a1", "xen-a2", "xen-a3"]
    assert ask.states("xen-a1") == ["Connecting"]
    ask.later(30)
    assert ask.states("xen-a1", "xen-a2", "xen-a3") == ["Up", "Up", "Up"]
    assert ask.hosts()["xen-a3"]["hosttags"] == "ssd"


def test_it_takes_its_time() -> None:
    ask = without(Asker(), "xen-a3")
    assert ask.reply("addHost", **given(ask)).wait > 10


def test_the_lab_s_own_address_is_the_same_host() -> None:
    ask = without(Asker(), "xen-a3")
    ask.cloud.places, ask.cloud.password = {"127.77.1.13": "xen-a3"}, "of-the-lab"
    assert ask("addHost", **given(ask, "127.77.1.13", password="of-the-lab"))["host"][0]["name"] == "xen-a3"


def test_a_host_that_is_known_is_left_out() -> None:
    ask = Asker()
    with pytest.raises(Refused, match="530 Failed to add host"):
        ask("addHost", **given(ask))


def test_a_host_of_another_pool_is_refused_in_the_words_of_the_discoverer() -> None:
    ask = without(Asker(), "xen-b2")
    with pytest.raises(Refused, match=r"Please join the host 10\.0\.2\.12 to XS pool  [0-9a-f-]{36} through XC/XS before"):
        ask("addHost", **given(ask, "10.0.2.12"))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"password": "wrong"}, "530 Authentication error"),
        ({"url": "http://10.9.9.9"}, "530 Unable to add the host$"),
        ({"url": "10.0.1.13"}, "431 uri.scheme is null"),
        ({"password": ""}, "431 .* missing parameter password"),
        ({"zoneid": "x"}, "431 .*zoneid"),
        ({"hypervisor": "KVM"}, "530 Unable to add the host"),
        ({"clustername": "more"}, "431 Can't specify cluster by both id and name"),
    ],
)
def test_what_is_in_the_way(more: dict[str, str], text: str) -> None:
    ask = without(Asker(), "xen-a3")
    with pytest.raises(Refused, match=text):
        ask("addHost", **{**given(ask), **more})
    assert "xen-a3" not in ask.hosts()


def test_newer_versions_say_where_they_looked() -> None:
    ask = Asker(version="4.20.1.0")
    with pytest.raises(Refused, match=r"Cannot find the server resources at http://10\.9\.9\.9"):
        ask("addHost", **given(ask, "10.9.9.9"))


def test_a_cluster_by_name_stays_although_the_host_could_not_be_added() -> None:
    ask = Asker()
    wanted = given(ask, "10.9.9.9", clustername="left-over")
    del wanted["clusterid"]
    with pytest.raises(Refused, match="530"):
        ask("addHost", **wanted)
    assert ask.cluster("left-over")["hypervisortype"] == "XenServer"
    assert ask("listHosts", clusterid=ask.cluster("left-over")["id"]) == {}


def test_a_host_that_is_off_is_not_found() -> None:
    ask = without(Asker(), "xen-a3")
    ask.world.pull_plug("xen-a3")
    with pytest.raises(Refused, match="Unable to add the host"):
        ask("addHost", **given(ask))
