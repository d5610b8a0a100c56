// Practice Cloud: a small orchestrator to practise releases on.
package practice.framework;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Tells those who asked about a topic what happened, in the order in which they asked. */
public final class EventBus {
    private final Map<String, List<Consumer<String>>> listeners = new HashMap<>();

    public void listen(String topic, Consumer<String> listener) {
        listeners.computeIfAbsent(topic, unused -> new ArrayList<>()).add(listener);
    }

    /** How many were told. */
    public int publish(String topic, String event) {
        List<Consumer<String>> told = listeners.getOrDefault(topic, List.of());
        told.forEach(listener -> listener.accept(event));
        return told.size();
    }
}
