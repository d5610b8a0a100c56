// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

/** Versions as this release compares them: three numbers, whatever else is written behind. */
public final class Version {
    private Version() {
    }

    /** 4.8.0.16 and 4.8.0-SNAPSHOT are 4.8.0; what has fewer than three parts is 0. */
    public static String trimToPatch(String version) {
        String[] parts = version.split("-", 2)[0].split("\\.");
        return parts.length < 3 ? "0" : String.join(".", parts[0], parts[1], parts[2]);
    }

    public static int compare(String one, String other) {
        String[] ones = one.split("\\.");
        String[] others = other.split("\\.");
        for (int i = 0; i < Math.min(ones.length, others.length); i++) {
            int order = Integer.compare(Integer.parseInt(ones[i]), Integer.parseInt(others[i]));
            if (order != 0) {
                return order;
            }
        }
        return Integer.compare(ones.length, others.length);
    }
}
