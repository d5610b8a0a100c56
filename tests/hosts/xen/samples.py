"""Outputs of xe and files of dom0, by number: seen on real hosts, documented, or made exactly as xe's printer does."""

from __future__ import annotations

from pathlib import Path

from opsportal.transport.base import Result

CASES = Path(__file__).parent / "cases"
P = "3f2c9a10-77aa-4b0e-8f11-5a6b7c8d9e00"
U1, U2, U3 = "6e1f0c4a-0f0e-4a8e-9a51-2f2b7c3d1a01", "b7d3a1f8-5c6d-4f5a-8a3e-77a1d2c4e902", "0d9e8c7b-1234-4c4c-9b9b-abcdef012303"
SR = "a1b2c3d4-1111-2222-3333-444455556666"
VM1, VM2 = "c0ffee00-0001-4001-8001-000000000001", "c0ffee00-0002-4002-8002-000000000002"


def sample(number: int) -> str:
    return (CASES / f"S{number:02d}.txt").read_text()


def out(text: str, code: int = 0) -> Result:
    return Result(code, text)


def err(text: str, code: int = 1) -> Result:
    return Result(code, "", text)


HANG = Result(124, "", "")
