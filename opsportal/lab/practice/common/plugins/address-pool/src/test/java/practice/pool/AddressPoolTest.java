// Practice Cloud: a small orchestrator to practise releases on.
package practice.pool;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import org.junit.Test;
import practice.framework.EventBus;
import practice.utils.Cidr;

public class AddressPoolTest {
    private static AddressPool pool(String cidr) {
        return new AddressPool(Cidr.parse(cidr), new EventBus());
    }

    @Test
    public void lowestAddressFirst() {
        AddressPool pool = pool("10.1.1.0/24");
        assertEquals("10.1.1.2", pool.take());
        assertEquals("10.1.1.3", pool.take());
    }

    @Test
    public void whatWasGivenBackIsTakenAgain() {
        AddressPool pool = pool("10.1.1.0/24");
        String first = pool.take();
        pool.take();
        pool.give(first);
        assertEquals(first, pool.take());
    }

    @Test
    public void tellsWhenNothingIsLeft() {
        EventBus bus = new EventBus();
        List<String> alerts = new ArrayList<>();
        bus.listen("alert", alerts::add);
        AddressPool pool = new AddressPool(Cidr.parse("10.1.1.0/30"), bus);
        pool.take();
        assertThrows(NoSuchElementException.class, pool::take);
        assertEquals(List.of("no address is left in 10.1.1.0/30"), alerts);
    }

    @Test
    public void onlyUsedAddressesComeBack() {
        assertThrows(IllegalArgumentException.class, () -> pool("10.1.1.0/24").give("10.1.1.9"));
    }

    @Test
    public void tooSmallForAGuest() {
        assertThrows(IllegalArgumentException.class, () -> pool("10.1.1.0/31"));
    }
}
