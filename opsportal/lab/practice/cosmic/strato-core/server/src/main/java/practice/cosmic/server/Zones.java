// Practice Cloud: a small orchestrator to practise releases on.
package practice.cosmic.server;

import practice.cosmic.model.Zone;
import java.util.List;

/** The zones that a controller is needed for. */
public final class Zones {
    private Zones() {
    }

    public static List<String> controlled(List<Zone> zones) {
        return zones.stream().filter(Zone::overlay).map(Zone::name).sorted().toList();
    }
}
