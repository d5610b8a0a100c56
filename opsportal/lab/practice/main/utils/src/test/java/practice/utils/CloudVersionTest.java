// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public class CloudVersionTest {
    @Test
    public void allFourPartsCount() {
        assertTrue(CloudVersion.parse("4.20.1.16").compareTo(CloudVersion.parse("4.20.1.0")) > 0);
        assertEquals(CloudVersion.parse("4.20.1"), CloudVersion.parse("4.20.1.0"));
    }

    @Test
    public void brandsDoNotCount() {
        assertEquals(CloudVersion.parse("4.20.1.0"), CloudVersion.parse("4.20.1.0-acme"));
    }

    @Test
    public void refusesOtherShapes() {
        assertThrows(IllegalArgumentException.class, () -> CloudVersion.parse("4.20"));
        assertThrows(IllegalArgumentException.class, () -> CloudVersion.parse("4.20.1.0.7"));
        assertThrows(IllegalArgumentException.class, () -> CloudVersion.parse("4.20.x"));
    }
}
