// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

import java.util.List;
import java.util.Optional;

/** Chooses the host for a new machine. */
public final class HostAllocator {
    private final List<Hypervisor> hosts;

    public HostAllocator(List<Hypervisor> hosts) {
        this.hosts = List.copyOf(hosts);
    }

    /** The host to start on, or nothing when none has room. */
    public Optional<Hypervisor> choose(long memory, long cpu) {
        return hosts.stream()
            .filter(host -> host.fits(memory, cpu))
            .findFirst();
    }

    /** How many machines of this size could start now, one after the other. */
    public long room(long memory, long cpu) {
        return hosts.stream()
            .filter(host -> host.fits(memory, cpu))
            .mapToLong(host -> Math.min(host.freeMemory() / memory, host.freeCpu() / cpu))
            .sum();
    }
}
