"""The errors of xapi: the names of their parameters, and what `xe` prints for them in each version.

From ocaml/idl/datamodel_errors.ml of xen-api and its forerunners. A text holds from the version it stands at up to the next; before the
first, the version knows no text for the code. XenServer 6.5 has the texts of 6.2.
"""

from __future__ import annotations

from opsportal.lab.xen.xe_errors_join import JOINING
from opsportal.lab.xen.xe_errors_known import Known

ERRORS: dict[str, Known] = JOINING | {
    "HA_IS_ENABLED": Known((), {"6.2": "The operation could not be performed because HA is enabled on the Pool"}),
    "HA_NOT_ENABLED": Known((), {"6.2": "The operation could not be performed because HA is not enabled on the Pool"}),
    "HA_ENABLE_IN_PROGRESS": Known((), {"7.0": "The operation could not be performed because HA enable is in progress"}),
    "HA_DISABLE_IN_PROGRESS": Known((), {"7.0": "The operation could not be performed because HA disable is in progress"}),
    "HA_FAILED_TO_FORM_LIVESET": Known(
        (),
        {"6.2": ("HA could not be enabled on the Pool because a liveset could not be formed: check storage and network heartbeat paths.")},
    ),
    "HA_HOST_CANNOT_ACCESS_STATEFILE": Known(
        (),
        {
            "6.2": "The host could not join the liveset because the HA daemon could not access the heartbeat disk.",
            "8.2": "The server could not join the liveset because the HA daemon could not access the heartbeat disk.",
        },
    ),
    "HA_HEARTBEAT_DAEMON_STARTUP_FAILED": Known(
        (),
        {
            "6.2": "The host could not join the liveset because the HA daemon failed to start.",
            "8.2": "The server could not join the liveset because the HA daemon failed to start.",
        },
    ),
    "HA_LOST_STATEFILE": Known(
        (), {"6.2": "This host lost access to the HA statefile.", "8.2": "This server lost access to the HA statefile."}
    ),
    "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN": Known(
        (),
        {
            "6.2": (
                "This operation cannot be performed because it would invalidate VM failover planning such that the "
                "system would be unable to guarantee to restart protected VMs after a Host failure."
            )
        },
    ),
    "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED": Known(
        ("SR",),
        {
            "6.2": (
                "This operation cannot be performed because the referenced SR is not properly shared. The SR must "
                "both be marked as shared and a currently_attached PBD must exist for each host."
            )
        },
    ),
    "HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED": Known(
        ("network",),
        {
            "6.2": (
                "This operation cannot be performed because the referenced network is not properly shared. The "
                "network must either be entirely virtual or must be physically present via a currently_attached PIF "
                "on every host."
            )
        },
    ),
    "HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED": Known(
        (),
        {
            "6.2": "This host cannot join the pool because the pool has HA enabled but this host has HA disabled.",
            "8.2": "This server cannot join the pool because the pool has HA enabled but this server has HA disabled.",
        },
    ),
    "HA_ABORT_NEW_MASTER": Known(
        ("reason",),
        {
            "6.2": "This host cannot accept the proposed new master setting at this time.",
            "8.2": "This server cannot accept the proposed new master setting at this time.",
            "8.3": "This server cannot accept the proposed new coordinator setting at this time.",
        },
    ),
    "HA_TOO_FEW_HOSTS": Known(
        (),
        {
            "6.2": ("HA can only be enabled for 2 hosts or more. Note that 2 hosts requires a pre-configured quorum tiebreak script."),
            "8.2": ("HA can only be enabled for 2 servers or more. Note that 2 servers requires a pre-configured quorum tiebreak script."),
        },
    ),
    "HA_HOST_IS_ARMED": Known(
        ("host",),
        {
            "6.2": "The operation could not be performed while the host is still armed; it must be disarmed first",
            "8.2": "The operation could not be performed while the server is still armed; it must be disarmed first.",
        },
    ),
    "HA_NOT_INSTALLED": Known(
        ("host",),
        {
            "6.2": "The operation could not be performed because the HA software is not installed on this host.",
            "8.2": "The operation could not be performed because the HA software is not installed on this server.",
        },
    ),
    "HA_NO_PLAN": Known(
        (),
        {
            "6.2": "Cannot find a plan for placement of VMs as there are no other hosts available.",
            "8.2": "Cannot find a plan for placement of VMs as there are no other servers available.",
        },
    ),
    "HA_SHOULD_BE_FENCED": Known(
        ("host",),
        {
            "6.2": "Host cannot rejoin pool because it should have fenced (it is not in the master's partition)",
            "8.2": "Server cannot rejoin pool because it should have fenced (it is not in the master's partition).",
            "8.3": "Server cannot rejoin pool because it should have fenced (it is not in the coordinator's partition).",
        },
    ),
    "HA_HOST_CANNOT_SEE_PEERS": Known(
        (
            "host",
            "all",
            "subset",
        ),
        {
            "6.2": (
                "The operation failed because the HA software on the specified host could not see a subset of other "
                "hosts. Check your network connectivity."
            ),
            "8.2": (
                "The operation failed because the HA software on the specified server could not see a subset of other"
                " servers. Check your network connectivity."
            ),
        },
    ),
    "CANNOT_CREATE_STATE_FILE": Known(
        (), {"6.2": ("An HA statefile could not be created, perhaps because no SR with the appropriate capability was found.")}
    ),
    "INCOMPATIBLE_STATEFILE_SR": Known(("SR type",), {"7.0": "The specified SR is incompatible with the selected HA cluster stack."}),
    "REQUIRED_PIF_IS_UNPLUGGED": Known(
        ("PIF",), {"8.2": "The operation you requested cannot be performed because the specified PIF is currently unplugged."}
    ),
    "SR_HAS_NO_PBDS": Known(("sr",), {"6.2": "The SR has no attached PBDs"}),
    "SR_OPERATION_NOT_SUPPORTED": Known(
        ("sr",), {"6.2": "The SR backend does not support the operation (check the SR's allowed operations)"}
    ),
    "SR_SOURCE_SPACE_INSUFFICIENT": Known(
        ("sr",), {"8.2": "The source SR does not have sufficient temporary space available to proceed the operation."}
    ),
    "FEATURE_RESTRICTED": Known((), {"6.2": "The use of this feature is restricted."}),
    "VM_IS_PROTECTED": Known(
        ("vm",),
        {
            "6.2": "This operation cannot be performed because the specified VM is protected by xHA",
            "8.2": "This operation cannot be performed because the specified VM is protected by HA",
        },
    ),
    "NOT_SUPPORTED_DURING_UPGRADE": Known((), {"6.2": "This operation is not supported during an upgrade."}),
    "VDI_NOT_AVAILABLE": Known(
        ("vdi",), {"6.2": "This operation cannot be performed because this VDI could not be properly attached to the VM."}
    ),
    "HOST_OFFLINE": Known(("host",), {"6.2": "You attempted an operation which involves a host which could not be contacted."}),
    "CANNOT_CONTACT_HOST": Known(
        ("host",),
        {
            "6.2": (
                "Cannot forward messages because the host cannot be contacted.  The host may be switched off or there"
                " may be network connectivity problems."
            ),
            "8.2": (
                "Cannot forward messages because the server cannot be contacted. The server may be switched off or "
                "there may be network connectivity problems."
            ),
        },
    ),
    "HOST_IS_SLAVE": Known(
        ("Master IP address",),
        {
            "6.2": "You cannot make regular API calls directly on a slave. Please pass API calls via the master host.",
            "8.2": ("You cannot make regular API calls directly on a pool member. Please pass API calls via the master host."),
            "8.3": ("You cannot make regular API calls directly on a supporter. Please pass API calls via the coordinator host."),
        },
    ),
    "HOST_STILL_BOOTING": Known((), {"6.2": "The host toolstack is still initialising. Please wait."}),
    "HOST_DISABLED": Known(("host",), {"6.2": "The specified host is disabled.", "8.2": "The specified server is disabled."}),
    "HOST_DISABLED_UNTIL_REBOOT": Known(
        ("host",),
        {
            "6.2": "The specified host is disabled and cannot be re-enabled until after it has rebooted.",
            "8.2": "The specified server is disabled and cannot be re-enabled until after it has rebooted.",
        },
    ),
    "HOST_DISABLED_INDEFINITELY": Known(
        ("host",), {"8.3": "The specified server is disabled and can only be re-enabled manually with Host.enable."}
    ),
    "HOST_NOT_DISABLED": Known(
        (), {"6.2": ("This operation cannot be performed because the host is not disabled. Please disable the host and then try again.")}
    ),
    "HOST_NOT_LIVE": Known(
        (),
        {
            "6.2": "This operation cannot be completed as the host is not live.",
            "8.2": "This operation cannot be completed as the server is not live.",
        },
    ),
    "HOST_IS_LIVE": Known(
        ("host",),
        {
            "6.2": "This operation cannot be completed as the host is still live.",
            "8.2": "This operation cannot be completed because the server is still live.",
        },
    ),
    "HOST_HAS_RESIDENT_VMS": Known(
        ("host",),
        {
            "6.2": "This host can not be forgotten because there are some user VMs still running",
            "8.2": "This server cannot be forgotten because there are user VMs still running.",
        },
    ),
    "HOST_CANNOT_DESTROY_SELF": Known(
        ("host",), {"6.2": "The pool master host cannot be removed.", "8.3": "The pool coordinator host cannot be removed."}
    ),
    "HOST_NOT_ENOUGH_FREE_MEMORY": Known(
        (
            "needed",
            "available",
        ),
        {
            "6.2": "Not enough host memory is available to perform this operation",
            "8.2": "Not enough server memory is available to perform this operation.",
        },
    ),
    "HOST_EVACUATE_VM_NOT_HA_PROTECTED": Known(
        ("vm",),
        {
            "8.3": (
                "The host cannot be evacuated because HA is enabled on the pool and a VM running on it is not HA-"
                "protected (its ha_restart_priority is not set to 'restart'). Set the VM's ha_restart_priority to "
                "'restart', shut down or suspend the VM, or disable HA on the pool before evacuating the host."
            )
        },
    ),
    "HOST_EVACUATE_IN_PROGRESS": Known(("host",), {"6.2": "This host is being evacuated."}),
    "CANNOT_EVACUATE_HOST": Known(("errors",), {"6.2": "This host cannot be evacuated.", "8.2": "This server cannot be evacuated."}),
    "NO_HOSTS_AVAILABLE": Known(
        (),
        {
            "6.2": "There were no hosts available to complete the specified operation.",
            "8.2": "There were no servers available to complete the specified operation.",
        },
    ),
    "HOST_BROKEN": Known(
        (),
        {
            "6.2": ("This host failed in the middle of an automatic failover operation and needs to retry the failover action"),
            "8.2": ("This server failed in the middle of an automatic failover operation and needs to retry the failover action."),
        },
    ),
    "HOST_IN_EMERGENCY_MODE": Known((), {"6.2": "Cannot perform operation as the host is running in emergency mode."}),
    "NOT_IN_EMERGENCY_MODE": Known((), {"6.2": "This pool is not in emergency mode."}),
    "HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY": Known(
        ("host",), {"8.3": ("Operation could not be performed on the host because there is pending mandatory update guidance on it.")}
    ),
    "OPERATION_NOT_ALLOWED": Known(("reason",), {"6.2": "You attempted an operation that was not allowed."}),
    "OTHER_OPERATION_IN_PROGRESS": Known(
        (
            "class",
            "object",
            "operation_type",
            "operation_ref",
        ),
        {"6.2": "Another operation involving the object is currently in progress"},
    ),
    "UUID_INVALID": Known(
        (
            "type",
            "uuid",
        ),
        {"6.2": "The uuid you supplied was invalid."},
    ),
    "HANDLE_INVALID": Known(
        (
            "class",
            "handle",
        ),
        {
            "6.2": (
                "You gave an invalid object reference.  The object may have recently been deleted.  The class "
                "parameter gives the type of reference given, and the handle parameter echoes the bad value given."
            ),
            "8.2": (
                "You gave an invalid object reference. The object may have recently been deleted. The class parameter"
                " gives the type of reference given, and the handle parameter echoes the bad value given."
            ),
        },
    ),
    "INVALID_VALUE": Known(
        (
            "field",
            "value",
        ),
        {"6.2": "The value given is invalid"},
    ),
    "INTERNAL_ERROR": Known(
        ("message",),
        {
            "6.2": (
                "The server failed to handle your request, due to an internal error.  The given message may give "
                "details useful for debugging the problem."
            ),
            "8.2": (
                "The server failed to handle your request, due to an internal error. The given message may give "
                "details useful for debugging the problem."
            ),
        },
    ),
    "SESSION_AUTHENTICATION_FAILED": Known(
        (),
        {
            "6.2": (
                "The credentials given by the user are incorrect, so access has been denied, and you have not been issued a session handle."
            )
        },
    ),
    "VM_BAD_POWER_STATE": Known(
        ("vm", "expected", "actual"),
        {
            "6.2": (
                "You attempted an operation on a VM that was not in an appropriate power state at the time; for example, "
                "you attempted to start a VM that was already running.  The parameters returned are the VM's handle, and "
                "the expected and actual VM state at the time of the call."
            ),
            "8.2": (
                "You attempted an operation on a VM that was not in an appropriate power state at the time; for example, "
                "you attempted to start a VM that was already running. The parameters returned are the VM's handle, and "
                "the expected and actual VM state at the time of the call."
            ),
        },
    ),
    "VM_REQUIRES_SR": Known(
        ("vm", "SR"),
        {
            "6.2": (
                "You attempted to run a VM on a host which doesn't have access to an SR needed by the VM. "
                "The VM has at least one VBD attached to a VDI in the SR."
            )
        },
    ),
}
