// Practice Cloud: a small orchestrator to practise releases on.
package practice.api;

import java.util.List;
import java.util.Map;

/** deployVirtualMachine: start a new machine. */
public final class DeployVirtualMachineCommand implements ApiCommand {
    private static final List<String> NEEDED = List.of("zoneid", "templateid", "serviceofferingid");

    @Override
    public String name() {
        return "deployVirtualMachine";
    }

    @Override
    public void check(Map<String, String> parameters) {
        for (String needed : NEEDED) {
            if (parameters.getOrDefault(needed, "").isBlank()) {
                throw new IllegalArgumentException("deployVirtualMachine needs " + needed);
            }
        }
    }
}
