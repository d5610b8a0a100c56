// Practice Cloud: a small orchestrator to practise releases on.
package practice.agent;

import java.io.IOException;
import java.io.Reader;
import java.util.Properties;

/** agent.properties: what the agent of a KVM host must know. */
public record AgentProperties(String host, int port, int workers, String guid) {

    public static AgentProperties read(Reader file) throws IOException {
        Properties values = new Properties();
        values.load(file);
        String guid = values.getProperty("guid", "").strip();
        if (guid.isEmpty()) {
            throw new IllegalArgumentException("agent.properties has no guid");
        }
        return new AgentProperties(values.getProperty("host", "localhost"), number(values, "port", 8250), number(values, "workers", 5), guid);
    }

    private static int number(Properties values, String name, int otherwise) {
        return Integer.parseInt(values.getProperty(name, Integer.toString(otherwise)).strip());
    }
}
