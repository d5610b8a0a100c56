// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import org.junit.Test;

public class CapacityPlannerTest {
    @Test
    public void processorsArePromisedTwice() {
        assertEquals(32000, new CapacityPlanner().cpu(16000));
    }

    @Test
    public void memoryIsPromisedOnce() {
        assertEquals(64, new CapacityPlanner().memory(64));
    }

    @Test
    public void lessThanThereIsMakesNoSense() {
        assertThrows(IllegalArgumentException.class, () -> new CapacityPlanner(0.5, 1));
    }
}
