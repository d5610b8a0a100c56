// Practice Cloud: a small orchestrator to practise releases on.
package practice.pool;

import java.util.NoSuchElementException;
import java.util.TreeSet;
import practice.framework.EventBus;
import practice.utils.Cidr;

/** Hands out the addresses of a guest network, lowest first. The first address is the gateway's. */
public final class AddressPool {
    private final Cidr network;
    private final EventBus bus;
    private final TreeSet<Long> used = new TreeSet<>();

    public AddressPool(Cidr network, EventBus bus) {
        if (network.prefix() > 30) {
            throw new IllegalArgumentException("a guest network has room for a gateway and a guest");
        }
        this.network = network;
        this.bus = bus;
    }

    public String gateway() {
        return Cidr.text(network.network() + 1);
    }

    public String take() {
        long last = network.network() + network.size() - 2;
        for (long address = network.network() + 2; address <= last; address++) {
            if (used.add(address)) {
                return Cidr.text(address);
            }
        }
        bus.publish("alert", "no address is left in " + Cidr.text(network.network()) + "/" + network.prefix());
        throw new NoSuchElementException("no address is left");
    }

    public void give(String address) {
        if (!used.remove(Cidr.address(address))) {
            throw new IllegalArgumentException(address + " was not in use");
        }
    }

    public long left() {
        return network.size() - 3 - used.size();
    }
}
