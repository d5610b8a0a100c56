// Practice Cloud: a small orchestrator to practise releases on.
package practice.cosmic.server;

import static org.junit.Assert.assertEquals;

import practice.cosmic.model.Zone;
import java.util.List;
import org.junit.Test;

public class ZonesTest {
    @Test
    public void onlyOverlaysNeedAController() {
        var zones = List.of(new Zone("west", "VLAN"), new Zone("north", "VXLAN"), new Zone("east", "STT"));
        assertEquals(List.of("east", "north"), Zones.controlled(zones));
    }
}
