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

    private List<String> steps() {
        return log.stream().filter(line -> line.startsWith("Running upgrade")).map(line -> line.split(" ")[2]).toList();
    }

    @Test
    public void brandsAreNotShown() {
        check("4.20.1.0", "4.20.1.0-acme");
        assertEquals("DB version = 4.20.1.0 Code Version = 4.20.1.0", log.get(1));
        assertTrue(steps().isEmpty());
    }

    @Test
    public void theFourthPartIsWrittenDown() {
        check("4.20.0.0", "4.20.1.16");
        assertEquals(List.of("Upgrade42000to42010", "NoopDbUpgrade"), steps());
    }

    @Test
    public void anUnknownVersionRepeatsTheLastUpgrade() {
        check("4.20.1.0", "4.20.1.16");
        assertEquals(List.of("Upgrade42000to42010", "NoopDbUpgrade"), steps());
    }

    @Test
    public void aNewerDatabaseIsRefused() {
        assertThrows(IllegalStateException.class, () -> check("4.20.1.16", "4.20.1.1"));
    }

    @Test
    public void tooOldToUpgrade() {
        assertThrows(IllegalStateException.class, () -> check("4.11.0.0", "4.20.1.0"));
    }
}
