// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

/** Takes the database from one version to the next. */
public interface DbUpgrade {
    /** The lowest and the highest version that it can start from. */
    String[] upgradableRange();

    String upgradedVersion();

    /** Where its statements are. */
    String script();
}
