// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

/** 4.20.0.0 knows the architecture of a host. */
public final class Upgrade41900to42000 implements DbUpgrade {
    @Override
    public String[] upgradableRange() {
        return new String[] {"4.19.0.0", "4.20.0.0"};
    }

    @Override
    public String upgradedVersion() {
        return "4.20.0.0";
    }

    @Override
    public String script() {
        return "META-INF/db/schema-41900to42000.sql";
    }
}
