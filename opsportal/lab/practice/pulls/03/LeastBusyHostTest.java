// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

import static org.junit.Assert.assertEquals;

import java.util.List;
import org.junit.Test;

public class LeastBusyHostTest {
    @Test
    public void theHostWithTheMostFreeProcessorWins() {
        var busy = new Hypervisor("kvm1", 64, 2000, false);
        var idle = new Hypervisor("kvm2", 32, 9000, false);
        assertEquals("kvm2", new HostAllocator(List.of(busy, idle)).choose(8, 1000).orElseThrow().name());
    }
}
