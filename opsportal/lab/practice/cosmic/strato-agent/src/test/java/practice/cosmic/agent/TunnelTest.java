// Practice Cloud: a small orchestrator to practise releases on.
package practice.cosmic.agent;

import static org.junit.Assert.assertEquals;

import practice.cosmic.model.Zone;
import org.junit.Test;

public class TunnelTest {
    @Test
    public void headersTakeRoom() {
        assertEquals(50, Tunnel.overhead(new Zone("north", "VXLAN")));
        assertEquals(0, Tunnel.overhead(new Zone("west", "VLAN")));
    }
}
