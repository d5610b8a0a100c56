// Practice Cloud: a small orchestrator to practise releases on.
package practice.upgrade;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import practice.utils.CloudStackVersion;

/** The versions that a database may be at, each with the upgrade that leaves it. */
public final class DatabaseVersionHierarchy {
    private final TreeMap<CloudStackVersion, DbUpgrade> nodes = new TreeMap<>();

    public static Builder builder() {
        return new Builder();
    }

    /** The upgrades from one version to another. A version that is no node starts at the nearest lower one. */
    public List<DbUpgrade> path(CloudStackVersion from, CloudStackVersion to) {
        CloudStackVersion start = nodes.floorKey(from);
        if (start == null) {
            throw new IllegalStateException("There is no upgrade path from " + from + " to " + to);
        }
        List<DbUpgrade> path = new ArrayList<>(nodes.subMap(start, true, to, false).values());
        if (path.isEmpty() || !CloudStackVersion.parse(path.get(path.size() - 1).upgradedVersion()).equals(to)) {
            path.add(new NoopDbUpgrade(from.toString(), to.toString()));
        }
        return path;
    }

    /** Collects the nodes, oldest first. */
    public static final class Builder {
        private final DatabaseVersionHierarchy hierarchy = new DatabaseVersionHierarchy();

        public Builder next(String version, DbUpgrade upgrade) {
            hierarchy.nodes.put(CloudStackVersion.parse(version), upgrade);
            return this;
        }

        public DatabaseVersionHierarchy build() {
            return hierarchy;
        }
    }
}
