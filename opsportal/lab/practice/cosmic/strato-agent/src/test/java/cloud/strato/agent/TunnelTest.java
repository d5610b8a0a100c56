// Practice Cloud: a small orchestrator to practise releases on.
package cloud.strato.agent;

import static org.junit.Assert.assertEquals;

import cloud.strato.model.Zone;
import org.junit.Test;

public class TunnelTest {
    @Test
    public void headersTakeRoom() {
        assertEquals(50, Tunnel.overhead(new Zone("north", "VXLAN")));
        assertEquals(0, Tunnel.overhead(new Zone("west", "VLAN")));
    }
}
