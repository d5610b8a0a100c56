// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

/** 4.20.1.0 finds machines by name quickly. */
public final class Upgrade42000to42010 implements DbUpgrade {
    @Override
    public String[] upgradableRange() {
        return new String[] {"4.20.0.0", "4.20.1.0"};
    }

    @Override
    public String upgradedVersion() {
        return "4.20.1.0";
    }

    @Override
    public String script() {
        return "META-INF/db/schema-42000to42010.sql";
    }
}
