// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public class VersionTest {
    @Test
    public void threePartsCount() {
        assertEquals("4.8.0", Version.trimToPatch("4.8.0.16"));
        assertEquals("4.8.0", Version.trimToPatch("4.8.0-SNAPSHOT"));
        assertEquals("0", Version.trimToPatch("4.8"));
    }

    @Test
    public void numbersAreNotText() {
        assertTrue(Version.compare("4.10.0", "4.9.0") > 0);
        assertEquals(0, Version.compare("4.8.0", "4.8.0"));
    }
}
