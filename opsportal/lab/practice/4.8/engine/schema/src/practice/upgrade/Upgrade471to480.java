// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

/** 4.8.0 remembers for each host when it was last seen. */
public final class Upgrade471to480 implements DbUpgrade {
    @Override
    public String[] upgradableRange() {
        return new String[] {"4.7.1", "4.8.0"};
    }

    @Override
    public String upgradedVersion() {
        return "4.8.0";
    }

    @Override
    public String script() {
        return "db/schema-471to480.sql";
    }
}
