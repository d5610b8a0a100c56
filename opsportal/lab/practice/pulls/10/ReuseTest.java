// Practice Cloud: a small orchestrator to practise releases on.
package practice.pool;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;

import org.junit.Test;
import practice.framework.EventBus;
import practice.utils.Cidr;

public class ReuseTest {
    private final AddressPool pool = new AddressPool(Cidr.parse("10.1.1.0/28"), new EventBus());

    @Test
    public void aFullPoolHasRoomAgainWhenAGuestLeaves() {
        String last = "";
        while (pool.left() > 0) {
            last = pool.take();
        }
        pool.give(last);
        assertEquals(last, pool.take());
    }

    @Test
    public void twoGuestsNeverShareAnAddress() {
        assertNotEquals(pool.take(), pool.take());
    }
}
