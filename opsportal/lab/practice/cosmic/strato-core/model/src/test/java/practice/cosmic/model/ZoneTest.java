// Practice Cloud: a small orchestrator to practise releases on.
package practice.cosmic.model;

import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public class ZoneTest {
    @Test
    public void tunnelsAreOverlays() {
        assertTrue(new Zone("east", "STT").overlay());
        assertFalse(new Zone("west", "VLAN").overlay());
    }
}
