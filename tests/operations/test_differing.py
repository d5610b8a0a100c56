"""What a stale plan's page says is different."""

from __future__ import annotations

from typing import Any

import pytest

from opsportal.operations.differing import Change, changes

NAMES = {"u1": "xen1", "u2": "xen2"}


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("begun", "changed", [Change("", "begun", "changed")]),
        ({"master": "u1", "ha": True}, {"master": "u2", "ha": True}, [Change("Master", "xen1", "xen2")]),
        ({"ha_timeout": None}, {"ha_timeout": 180}, [Change("Ha timeout", "–", "180")]),
        ([{"uuid": "u1", "enabled": True}], [{"uuid": "u1", "enabled": False}], [Change("xen1: Enabled", "yes", "no")]),
        ([{"uuid": "u1"}], [{"uuid": "u1"}, {"uuid": "u2"}], [Change("xen2", "not there", "there")]),
        ([{"uuid": "u1"}], [], [Change("", "there", "none")]),
        ({"srs": ["a", "b"]}, {"srs": []}, [Change("Srs", "a, b", "none")]),
        ({"deep": {"master": "u1"}}, {"deep": {"master": "u2"}}, [Change("Deep: Master", "xen1", "xen2")]),
        ({"same": [1]}, {"same": [1]}, []),
    ],
)
def test_only_what_is_different_is_said_by_name(old: Any, new: Any, shown: list[Change]) -> None:
    assert list(changes(old, new, NAMES)) == shown
