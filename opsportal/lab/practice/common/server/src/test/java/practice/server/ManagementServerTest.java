// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

import static org.junit.Assert.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.Test;
import practice.upgrade.DatabaseUpgradeChecker;

public class ManagementServerTest {
    @Test
    public void checksTheDatabaseBeforeItStarts() {
        List<String> told = new ArrayList<>();
        var server = new ManagementServer(new DatabaseUpgradeChecker("9.9.9.9", "9.9.9.9", told::add));
        server.bus().listen("server", told::add);
        server.start();
        assertEquals("started", told.get(told.size() - 1));
        assertEquals("DB version = 9.9.9.9 Code Version = 9.9.9.9", told.get(1));
    }
}
