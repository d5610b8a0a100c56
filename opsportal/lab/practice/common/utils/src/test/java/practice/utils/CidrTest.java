// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public class CidrTest {
    @Test
    public void hostBitsAreDropped() {
        assertEquals(Cidr.parse("10.1.0.0/16"), Cidr.parse("10.1.2.3/16"));
    }

    @Test
    public void knowsItsAddresses() {
        Cidr guest = Cidr.parse("192.168.4.0/22");
        assertTrue(guest.contains("192.168.7.255"));
        assertFalse(guest.contains("192.168.8.0"));
        assertEquals(1024, guest.size());
    }

    @Test
    public void everythingIsAnAddress() {
        assertTrue(Cidr.parse("0.0.0.0/0").contains("203.0.113.9"));
    }

    @Test
    public void refusesNonsense() {
        assertThrows(IllegalArgumentException.class, () -> Cidr.parse("10.1.0.0"));
        assertThrows(IllegalArgumentException.class, () -> Cidr.parse("10.1.0.256/24"));
        assertThrows(IllegalArgumentException.class, () -> Cidr.parse("10.1.0.0/33"));
    }
}
