// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

import java.util.function.Consumer;
import practice.utils.CloudStackVersion;

/** Compares the database with the code when the server starts. All four parts of a version count. */
public final class DatabaseUpgradeChecker {
    private final DatabaseVersionHierarchy hierarchy;
    private final String dbVersion;
    private final String codeVersion;
    private final Consumer<String> log;

    public DatabaseUpgradeChecker(String dbVersion, String codeVersion, Consumer<String> log) {
        this.dbVersion = dbVersion;
        this.codeVersion = codeVersion;
        this.log = log;
        hierarchy = DatabaseVersionHierarchy.builder()
            .next("4.19.0.0", new Upgrade41900to42000())
            .next("4.20.0.0", new Upgrade42000to42010())
            .build();
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
        CloudStackVersion db = CloudStackVersion.parse(dbVersion);
        CloudStackVersion code = CloudStackVersion.parse(codeVersion);
        log.accept("DB version = " + db + " Code Version = " + code);
        int order = db.compareTo(code);
        if (order > 0) {
            throw new IllegalStateException("Database version " + db + " is higher than management software version " + code);
        }
        if (order == 0) {
            log.accept("DB version and code version matches so no upgrade needed.");
            return;
        }
        log.accept("Database upgrade must be performed from " + db + " to " + code);
        for (DbUpgrade upgrade : hierarchy.path(db, code)) {
            log.accept("Running upgrade " + upgrade.getClass().getSimpleName() + " to upgrade to " + upgrade.upgradedVersion());
        }
    }
}
