// Practice Cloud: a small orchestrator to practise releases on.
package practice.server;

/** A host as the allocator sees it. Sizes in bytes, CPU in MHz. */
public record Hypervisor(String name, long freeMemory, long freeCpu, boolean maintenance) {

    public boolean fits(long memory, long cpu) {
        return !maintenance && freeMemory >= memory && freeCpu >= cpu;
    }
}
