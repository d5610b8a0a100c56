// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

import static org.junit.Assert.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.Test;

public class ScriptsTest {
    @Test
    public void everyUpgradeHasItsStatements() {
        for (DbUpgrade upgrade : DatabaseUpgradeChecker.allUpgrades()) {
            Path script = Path.of("../../setup/db").resolve(upgrade.script());
            assertTrue(script + " is missing", Files.isRegularFile(script));
        }
    }
}
