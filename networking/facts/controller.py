"""What a host needs to be led by a controller: certificates, tools, the API's certificate, and the credential for it."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings

from hosts.models import Credential
from networking.facts import asking
from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from opsportal.transport.tls import fingerprint_of

FOLDER = "/etc/openvswitch"
CACERT = f"{FOLDER}/vswitchd.cacert"
"""Where Open vSwitch keeps the certificate of who it was first connected to."""

SCRIPT = (
    f"""{asking.PRELUDE}
cd / && folder={FOLDER} cacert={CACERT}"""
    r"""
part tools; for tool in ovs-pki openssl; do command -v $tool >/dev/null 2>&1 && echo $tool; done
part files
for kind in privkey req cert; do root test -e "$folder/$1-$kind.pem" && echo $kind; done
root test -s "$cacert" && echo cacert
cert=$folder/$1-cert.pem
part dates; root openssl x509 -in "$cert" -noout -enddate 2>/dev/null
part lasting; root openssl x509 -in "$cert" -noout -checkend 2592000 >/dev/null 2>&1 && echo yes
part public; root openssl x509 -in "$cert" -noout -pubkey 2>/dev/null | openssl sha256 | sed 's/.* //'
part private; root openssl pkey -in "$folder/$1-privkey.pem" -pubout 2>/dev/null | openssl sha256 | sed 's/.* //'
part pem; root openssl x509 -in "$cert" 2>/dev/null
part end
"""
)


@dataclass(frozen=True)
class Certificates:
    """`kinds` of a name: "privkey", "req", "cert", and "cacert" for the peer's. `pem` is "" without a readable certificate.

    `pair`: the key belongs to the certificate. `lasting`: it is good for 30 days more at least.
    """

    tools: tuple[str, ...]
    kinds: tuple[str, ...]
    until: str
    lasting: bool
    pair: bool
    pem: str

    @property
    def good(self) -> bool:
        return bool(self.pem) and self.pair and self.lasting

    @property
    def none(self) -> bool:
        return not set(self.kinds) & {"privkey", "req", "cert"}


@dataclass(frozen=True)
class SwitchCertificates(Fact[Certificates]):
    """`name` as in NAME-privkey.pem and NAME-cert.pem."""

    name: str
    timeout: ClassVar[float] = 40

    def command(self) -> Command:
        return Command(script=SCRIPT, argv=(self.name,), gist=f"openssl x509 -in {FOLDER}/{self.name}-cert.pem -noout -enddate")

    def parse(self, result: Result) -> Certificates:
        parts = asking.parts(result)
        public, private = "".join(parts["public"]), "".join(parts["private"])
        pem = "".join(f"{line}\n" for line in parts["pem"])
        return Certificates(
            tools=tuple(parts["tools"]),
            kinds=tuple(parts["files"]),
            until="".join(parts["dates"]).removeprefix("notAfter="),
            lasting=parts["lasting"] == ["yes"],
            pair=bool(pem) and public == private and public != hashlib.sha256(b"").hexdigest(),
            pem=pem,
        )


def nsx_command(*words: str, stdin: str = "", gist: str = "") -> Command:
    """The portal's own client, with the portal's own Python."""
    argv = (sys.executable, "-m", "networking.nsx", *words)
    return Command(argv=argv, cwd=str(settings.BASE_DIR), stdin=stdin, gist=gist)


@dataclass(frozen=True)
class Shown:
    """A certificate as it is served: `fingerprint` is its SHA-256."""

    pem: str
    fingerprint: str


@dataclass(frozen=True)
class ApiCertificate(Fact[Shown]):
    """Target "local". Only a handshake; a person compares the fingerprint before anything else is sent."""

    address: str
    port: int

    def command(self) -> Command:
        return nsx_command("peek", self.address, str(self.port), gist=f"openssl s_client -connect {self.address}:{self.port}")

    def parse(self, result: Result) -> Shown:
        if result.exit or "BEGIN CERTIFICATE" not in result.out:
            raise FactError(result.err.strip()[-300:] or f"{self.address} shows no certificate.")
        return Shown(result.out, fingerprint_of(result.out))


@dataclass(frozen=True)
class Login:
    pk: int
    name: str
    username: str
    password: bool


@dataclass(frozen=True)
class ApiLogin(OfThePortal, Fact[Login]):
    """The credential that was chosen, without its secret. Target "portal"."""

    credential: int

    def read(self, reader: Reader) -> Login:
        found = Credential.objects.filter(pk=self.credential).first()
        if found is None:
            raise FactError("Choose the credential with which the portal logs in at NSX. Add it under Credentials first.")
        return Login(found.pk, found.name, found.username, found.kind == Credential.Kind.PASSWORD)
