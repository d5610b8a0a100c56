// Practice Cloud: a small orchestrator to practise releases on.
package practice.plain;

/** Adds the amounts given as arguments and prints the balance. */
public final class Main {
    private Main() {
    }

    public static String balance(String... amounts) {
        Ledger ledger = new Ledger();
        for (String amount : amounts) {
            ledger.add(Long.parseLong(amount));
        }
        return "balance: " + ledger.balance();
    }

    public static void main(String[] arguments) {
        System.out.println(balance(arguments));
    }
}
