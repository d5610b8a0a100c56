// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class ByteSizeTest {
    @Test
    public void plainNumbersAreBytes() {
        assertEquals(512, ByteSize.parse("512"));
    }

    @Test
    public void lettersMultiply() {
        assertEquals(2048, ByteSize.parse("2K"));
        assertEquals(3L << 30, ByteSize.parse("3G"));
    }
}
