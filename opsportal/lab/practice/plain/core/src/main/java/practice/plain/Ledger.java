// Practice Cloud: a small orchestrator to practise releases on.
package practice.plain;

import java.util.ArrayList;
import java.util.List;

/** Amounts that were written down, in cents. */
public final class Ledger {
    private final List<Long> entries = new ArrayList<>();

    public void add(long cents) {
        entries.add(cents);
    }

    public long balance() {
        return entries.stream().mapToLong(Long::longValue).sum();
    }
}
