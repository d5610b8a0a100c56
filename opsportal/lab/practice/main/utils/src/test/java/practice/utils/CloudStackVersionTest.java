// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public class CloudStackVersionTest {
    @Test
    public void allFourPartsCount() {
        assertTrue(CloudStackVersion.parse("4.20.1.16").compareTo(CloudStackVersion.parse("4.20.1.0")) > 0);
        assertEquals(CloudStackVersion.parse("4.20.1"), CloudStackVersion.parse("4.20.1.0"));
    }

    @Test
    public void brandsDoNotCount() {
        assertEquals(CloudStackVersion.parse("4.20.1.0"), CloudStackVersion.parse("4.20.1.0-acme"));
    }

    @Test
    public void refusesOtherShapes() {
        assertThrows(IllegalArgumentException.class, () -> CloudStackVersion.parse("4.20"));
        assertThrows(IllegalArgumentException.class, () -> CloudStackVersion.parse("4.20.1.0.7"));
        assertThrows(IllegalArgumentException.class, () -> CloudStackVersion.parse("4.20.x"));
    }
}
