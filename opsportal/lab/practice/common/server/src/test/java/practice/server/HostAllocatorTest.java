// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.util.List;
import org.junit.Test;

public class HostAllocatorTest {
    private static final long GIB = 1L << 30;

    private static Hypervisor host(String name, long gib, long mhz) {
        return new Hypervisor(name, gib * GIB, mhz, false);
    }

    @Test
    public void passesOverFullHosts() {
        var allocator = new HostAllocator(List.of(host("kvm1", 1, 9000), host("kvm2", 8, 9000)));
        assertEquals("kvm2", allocator.choose(4 * GIB, 1000).orElseThrow().name());
    }

    @Test
    public void passesOverHostsInMaintenance() {
        var resting = new Hypervisor("kvm1", 64 * GIB, 9000, true);
        var allocator = new HostAllocator(List.of(resting, host("kvm2", 8, 9000)));
        assertEquals("kvm2", allocator.choose(GIB, 1000).orElseThrow().name());
    }

    @Test
    public void nowhereToGo() {
        assertTrue(new HostAllocator(List.of(host("kvm1", 1, 500))).choose(GIB, 1000).isEmpty());
    }

    @Test
    public void countsTheRoomLeft() {
        var allocator = new HostAllocator(List.of(host("kvm1", 8, 3000), host("kvm2", 4, 9000)));
        assertEquals(7, allocator.room(GIB, 1000));
    }
}
