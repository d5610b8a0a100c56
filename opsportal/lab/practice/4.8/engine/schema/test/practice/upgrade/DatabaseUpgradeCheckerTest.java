// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.Test;

public class DatabaseUpgradeCheckerTest {
    private final List<String> log = new ArrayList<>();

    private void check(String db, String code) {
        new DatabaseUpgradeChecker(db, code, log::add).check();
    }

    private String last() {
        return log.get(log.size() - 1);
    }

    @Test
    public void anOwnBuildNeedsNoUpgrade() {
        check("4.8.0", "4.8.0.16");
        assertEquals("DB version = 4.8.0 Code Version = 4.8.0.16", log.get(1));
        assertEquals("DB version and code version matches so no upgrade needed.", last());
    }

    @Test
    public void anOlderDatabaseIsUpgraded() {
        check("4.7.1", "4.8.0");
        assertTrue(last().startsWith("Running upgrade Upgrade471to480"));
    }

    @Test
    public void aNewerDatabaseIsRefused() {
        var error = assertThrows(IllegalStateException.class, () -> check("4.9.0", "4.8.0"));
        assertTrue(error.getMessage().contains("is higher than"));
    }

    @Test
    public void theThirdPartMustBeTheEndOfThePath() {
        var error = assertThrows(IllegalStateException.class, () -> check("4.7.1", "4.8.1"));
        assertTrue(error.getMessage().contains("is actually at 4.8.0"));
    }

    @Test
    public void thereIsNoWayFromTheStoneAge() {
        assertThrows(IllegalStateException.class, () -> check("4.2.0", "4.8.0"));
    }

    @Test
    public void classesWithoutAManifestAreNotChecked() {
        check("4.2.0", null);
        assertEquals(1, log.size());
    }
}
