// Practice Cloud: a small orchestrator to practise releases on.
package practice.agent;

import java.time.Duration;

/** When the agent tries to reach its management server again. */
public final class AgentShell {
    private static final Duration LONGEST = Duration.ofMinutes(5);

    private final AgentProperties properties;

    public AgentShell(AgentProperties properties) {
        this.properties = properties;
    }

    public String server() {
        return properties.host() + ":" + properties.port();
    }

    /** The pause before attempt number `attempt` (from 1): it doubles, up to five minutes. */
    public Duration pause(int attempt) {
        Duration pause = Duration.ofSeconds(1L << Math.min(attempt, 10) - 1);
        return pause.compareTo(LONGEST) > 0 ? LONGEST : pause;
    }
}
