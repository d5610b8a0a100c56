// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

/** How much of a host may be promised to machines. */
public final class CapacityPlanner {
    public static final double DEFAULT_CPU_FACTOR = 2.0;
    public static final double DEFAULT_MEMORY_FACTOR = 1.0;

    private final double cpuFactor;
    private final double memoryFactor;

    public CapacityPlanner() {
        this(DEFAULT_CPU_FACTOR, DEFAULT_MEMORY_FACTOR);
    }

    public CapacityPlanner(double cpuFactor, double memoryFactor) {
        if (cpuFactor < 1 || memoryFactor < 1) {
            throw new IllegalArgumentException("an overcommit factor is 1 or more");
        }
        this.cpuFactor = cpuFactor;
        this.memoryFactor = memoryFactor;
    }

    public long cpu(long physical) {
        return (long) (physical * cpuFactor);
    }

    public long memory(long physical) {
        return (long) (physical * memoryFactor);
    }
}
