// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

import practice.framework.EventBus;
import practice.upgrade.DatabaseUpgradeChecker;

/** Starts the orchestrator: the database first, then everything else. */
public final class ManagementServer {
    private final DatabaseUpgradeChecker checker;
    private final EventBus bus = new EventBus();

    public ManagementServer(DatabaseUpgradeChecker checker) {
        this.checker = checker;
    }

    public EventBus bus() {
        return bus;
    }

    public void start() {
        checker.check();
        bus.publish("server", "started");
    }

    /** Argument: the version that the database is at. */
    public static void main(String[] arguments) {
        var checker = new DatabaseUpgradeChecker(arguments[0], DatabaseUpgradeChecker.codeVersion(), System.out::println);
        new ManagementServer(checker).start();
    }
}
