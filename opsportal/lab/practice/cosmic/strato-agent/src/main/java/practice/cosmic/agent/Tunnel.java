// Practice Cloud: a small orchestrator to practise releases on.
package practice.cosmic.agent;

import practice.cosmic.model.Zone;

/** The room that a tunnel's headers take from every packet, in bytes. */
public final class Tunnel {
    private Tunnel() {
    }

    public static int overhead(Zone zone) {
        return switch (zone.isolation()) {
            case "STT" -> 76;
            case "VXLAN" -> 50;
            default -> 0;
        };
    }
}
