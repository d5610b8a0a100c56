// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

/** Writes the version down where nothing else changes. */
public record NoopDbUpgrade(String from, String to) implements DbUpgrade {
    @Override
    public String[] upgradableRange() {
        return new String[] {from, to};
    }

    @Override
    public String upgradedVersion() {
        return to;
    }

    @Override
    public String script() {
        return "";
    }
}
