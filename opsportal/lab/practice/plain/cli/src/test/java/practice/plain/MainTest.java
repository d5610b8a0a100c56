// Practice Cloud: a small orchestrator to practise releases on.
package practice.plain;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class MainTest {
    @Test
    public void addsItsArguments() {
        assertEquals("balance: 6", Main.balance("1", "2", "3"));
    }
}
