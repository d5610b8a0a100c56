"""What each error of xe means for an operator, and what to do. Codes are xapi's; those in small letters are the xe client's own."""

from __future__ import annotations

MEANINGS: dict[str, tuple[str, str]] = {
    # Pool HA
    "HA_IS_ENABLED": (
        "Pool HA is on, and this cannot be done while it is.",
        "Turn pool HA off first, do this, and turn it on again with the same SR and timeout. On a join either side may have it on.",
    ),
    "HA_NOT_ENABLED": ("Pool HA is off already.", "Read the pool again: somebody may have turned it off."),
    "HA_ENABLE_IN_PROGRESS": ("Pool HA is being turned on at this moment.", "Wait until that is done, then read the pool again."),
    "HA_DISABLE_IN_PROGRESS": (
        "Pool HA is being turned off at this moment.",
        "Wait. xapi tries again every 30 s while a host cannot be disarmed: look which member does not answer.",
    ),
    "HA_FAILED_TO_FORM_LIVESET": (
        "The hosts did not find each other over network and statefile in time.",
        "Check the management network (UDP 694) between all hosts and the heartbeat SR on each of them. xapi has cleaned up by itself.",
    ),
    "HA_HOST_CANNOT_ACCESS_STATEFILE": (
        "A host cannot read or write the heartbeat disk.",
        "Check that the heartbeat SR is plugged on every host and that the storage answers.",
    ),
    "HA_HEARTBEAT_DAEMON_STARTUP_FAILED": (
        "The HA daemon did not start on a host.",
        "Look into /var/log/xha.log on each host. Duplicate host uuids are a known cause.",
    ),
    "HA_LOST_STATEFILE": (
        "The host has lost the heartbeat disk.",
        "Bring the storage back, or turn pool HA off, before it is rebooted or shut down.",
    ),
    "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN": (
        "With this host or memory gone, xapi could not restart the protected virtual machines.",
        "Turn pool HA off for the work, or take protection off virtual machines: CloudStack restarts its own.",
    ),
    "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED": (
        "A protected virtual machine needs an SR that is not plugged on every host.",
        "Plug the SR on all hosts, or take protection off the virtual machine.",
    ),
    "HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED": (
        "A protected virtual machine needs a network that is not plugged on every host.",
        "Plug the interface on all hosts, or take protection off the virtual machine.",
    ),
    "HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED": (
        "The pool says that HA is on, but this host is not armed.",
        "Turn pool HA off and on again at the pool master; the host then joins in.",
    ),
    "HA_ABORT_NEW_MASTER": (
        "Another new master was proposed within the last ten minutes.",
        "Wait ten minutes, read the pool again, and only then decide.",
    ),
    "HA_TOO_FEW_HOSTS": ("The pool has too few hosts for HA.", "Add hosts: pool HA makes sense from three live hosts on."),
    "HA_HOST_IS_ARMED": ("The host is still armed: the HA daemon may fence it.", "Turn pool HA off and look that no host is armed."),
    "HA_NOT_INSTALLED": ("The HA software is missing on a host.", "Compare the versions and packages of the hosts."),
    "HA_NO_PLAN": ("There is no other host for the virtual machines.", "Bring another host back, or turn pool HA off."),
    "HA_SHOULD_BE_FENCED": (
        "The host is outside the part of the pool that survived.",
        "Reboot it. Do not force it into the pool while it still runs virtual machines.",
    ),
    "HA_HOST_CANNOT_SEE_PEERS": ("A host does not see all others.", "Check the management network between the hosts that are named."),
    "CANNOT_CREATE_STATE_FILE": (
        "No SR can hold the heartbeat disk.",
        "Choose a shared SR (NFS, iSCSI or FC) that is plugged on every host and has room, and name it.",
    ),
    "INCOMPATIBLE_STATEFILE_SR": ("HA cannot keep its heartbeat disk on an SR of this type.", "Choose an NFS, iSCSI or FC SR."),
    "REQUIRED_PIF_IS_UNPLUGGED": (
        "A network interface that must stay plugged is not.",
        "Plug it (xe pif-plug) or find out why its link is down, on the host that it belongs to.",
    ),
    "SR_HAS_NO_PBDS": ("The SR is not plugged on every host.", "Plug its PBD on each host, then try again."),
    "SR_OPERATION_NOT_SUPPORTED": ("The SR's driver cannot do this.", "For pool HA choose an NFS, iSCSI or FC SR."),
    "SR_SOURCE_SPACE_INSUFFICIENT": ("The SR has too little room.", "Pool HA needs about 4 GiB there. Make room or choose another SR."),
    "LICENCE_RESTRICTION": (
        "The licence of the pool does not have this feature.",
        "Look at xe pool-param-get param-name=restrictions; for pool HA it has to say enable_xha: true.",
    ),
    "LICENSE_DOES_NOT_SUPPORT_XHA": ("The licence does not have HA.", "License every host of the pool alike, or upgrade."),
    "FEATURE_RESTRICTED": ("The edition does not have this feature.", "Look at the licences of the pool's hosts."),
    "VM_IS_PROTECTED": ("The virtual machine is protected by HA.", "Take the protection off first: empty its ha-restart-priority."),
    "NOT_SUPPORTED_DURING_UPGRADE": (
        "The hosts run different versions, or updates are being applied.",
        "Finish the rolling upgrade on every host first.",
    ),
    "VDI_NOT_AVAILABLE": ("A disk could not be attached.", "Check the storage on the host; look into /var/log/SMlog there."),
    # Hosts
    "HOST_OFFLINE": (
        "xapi counts this host as dead.",
        "Bring the host back. If it is gone for good, forget it. Without HA a host counts as dead 600 s after its last sign of life.",
    ),
    "CANNOT_CONTACT_HOST": (
        "The pool master cannot reach this host, although it does not count as dead yet.",
        "Look at the host and its network. Do not turn pool HA on now: that would not return until the host is back.",
    ),
    "HOST_IS_SLAVE": ("This host is no pool master.", "Ask the master at the address that is named, or use xe in dom0 as root."),
    "HOST_STILL_BOOTING": ("xapi has not finished starting.", "Wait a minute and try again."),
    "HOST_DISABLED": ("The host is disabled: no virtual machine may start there.", "Enable it with xe host-enable once it is well."),
    "HOST_DISABLED_UNTIL_REBOOT": (
        "A reboot or shutdown of this host was begun and did not end.",
        "Reboot the host; it cannot be enabled before that.",
    ),
    "HOST_DISABLED_INDEFINITELY": ("Somebody disabled this host for good.", "Ask who, then enable it by hand with xe host-enable."),
    "HOST_NOT_DISABLED": ("A host must be disabled before it is rebooted or shut down.", "Run xe host-disable first."),
    "HOST_NOT_LIVE": ("The host counts as dead.", "Bring it back first."),
    "HOST_IS_LIVE": ("The host is alive, so it cannot be forgotten.", "Eject it instead, or switch it off first."),
    "HOST_HAS_RESIDENT_VMS": (
        "The pool still has virtual machines on record for this host.",
        "Make sure that it is switched off, then run xe host-declare-dead or xe vm-reset-powerstate for each.",
    ),
    "HOST_CANNOT_DESTROY_SELF": ("This host is the pool master.", "Give the pool another master first."),
    "HOST_NOT_ENOUGH_FREE_MEMORY": (
        "The other hosts have too little memory.",
        "Free memory on them, or move virtual machines one by one.",
    ),
    "HOST_EVACUATE_VM_NOT_HA_PROTECTED": (
        "Pool HA is on, and a virtual machine on this host is not protected by it, as is right under CloudStack.",
        "Turn pool HA off for the work on this host, and on again afterwards.",
    ),
    "HOST_EVACUATE_IN_PROGRESS": ("The host is being emptied already.", "Wait until that is done."),
    "CANNOT_EVACUATE_HOST": ("A virtual machine cannot leave this host.", "Ask xe host-get-vms-which-prevent-evacuation which, and why."),
    "NO_HOSTS_AVAILABLE": (
        "No other enabled host can take the virtual machine.",
        "Enable another host of the same or a newer version.",
    ),
    "HOST_BROKEN": ("The host failed in the middle of a failover.", "It tries again by itself. Watch it, and reboot it if it stays so."),
    "HOST_ITS_OWN_SLAVE": (
        "The host's pool.conf names the host itself as its master.",
        "Decide who is the master, then use pool-emergency-transition-to-master or pool-emergency-reset-master.",
    ),
    "HOST_MASTER_CANNOT_TALK_BACK": (
        "The pool master cannot reach this host at the address it gives.",
        "Check the management network and its addresses in both directions.",
    ),
    "HOST_UNKNOWN_TO_MASTER": (
        "The pool master does not know this host, or they have different pool secrets.",
        "Look which pool it should be in and whom its pool.conf names. It may have been ejected or forgotten while it was away.",
    ),
    "HOST_HAS_NO_MANAGEMENT_IP": ("The management interface has no address.", "Mend the network from the console (xsconsole)."),
    "HOST_IN_EMERGENCY_MODE": ("The host runs without its pool master.", "Bring the master back, or recover the pool."),
    "NOT_IN_EMERGENCY_MODE": ("The pool is not in emergency mode.", "Read the pool again."),
    "HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY": (
        "An update asks for something before this host may work again.",
        "Look at the host's pending-guidances: usually it has to be rebooted.",
    ),
    # Joining
    "JOINING_HOST_CONNECTION_FAILED": ("The host could not reach the pool master.", "Check the address and TCP port 443 from the host."),
    "JOINING_HOST_SERVICE_FAILED": ("What answers at this address is no XenServer.", "Check the address of the pool master."),
    "JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS": (
        "The host leads a pool of its own with other members.",
        "Eject it from there first, or add its members one by one.",
    ),
    "JOINING_HOST_CANNOT_HAVE_RUNNING_VMS": ("The host has running virtual machines.", "Shut them down before it joins."),
    "JOINING_HOST_CANNOT_HAVE_RUNNING_OR_SUSPENDED_VMS": (
        "The host has running or suspended virtual machines.",
        "Shut them down before it joins.",
    ),
    "JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS": ("Work on a virtual machine of the host goes on.", "Wait until it is done."),
    "JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS": ("The host has a shared SR.", "Detach and forget it; the pool brings its own."),
    "HOSTS_NOT_COMPATIBLE": ("Version or brand differ from the pool's.", "Install the pool's version on the host."),
    "HOSTS_NOT_HOMOGENEOUS": (
        "The host differs from the pool's hosts in software, patches or processors.",
        "Bring it to the pool's patches. Different processors need a pool of their own, or a forced join with care.",
    ),
    "POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC": (
        "Management runs over a VLAN or a bond on this host.",
        "Put it on a plain interface; after the join the pool makes the bond again.",
    ),
    "POOL_JOINING_HOST_MUST_ONLY_HAVE_PHYSICAL_PIFS": ("The host has bonds, VLANs or tunnels.", "Remove them; the pool brings its own."),
    "POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION": ("The versions differ.", "Install the pool's version on the host."),
    "POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION": ("The API versions differ.", "Bring both to the same updates."),
    "POOL_JOINING_HOST_MUST_HAVE_SAME_DB_SCHEMA": ("The database versions differ.", "Bring both to the same updates."),
    "POOL_JOINING_HOST_HAS_BONDS": ("The host has bonds.", "Remove them; the pool brings its own."),
    "POOL_JOINING_HOST_HAS_TUNNELS": ("The host has tunnels.", "Remove them; the pool brings its own."),
    "POOL_JOINING_HOST_HAS_NETWORK_SRIOVS": ("The host has SR-IOV networks.", "Remove them first."),
    "POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS": ("The host has VLANs besides management.", "Remove them; the pool brings its own."),
    "POOL_JOINING_HOST_MANAGEMENT_VLAN_DOES_NOT_MATCH": ("The management VLANs differ.", "Give the host the pool's management VLAN."),
    "POOL_JOINING_EXTERNAL_AUTH_MISMATCH": ("Login through a directory differs.", "Set the host up like the pool, or not at all."),
    "POOL_JOINING_SM_FEATURES_INCOMPATIBLE": ("The storage drivers differ.", "Bring both to the same updates."),
    "POOL_JOINING_HOST_CA_CERTIFICATES_CONFLICT": ("Certificates of one name differ.", "Uninstall them on the host first."),
    "LICENSE_DOES_NOT_SUPPORT_POOLING": ("The licence does not allow pools.", "License the host like the pool."),
    "LICENSE_HOST_POOL_MISMATCH": ("The licence editions differ.", "License the host like the pool."),
    # General
    "OPERATION_NOT_ALLOWED": ("xapi refuses this as things are.", "The reason that it names says what has to change."),
    "OTHER_OPERATION_IN_PROGRESS": ("Something else works on the same object.", "Wait until that is done, then read again."),
    "UUID_INVALID": ("There is nothing with this uuid in the pool any more.", "Read the pool again."),
    "HANDLE_INVALID": ("Something disappeared while xapi worked on it.", "Read the pool again."),
    "INVALID_VALUE": ("xapi does not accept this value.", "Correct the value that it names."),
    "INTERNAL_ERROR": ("xapi failed inside.", "Look into /var/log/xensource.log on the pool master; the message it gives is a hint."),
    "SESSION_AUTHENTICATION_FAILED": ("The user name or the password is wrong.", "Correct the credential."),
    "DESIGNATE_NEW_MASTER_IN_PROGRESS": ("A change of the pool master goes on.", "Wait until every member names the new master."),
    "VM_REQUIRES_SR": ("A virtual machine needs an SR that no other host has.", "Shut it down, or plug the SR elsewhere."),
    "VM_REQUIRES_NETWORK": ("A virtual machine needs a network that no other host has.", "Shut it down, or plug the network elsewhere."),
    # The xe client, and failures that end with exit code 0
    "connection-refused": (
        "xapi does not run on this host, or is just restarting.",
        "Wait a minute. If it stays so, look at service xapi on the host; with pool HA on, do not restart the toolstack.",
    ),
    "lost-connection": (
        "xapi went away while it worked: it restarts, for instance after a change of the master. Whether it happened is not known.",
        "Read the pool again; nothing is sent a second time.",
    ),
    "unreachable": ("xe could not reach the server.", "Check that xapi runs and that the address is right."),
    "authentication": ("The user name or the password was refused.", "Correct the password of root on the pool master."),
    "no-password": ("xe was given no password.", "Give user and password, or run it as root in dom0."),
    "unknown-command": (
        "This version of xe does not know the command.",
        "Published texts have wrong names, such as pool-enable-ha for pool-ha-enable.",
    ),
    "missing-argument": ("An argument is missing.", "The plan is not right for this version of xe."),
    "no-match": ("No host or virtual machine matches.", "Read the pool again: it may have left."),
    "ambiguous": ("Several match, so nothing was done.", "Name it by its uuid: names can occur twice."),
    "read-only": ("This field cannot be set.", "The plan is not right for this version of xe."),
    "unknown-field": ("This version of xe does not know the field.", "The plan is not right for this version of xe."),
    "no-key": ("The field does not have this key.", "Older versions do not have every key."),
    "needs-key": ("The field is a list of keys and values.", "Name the key too."),
    "needs-force": ("xe wants --force for this.", "It is dangerous: read what it does before you force it."),
    "cli": ("xe did not accept the command.", "What it says tells why."),
    "aborted": ("xe asked for a yes and did not get it, so nothing was done, although its exit code is 0.", "Use --force."),
    "no-destination": (
        "The host could not reach the pool master, so nothing was done, although the exit code is 0.",
        "Check the master's address, that xapi runs there, and TCP port 443 from the host.",
    ),
    "already-master": (
        "The host is the pool master already, so nothing was done, although the exit code is 0.",
        "Read the pool again. Do not force it before you know who the others follow.",
    ),
    # What an internal error or a reason says more exactly
    "eject-master": (
        "The pool master, or the only host of a pool, cannot be ejected.",
        "Give the pool another master, wait until every member names it, then eject the old one.",
    ),
    "ha-timeout-low": ("The HA timeout is below 10 s.", "Choose at least 10 s; 180 s is usual under CloudStack."),
    "ha-timeout-number": ("The HA timeout is no number.", "Give whole seconds."),
    "duplicate-uuid": (
        "Two records of the pool's database have the same uuid.",
        "One of the two machines is a clone: make it unique before it touches this pool again.",
    ),
    "master-unreachable": (
        "The host cannot connect to its pool master.",
        "Look at the master. If it is dead and pool HA is off, recover the pool; with HA on the others elect a new one by themselves.",
    ),
    "vms-resident": ("Virtual machines are still on this host.", "Move or stop every one of them first."),
    "clone-of-master": (
        "The host has the same uuid as the pool's master: it is a clone of it.",
        "Make the host unique first.",
    ),
    "already-in-pool": (
        "The host is a member of a pool already, or a clone of one whose database it still has.",
        "Look at its pool.conf; eject it from there, or make it unique.",
    ),
    "backends-differ": (
        "One side uses Linux bridges, the other Open vSwitch.",
        "Switch the host's network backend (xe-switch-network-backend) and reboot it.",
    ),
    "unprotected-vm": (
        "Pool HA is on, and a virtual machine on this host is not protected by it, as is right under CloudStack. It is not the memory.",
        "Turn pool HA off for the work on this host, and on again afterwards.",
    ),
}

EMERGENCY = frozenset(
    {
        "HOST_STILL_BOOTING", "HOST_HAS_NO_MANAGEMENT_IP", "HOST_UNKNOWN_TO_MASTER", "HOST_MASTER_CANNOT_TALK_BACK", "HOST_ITS_OWN_SLAVE",
        "HOST_BROKEN", "HOST_IN_EMERGENCY_MODE", "HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED", "HA_SHOULD_BE_FENCED", "HA_LOST_STATEFILE",
        "HA_HOST_CANNOT_ACCESS_STATEFILE", "HA_HEARTBEAT_DAEMON_STARTUP_FAILED", "HA_ABORT_NEW_MASTER", "master-unreachable",
    }
)  # fmt: skip
"""What a host answers to everything after its xapi restarted and found no way into its pool (xapi source, xapi.ml)."""
