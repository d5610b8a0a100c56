// Practice Cloud: a small orchestrator to practise releases on.
package practice.storage;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class VendorStorageTest {
    @Test
    public void namesItsVolumes() {
        assertEquals("i-2-7-VM-0", new VendorStorage().volumeName("i-2-7-VM", 0));
    }
}
