// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import practice.utils.Version;

/** Compares the database with the code when the server starts. Only the first three parts of a version count. */
public final class DatabaseUpgradeChecker {
    private static final DbUpgrade[] LONGEST_PATH = {new Upgrade470to471(), new Upgrade471to480()};

    private final Map<String, DbUpgrade[]> _upgradeMap = new HashMap<>();
    private final String dbVersion;
    private final String codeVersion;
    private final Consumer<String> log;

    public DatabaseUpgradeChecker(String dbVersion, String codeVersion, Consumer<String> log) {
        this.dbVersion = dbVersion;
        this.codeVersion = codeVersion;
        this.log = log;
        _upgradeMap.put("4.7.0", LONGEST_PATH);
        _upgradeMap.put("4.7.1", new DbUpgrade[] {new Upgrade471to480()});
    }

    /** Every upgrade that this release knows, oldest first. */
    static List<DbUpgrade> allUpgrades() {
        return List.of(LONGEST_PATH);
    }

    /** The version of the jar that this class came from, or null when it came from a folder of classes. */
    public static String codeVersion() {
        return DatabaseUpgradeChecker.class.getPackage().getImplementationVersion();
    }

    public void check() {
        log.accept("Grabbing lock to check for database upgrade.");
        if (codeVersion == null) {
            return;
        }
        log.accept("DB version = " + dbVersion + " Code Version = " + codeVersion);
        String db = Version.trimToPatch(dbVersion);
        String code = Version.trimToPatch(codeVersion);
        int order = Version.compare(db, code);
        if (order > 0) {
            throw new IllegalStateException("Database version " + dbVersion + " is higher than management software version " + codeVersion);
        }
        if (order == 0) {
            log.accept("DB version and code version matches so no upgrade needed.");
            return;
        }
        upgrade(db, code);
    }

    private void upgrade(String db, String code) {
        log.accept("Database upgrade must be performed from " + db + " to " + code);
        DbUpgrade[] upgrades = _upgradeMap.get(db);
        if (upgrades == null) {
            throw new IllegalStateException("There is no upgrade path from " + db + " to " + code);
        }
        String end = upgrades[upgrades.length - 1].upgradedVersion();
        if (Version.compare(end, code) != 0) {
            throw new IllegalStateException("The end upgrade version is actually at " + end + " but our management server code version is at " + code);
        }
        for (DbUpgrade upgrade : upgrades) {
            log.accept("Running upgrade " + upgrade.getClass().getSimpleName() + " to upgrade to " + upgrade.upgradedVersion());
        }
    }
}
