// Practice Cloud: a small orchestrator to practise releases on.
package practice.api;

import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Map;
import org.junit.Test;

public class CommandsTest {
    @Test
    public void listsHostsOfACluster() {
        new ListHostsCommand().check(Map.of("clusterid", "3"));
    }

    @Test
    public void unknownParametersAreNamed() {
        var error = assertThrows(IllegalArgumentException.class, () -> new ListHostsCommand().check(Map.of("colour", "red")));
        assertTrue(error.getMessage().contains("colour"));
    }

    @Test
    public void deployingNeedsATemplate() {
        var parameters = Map.of("zoneid", "1", "serviceofferingid", "2");
        var error = assertThrows(IllegalArgumentException.class, () -> new DeployVirtualMachineCommand().check(parameters));
        assertTrue(error.getMessage().contains("templateid"));
    }
}
