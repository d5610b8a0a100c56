// Practice Cloud: a small orchestrator to practise releases on.
package practice.pool;

import static org.junit.Assert.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;
import org.junit.runners.Parameterized.Parameters;
import practice.framework.EventBus;
import practice.utils.Cidr;

/** Every size of network that an operator may configure, from /16 to /30. */
@RunWith(Parameterized.class)
public class NetworkSizesTest {
    private final AddressPool pool;
    private final int prefix;

    public NetworkSizesTest(int prefix) {
        this.prefix = prefix;
        this.pool = new AddressPool(Cidr.parse("172.16.0.0/" + prefix), new EventBus());
    }

    @Parameters(name = "/{0}")
    public static List<Integer> prefixes() {
        List<Integer> prefixes = new ArrayList<>();
        for (int prefix = 16; prefix <= 30; prefix++) {
            prefixes.add(prefix);
        }
        return prefixes;
    }

    @Test
    public void gatewayIsTheFirstAddress() {
        assertEquals("172.16.0.1", pool.gateway());
    }

    @Test
    public void networkGatewayAndBroadcastAreNotHandedOut() {
        assertEquals((1L << 32 - prefix) - 3, pool.left());
    }

    @Test
    public void takingOneLeavesOneLess() {
        long before = pool.left();
        pool.take();
        assertEquals(before - 1, pool.left());
    }
}
