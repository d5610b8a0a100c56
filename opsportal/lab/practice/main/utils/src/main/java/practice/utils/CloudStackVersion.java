// Practice Cloud: a small orchestrator to practise releases on.
package practice.utils;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A version with four numbers that all count: major, minor, patch, security. What follows a dash does not. */
public record CloudStackVersion(int major, int minor, int patch, int security) implements Comparable<CloudStackVersion> {
    private static final Pattern SHAPE = Pattern.compile("(\\d+)\\.(\\d+)\\.(\\d+)(?:\\.(\\d+))?(?:-.*)?");

    public static CloudStackVersion parse(String text) {
        Matcher matcher = SHAPE.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("not a version of three or four numbers: " + text);
        }
        int security = matcher.group(4) == null ? 0 : number(matcher, 4);
        return new CloudStackVersion(number(matcher, 1), number(matcher, 2), number(matcher, 3), security);
    }

    private static int number(Matcher matcher, int group) {
        return Integer.parseInt(matcher.group(group));
    }

    @Override
    public int compareTo(CloudStackVersion other) {
        int[] ours = {major, minor, patch, security};
        int[] theirs = {other.major, other.minor, other.patch, other.security};
        return java.util.Arrays.compare(ours, theirs);
    }

    @Override
    public String toString() {
        return major + "." + minor + "." + patch + "." + security;
    }
}
