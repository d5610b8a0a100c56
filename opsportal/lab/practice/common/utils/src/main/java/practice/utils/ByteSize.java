// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

/** Sizes that people write, such as 512M. */
public final class ByteSize {
    private ByteSize() {
    }

    public static long parse(String text) {
        long factor = switch (text.charAt(text.length() - 1)) {
            case 'K' -> 1L << 10;
            case 'M' -> 1L << 20;
            case 'G' -> 1L << 30;
            default -> 1L;
        };
        String digits = factor == 1 ? text : text.substring(0, text.length() - 1);
        return Long.parseLong(digits) * factor;
    }
}
