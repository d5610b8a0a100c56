"""The list of hosts and its search with ten hosts and with ten thousand: queries and server time of one page."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import figure
from tests.bench.alone import portal_alone

FEW, MANY = 10, 10_000
ROUNDS = 25
QUERIES, MILLISECONDS = 6, 25
PAGES = {
    "first page": "/hosts/",
    "last page": "/hosts/?page=200",
    "by how they answer, in the middle": "/hosts/?order=contact&page=100",
    "longest not read, in the middle": "/hosts/?order=read&page=100",
    "one cloud": "/hosts/?cloud=1",
    "SHA-1 allowed": "/hosts/?legacy=yes",
    "search for one host": "/hosts/?q=xen7777",
    "search for two words": "/hosts/?q=xen+rack-3",
    "search for a version": "/hosts/?q=xenserver+6.5",
    "search that finds nothing": "/hosts/?q=nowhere",
    "one tag": "/hosts/?tag=rack-7",
    "one pool": "/hosts/?cloud=1&pool=7",
    "one kind that does not answer": "/hosts/?kind=xenserver&contact=unreachable",
}


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="bench") as folder, portal_alone(Path(folder)) as client:
        _hosts(0, FEW)
        few = {name: _queries(client, address) for name, address in PAGES.items()}
        _hosts(FEW, MANY)
        for name, address in PAGES.items():
            _measure(client, name, address, few[name])


def _hosts(first: int, last: int) -> None:
    """In pools of sixteen, with facts of the usual size and a tag for each rack."""
    from django.utils import timezone

    from hosts.models import Cloud, Contact, Host, Pool, sort_key

    cloud, _ = Cloud.objects.get_or_create(name="Amsterdam")
    pools = Pool.objects.bulk_create([Pool(name=f"pool-{n}", cloud=cloud) for n in range(first // 16, last // 16 + 1) if n or not first])
    facts = {"os_name": "CentOS release 5.11", "product": "XenServer", "product_version": "6.5.0"}
    packages = [{"name": f"package-{n}", "version": "1.2.3-4"} for n in range(40)]
    rows = [
        Host(
            name=f"xen{n}", sort_name=sort_key(f"xen{n}"), address=f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", kind="xenserver",
            cloud=cloud, pool=pools[n % len(pools)], tags=f" prod rack-{n % 40} ", role="hypervisor",
            contact=[Contact.OK, Contact.UNREACHABLE][n % 7 == 0], facts={**facts, "packages": packages}, facts_at=timezone.now(),
            system="XenServer 6.5.0",
        )
        for n in range(first + 1, last + 1)
    ]  # fmt: skip
    Host.objects.bulk_create(rows, batch_size=500)


def _measure(client: Any, name: str, address: str, few: int) -> None:
    counted = _queries(client, address)
    figure(f"hosts, {name}: queries", counted, "queries", f"{few} with {FEW} hosts", QUERIES)
    taken = [_milliseconds(client, address) for _ in range(ROUNDS)]
    walls, cpus = [wall for wall, _ in taken], [cpu for _, cpu in taken]
    how = f"median of {ROUNDS}, {min(walls):.1f} to {max(walls):.1f}; {median(cpus):.1f} of the processor; {MANY:,} hosts"
    figure(f"hosts, {name}", median(walls), "ms", how, MILLISECONDS)


def _queries(client: Any, address: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    _get(client, address)
    with CaptureQueriesContext(connection) as captured:
        _get(client, address)
    return len(captured)


def _milliseconds(client: Any, address: str) -> tuple[float, float]:
    """By the clock, and of the processor: on a busy machine the first is longer."""
    start, busy = time.perf_counter(), time.process_time()
    _get(client, address)
    return (time.perf_counter() - start) * 1000, (time.process_time() - busy) * 1000


def _get(client: Any, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
