// Practice Cloud: a small orchestrator to practise releases on.
package practice.storage;

/** Stands for a driver that may not be given away with the rest. */
public final class VendorStorage {
    public String volumeName(String machine, int disk) {
        return machine + "-" + disk;
    }
}
