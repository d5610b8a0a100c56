"""XenServer and XCP-ng: what a pool says, what that means, and the commands that change it."""
