// Practice Cloud: a small orchestrator to practise releases on.
package practice.framework;

import static org.junit.Assert.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.Test;

public class EventBusTest {
    @Test
    public void tellsListenersInOrder() {
        EventBus bus = new EventBus();
        List<String> heard = new ArrayList<>();
        bus.listen("host", event -> heard.add("first " + event));
        bus.listen("host", event -> heard.add("second " + event));
        assertEquals(2, bus.publish("host", "up"));
        assertEquals(List.of("first up", "second up"), heard);
    }

    @Test
    public void nobodyListens() {
        assertEquals(0, new EventBus().publish("storage", "full"));
    }
}
