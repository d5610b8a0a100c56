// Practice Cloud: a small orchestrator to practise releases on.
package practice.cosmic.model;

/** A zone and how its guest traffic is kept apart. */
public record Zone(String name, String isolation) {
    public boolean overlay() {
        return isolation.equals("STT") || isolation.equals("VXLAN");
    }
}
