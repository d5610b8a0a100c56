// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

/** An IPv4 network such as 10.1.0.0/16. */
public record Cidr(long network, int prefix) {

    public static Cidr parse(String text) {
        String[] parts = text.split("/");
        if (parts.length != 2) {
            throw new IllegalArgumentException("not a network: " + text);
        }
        int prefix = Integer.parseInt(parts[1]);
        if (prefix < 0 || prefix > 32) {
            throw new IllegalArgumentException("not a prefix length: " + prefix);
        }
        return new Cidr(address(parts[0]) & mask(prefix), prefix);
    }

    public static long address(String text) {
        String[] parts = text.split("\\.");
        if (parts.length != 4) {
            throw new IllegalArgumentException("not an address: " + text);
        }
        long value = 0;
        for (String part : parts) {
            int octet = Integer.parseInt(part);
            if (octet < 0 || octet > 255) {
                throw new IllegalArgumentException("not an address: " + text);
            }
            value = value << 8 | octet;
        }
        return value;
    }

    public static String text(long address) {
        return (address >> 24 & 255) + "." + (address >> 16 & 255) + "." + (address >> 8 & 255) + "." + (address & 255);
    }

    public boolean contains(String address) {
        return (address(address) & mask(prefix)) == network;
    }

    /** How many addresses it has, network and broadcast included. */
    public long size() {
        return 1L << 32 - prefix;
    }

    private static long mask(int prefix) {
        return prefix == 0 ? 0 : 0xffffffffL << 32 - prefix & 0xffffffffL;
    }
}
