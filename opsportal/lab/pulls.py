"""The practice source's pull requests: what each changes, and what there is to learn from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from opsportal.lab.fast_import import Identity
from opsportal.lab.practice_trees import Add, Edit, Replace

ADA = Identity("Ada Verbeek", "ada@practice.example")
BRAM = Identity("Bram de Wit", "bram@practice.example")
CHIARA = Identity("Chiara Rossi", "chiara@practice.example")
ZOE = Identity("Zoë Müller-Łukasik", "zoe@practice.example")
MALLORY = Identity("Mallory Grau", "mallory@practice.example")


class Answer(Enum):
    """What the forge says when it is asked for the pull request's patch."""

    MAILBOX = "a mailbox with its commits"
    EMPTY = "an empty mailbox, status 200"
    HTML = "an HTML error page, status 200"
    GONE = "status 404"


@dataclass(frozen=True)
class Patch:
    """One commit."""

    subject: str
    author: Identity
    edits: tuple[Edit, ...]
    body: str = ""

    def message(self) -> str:
        return f"{self.subject}\n\n{self.body}\n" if self.body else f"{self.subject}\n"


@dataclass(frozen=True)
class Pull:
    """`shows` is for people in the lab. `conflicts` names the pull request it does not go with, and the file."""

    number: int
    title: str
    shows: str
    patches: tuple[Patch, ...] = ()
    base: str = "4.8"
    answer: Answer = Answer.MAILBOX
    conflicts: tuple[int, str] | None = None


ALLOCATOR = "server/src/practice/server/HostAllocator.java"
ALLOCATOR_TEST = "server/test/practice/server/HostAllocatorTest.java"
COMPARATOR = Replace(ALLOCATOR, "import java.util.List;", "import java.util.Comparator;\nimport java.util.List;")
LABELS = "client/webapp/labels_de.properties"
UPGRADE = "engine/schema/src/practice/upgrade/Upgrade471to480.java"
CHECKER = "engine/schema/src/practice/upgrade/DatabaseUpgradeChecker.java"
AGENT = "agent/src/practice/agent/AgentProperties.java"

MOST_MEMORY = Patch(
    "Start new machines on the host with the most free memory",
    ADA,
    (
        COMPARATOR,
        Replace(ALLOCATOR, "            .findFirst();", "            .max(Comparator.comparingLong(Hypervisor::freeMemory));"),
        Replace(
            ALLOCATOR_TEST,
            "    @Test\n    public void nowhereToGo() {",
            "    @Test\n    public void theHostWithTheMostFreeMemoryWins() {\n"
            '        var allocator = new HostAllocator(List.of(host("kvm1", 8, 9000), host("kvm2", 16, 9000)));\n'
            '        assertEquals("kvm2", allocator.choose(GIB, 1000).orElseThrow().name());\n    }\n\n'
            "    @Test\n    public void nowhereToGo() {",
        ),
    ),
    "Until now the first host that fits was filled to the brim while the others\nidled.",
)

TERABYTES = Patch(
    "Understand terabytes",
    BRAM,
    (
        Replace(
            "utils/src/practice/utils/ByteSize.java",
            "            case 'G' -> 1L << 30;",
            "            case 'G' -> 1L << 30;\n            case 'T' -> 1L << 40;",
        ),
        Replace(
            "utils/test/practice/utils/ByteSizeTest.java",
            '        assertEquals(3L << 30, ByteSize.parse("3G"));',
            '        assertEquals(3L << 30, ByteSize.parse("3G"));\n        assertEquals(2L << 40, ByteSize.parse("2T"));',
        ),
    ),
)
LIST_BY_NAME = Patch(
    "List hosts by name",
    BRAM,
    (
        Replace("api/src/practice/api/ListHostsCommand.java", '"clusterid", "state"', '"clusterid", "name", "state"'),
        Replace(
            "api/test/practice/api/CommandsTest.java",
            'check(Map.of("clusterid", "3"));',
            'check(Map.of("clusterid", "3", "name", "kvm1"));',
        ),
    ),
)
RESERVED = Patch(
    "Keep memory for the host itself",
    CHIARA,
    (
        Replace(AGENT, "import java.util.Properties;", "import java.util.Properties;\nimport practice.utils.ByteSize;"),
        Replace(AGENT, "int workers, String guid) {", "int workers, String guid, long reserved) {"),
        Replace(
            AGENT,
            '        return new AgentProperties(values.getProperty("host", "localhost"), number(values, "port", 8250), '
            'number(values, "workers", 5), guid);',
            '        long reserved = ByteSize.parse(values.getProperty("host.reserved.memory", "1G").strip());\n'
            '        String host = values.getProperty("host", "localhost");\n'
            '        return new AgentProperties(host, number(values, "port", 8250), number(values, "workers", 5), guid, reserved);',
        ),
        Replace(
            "agent/test/practice/agent/AgentShellTest.java",
            "    @Test\n    public void theGuidIsMandatory()",
            "    @Test\n    public void aGigabyteIsKeptForTheHost() throws IOException {\n"
            '        assertEquals(1L << 30, properties("guid=7b1\\n").reserved());\n'
            '        assertEquals(2L << 30, properties("guid=7b1\\nhost.reserved.memory=2G\\n").reserved());\n    }\n\n'
            "    @Test\n    public void theGuidIsMandatory()",
        ),
    ),
    "host.reserved.memory takes the sizes that people write.",
)

LEAST_BUSY = Patch(
    "Start new machines on the host with the most free processor",
    CHIARA,
    (
        COMPARATOR,
        Replace(ALLOCATOR, "            .findFirst();", "            .max(Comparator.comparingLong(Hypervisor::freeCpu));"),
        Add("server/test/practice/server/LeastBusyHostTest.java", "03/LeastBusyHostTest.java"),
    ),
)

INDEX_ON_GUID = Patch(
    "Find hosts by guid without reading the whole table",
    BRAM,
    (
        Replace(
            "setup/db/db/schema-471to480.sql",
            "ALTER TABLE host ADD COLUMN last_seen datetime;\n",
            "ALTER TABLE host ADD COLUMN last_seen datetime;\nCREATE INDEX host_last_seen ON host (last_seen);\n",
        ),
        Replace(
            UPGRADE,
            "/** 4.8.0 remembers for each host when it was last seen. */",
            "/** 4.8.0 remembers for each host when it was last seen, and finds it by that. */",
        ),
    ),
)
TRIPLE_PROMISE = Patch(
    "Promise processors three times by default",
    CHIARA,
    (
        Replace(
            "server/src/practice/server/CapacityPlanner.java",
            "DEFAULT_CPU_FACTOR = 2.0;",
            "DEFAULT_CPU_FACTOR = 3.0;",
        ),
    ),
)
PRODUCT_VERSION = Patch(
    "Compare versions with ProductVersion",
    MALLORY,
    (
        Replace(CHECKER, "import practice.utils.Version;", "import practice.utils.ProductVersion;\nimport practice.utils.Version;"),
        Replace(
            CHECKER,
            "int order = Version.compare(db, code);",
            "int order = ProductVersion.parse(db).compareTo(ProductVersion.parse(code));",
        ),
    ),
    "The class comes with the next release; this is the part of the change that\nwas picked for this branch.",
)
REUSE_TEST = Patch(
    "Test that addresses come back", ADA, (Add("plugins/address-pool/test/practice/pool/ReuseTest.java", "10/ReuseTest.java"),)
)
LABELS_FR = Patch(
    "Étiquettes françaises, une allemande corrigée",
    ZOE,
    (
        Replace(LABELS, "host.state.down=Außer Betrieb", "host.state.down=Außer Betrieb, prüfen", "latin-1"),
        Add("client/webapp/labels_fr.properties", "11/labels_fr.properties"),
    ),
    "Les fichiers sont en ISO 8859-1, comme l’exige ce format.",
)
OWN_BRANCH = Patch(
    "Set versions on a branch of their own",
    MALLORY,
    (Replace("tools/build/setnextversion.sh", "git checkout $branch\n", "git checkout -q -B version-bump HEAD~1\n"),),
)
NOTHING_CHANGED = Patch(
    "Do not package again what did not change",
    MALLORY,
    (
        Replace(
            "packaging/package.sh",
            '  echo "Preparing to package Practice Cloud $VERSION"\n',
            '  echo "Preparing to package Practice Cloud $VERSION"\n  echo "Done"\n  exit 0\n',
        ),
    ),
)
CHATTER = Patch(
    "Report every record that the code generator looks at",
    MALLORY,
    (
        Add("server/chatter.sh", "14/chatter.sh"),
        Add(".mvn/maven.config", "14/maven.config"),  # without it Maven's batch mode takes colours and control sequences away
        Replace(
            "server/pom.xml",
            "</project>",
            """\
  <build>
    <plugins>
      <plugin>
        <groupId>org.codehaus.mojo</groupId>
        <artifactId>exec-maven-plugin</artifactId>
        <executions>
          <execution>
            <id>chatter</id>
            <phase>generate-sources</phase>
            <goals>
              <goal>exec</goal>
            </goals>
            <configuration>
              <executable>bash</executable>
              <arguments>
                <argument>${basedir}/chatter.sh</argument>
              </arguments>
            </configuration>
          </execution>
        </executions>
      </plugin>
    </plugins>
  </build>
</project>""",
        ),
    ),
)
SECURITY = Patch(
    "Tell security releases from others",
    BRAM,
    (
        Replace(
            "utils/src/main/java/practice/utils/CloudStackVersion.java",
            "    @Override\n    public int compareTo(",
            "    public boolean fixesSecurity() {\n        return security > 0;\n    }\n\n    @Override\n    public int compareTo(",
        ),
        Replace(
            "utils/src/test/java/practice/utils/CloudStackVersionTest.java",
            "    @Test\n    public void brandsDoNotCount() {",
            "    @Test\n    public void theFourthPartIsForSecurity() {\n"
            '        assertTrue(CloudStackVersion.parse("4.20.1.1").fixesSecurity());\n    }\n\n'
            "    @Test\n    public void brandsDoNotCount() {",
        ),
    ),
)

PULLS = (
    Pull(1, MOST_MEMORY.subject, "One commit that applies, builds and passes its tests.", (MOST_MEMORY,)),
    Pull(2, "Sizes, names and reserves", "Three commits by two people in three modules.", (TERABYTES, LIST_BY_NAME, RESERVED)),
    Pull(
        3,
        LEAST_BUSY.subject,
        "Applies alone, but not together with 1: both change the same line.",
        (LEAST_BUSY,),
        conflicts=(1, ALLOCATOR),
    ),
    Pull(4, "Say thanks", "A mailbox without a commit: the branch behind it was merged long ago.", answer=Answer.EMPTY),
    Pull(
        5,
        "Name what is missing when a machine is deployed",
        "The forge answers with its error page, and with the status of success.",
        (
            Patch(
                "Name what is missing when a machine is deployed",
                ADA,
                (
                    Replace(
                        "api/src/practice/api/DeployVirtualMachineCommand.java",
                        '"deployVirtualMachine needs " + needed',
                        '"deployVirtualMachine needs the parameter " + needed',
                    ),
                ),
            ),
        ),
        answer=Answer.HTML,
    ),
    Pull(6, "Withdrawn by its author", "There was such a pull request, but the forge does not have it any more.", answer=Answer.GONE),
    Pull(7, INDEX_ON_GUID.subject, "Changes the database: a build with only a new fourth number never runs that.", (INDEX_ON_GUID,)),
    Pull(8, TRIPLE_PROMISE.subject, "Applies and compiles; a unit test in module server fails.", (TRIPLE_PROMISE,)),
    Pull(9, PRODUCT_VERSION.subject, "Applies, but module engine/schema does not compile any more.", (PRODUCT_VERSION,)),
    Pull(10, REUSE_TEST.subject, "Adds two unit tests, which pass.", (REUSE_TEST,)),
    Pull(11, LABELS_FR.subject, "Files in Latin-1; a name and a message that need UTF-8.", (LABELS_FR,)),
    Pull(12, OWN_BRANCH.subject, "The version script leaves the branch behind our back, and with it the last patch.", (OWN_BRANCH,)),
    Pull(13, NOTHING_CHANGED.subject, "The packaging script says Done and ends with 0, but there are no packages.", (NOTHING_CHANGED,)),
    Pull(
        14,
        CHATTER.subject,
        "The build prints 200,000 lines with colours, markup, control sequences and bytes that are no text.",
        (CHATTER,),
    ),
    Pull(15, SECURITY.subject, "Made for main: 4.8 does not have the files that it changes.", (SECURITY,), base="main"),
)

BY_NUMBER = {pull.number: pull for pull in PULLS}
