// Practice Cloud: a small orchestrator to practise releases on.
package practice.api;

import java.util.Map;

/** One call of the API: its name and what it needs. */
public interface ApiCommand {
    String name();

    /** Throws IllegalArgumentException with the parameter's name when one is missing or wrong. */
    void check(Map<String, String> parameters);
}
