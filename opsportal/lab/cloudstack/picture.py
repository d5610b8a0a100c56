"""What the lab page shows of a cloud, as plain data."""

from __future__ import annotations

from typing import Any

from opsportal.lab.cloudstack.model import Database, Faults


def cloud(data: Database) -> dict[str, Any]:
    """`clusters` with their hosts, and `faults` as sentences."""
    clusters = [
        {
            "name": one.name,
            "managed": one.managed,
            "hosts": [
                {"name": host.name, "state": host.state, "resource": host.resource, "why": host.reason} for host in data.routing(one.id)
            ],
        }
        for one in data.clusters.values()
    ]
    return {"version": data.version, "clusters": clusters, "faults": _faults(data.faults), "minutes": data.faults.minutes}


def _faults(faults: Faults) -> list[str]:
    said = [f"The next change is refused with {code}." for code in faults.change]
    said += ["The next answer is a proxy's page." if one == "html" else "The next answer ends in its middle." for one in faults.wire]
    if faults.job:
        said.append("The next job fails." if faults.job == 1 else f"The next {faults.job} jobs fail.")
    if faults.sticks:
        said.append("The next host that goes into maintenance stays on its way there.")
    if faults.delay:
        said.append(f"The next answer takes {faults.delay:.0f} s.")
    if faults.minutes:
        said.append(f"Its clock is {abs(faults.minutes):g} minutes {'ahead' if faults.minutes > 0 else 'behind'}.")
    return said
