// Practice Cloud: a small orchestrator to practise releases on.
package practice.plain;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class LedgerTest {
    @Test
    public void addsUp() {
        Ledger ledger = new Ledger();
        ledger.add(250);
        ledger.add(-100);
        assertEquals(150, ledger.balance());
    }
}
