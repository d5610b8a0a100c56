"""The machines of the practice cloud: simulated hosts reachable over real SSH, in which real shell commands run."""
