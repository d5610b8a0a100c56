// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

/** 4.7.1 allows long host names. */
public final class Upgrade470to471 implements DbUpgrade {
    @Override
    public String[] upgradableRange() {
        return new String[] {"4.7.0", "4.7.1"};
    }

    @Override
    public String upgradedVersion() {
        return "4.7.1";
    }

    @Override
    public String script() {
        return "db/schema-470to471.sql";
    }
}
