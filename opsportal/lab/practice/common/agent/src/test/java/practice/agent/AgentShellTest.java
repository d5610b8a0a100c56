// Practice Cloud: a small orchestrator to practise releases on.
package practice.agent;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.io.IOException;
import java.io.StringReader;
import java.time.Duration;
import org.junit.Test;

public class AgentShellTest {
    private static AgentProperties properties(String text) throws IOException {
        return AgentProperties.read(new StringReader(text));
    }

    @Test
    public void readsWhereTheServerIs() throws IOException {
        assertEquals("10.10.10.5:8250", new AgentShell(properties("guid=7b1\nhost=10.10.10.5\n")).server());
    }

    @Test
    public void theGuidIsMandatory() {
        assertThrows(IllegalArgumentException.class, () -> properties("host=10.10.10.5\n"));
    }

    @Test
    public void pausesGrowUpToFiveMinutes() throws IOException {
        AgentShell shell = new AgentShell(properties("guid=7b1\n"));
        assertEquals(Duration.ofSeconds(1), shell.pause(1));
        assertEquals(Duration.ofSeconds(8), shell.pause(4));
        assertEquals(Duration.ofMinutes(5), shell.pause(40));
    }
}
