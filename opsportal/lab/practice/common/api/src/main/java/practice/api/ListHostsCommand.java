// Practice Cloud: a small orchestrator to practise releases on.
package practice.api;

import java.util.Map;
import java.util.Set;

/** listHosts: which hosts there are. */
public final class ListHostsCommand implements ApiCommand {
    private static final Set<String> KNOWN = Set.of("zoneid", "podid", "clusterid", "state");

    @Override
    public String name() {
        return "listHosts";
    }

    @Override
    public void check(Map<String, String> parameters) {
        for (String parameter : parameters.keySet()) {
            if (!KNOWN.contains(parameter)) {
                throw new IllegalArgumentException("listHosts knows no parameter " + parameter);
            }
        }
    }
}
