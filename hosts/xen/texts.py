"""Error texts of xe, as xapi's error table has had them since XenServer 6.2: xe prints the text, never the code.

Later releases say server, pool member, supporter and coordinator where older ones said host, slave and master, so several texts stand
for one code. Source: the descriptions in xapi's data model of XenServer 6.2, 7.0, 8.2, XCP-ng 8.3 and the development branch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Texts:
    """One code: the names that its parameters are printed with, and its texts, single-spaced and without the last full stop."""

    code: str
    parameters: tuple[str, ...]
    texts: tuple[str, ...]


def _texts(code: str, parameters: str, *texts: str) -> Texts:
    return Texts(code, tuple(parameters.split(", ")) if parameters else (), texts)


TEXTS = (
    _texts("HA_IS_ENABLED", "", "The operation could not be performed because HA is enabled on the Pool"),
    _texts("HA_NOT_ENABLED", "", "The operation could not be performed because HA is not enabled on the Pool"),
    _texts("HA_ENABLE_IN_PROGRESS", "", "The operation could not be performed because HA enable is in progress"),
    _texts("HA_DISABLE_IN_PROGRESS", "", "The operation could not be performed because HA disable is in progress"),
    _texts(
        "HA_FAILED_TO_FORM_LIVESET",
        "",
        "HA could not be enabled on the Pool because a liveset could not be formed: check storage and network heartbeat paths",
    ),
    _texts(
        "HA_HOST_CANNOT_ACCESS_STATEFILE",
        "",
        "The host could not join the liveset because the HA daemon could not access the heartbeat disk",
        "The server could not join the liveset because the HA daemon could not access the heartbeat disk",
    ),
    _texts(
        "HA_HEARTBEAT_DAEMON_STARTUP_FAILED",
        "",
        "The host could not join the liveset because the HA daemon failed to start",
        "The server could not join the liveset because the HA daemon failed to start",
    ),
    _texts("HA_LOST_STATEFILE", "", "This host lost access to the HA statefile", "This server lost access to the HA statefile"),
    _texts(
        "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN",
        "",
        "This operation cannot be performed because it would invalidate VM failover planning such that the system would be unable to "
        "guarantee to restart protected VMs after a Host failure",
    ),
    _texts(
        "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED",
        "SR",
        "This operation cannot be performed because the referenced SR is not properly shared. The SR must both be marked as shared "
        "and a currently_attached PBD must exist for each host",
    ),
    _texts(
        "HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED",
        "network",
        "This operation cannot be performed because the referenced network is not properly shared. The network must either be "
        "entirely virtual or must be physically present via a currently_attached PIF on every host",
    ),
    _texts(
        "HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED",
        "",
        "This host cannot join the pool because the pool has HA enabled but this host has HA disabled",
        "This server cannot join the pool because the pool has HA enabled but this server has HA disabled",
    ),
    _texts(
        "HA_ABORT_NEW_MASTER",
        "reason",
        "This host cannot accept the proposed new master setting at this time",
        "This server cannot accept the proposed new master setting at this time",
        "This server cannot accept the proposed new coordinator setting at this time",
    ),
    _texts(
        "HA_TOO_FEW_HOSTS",
        "",
        "HA can only be enabled for 2 hosts or more. Note that 2 hosts requires a pre-configured quorum tiebreak script",
        "HA can only be enabled for 2 servers or more. Note that 2 servers requires a pre-configured quorum tiebreak script",
    ),
    _texts(
        "HA_HOST_IS_ARMED",
        "host",
        "The operation could not be performed while the host is still armed; it must be disarmed first",
        "The operation could not be performed while the server is still armed; it must be disarmed first",
    ),
    _texts(
        "HA_NOT_INSTALLED",
        "host",
        "The operation could not be performed because the HA software is not installed on this host",
        "The operation could not be performed because the HA software is not installed on this server",
    ),
    _texts(
        "HA_NO_PLAN",
        "",
        "Cannot find a plan for placement of VMs as there are no other hosts available",
        "Cannot find a plan for placement of VMs as there are no other servers available",
    ),
    _texts(
        "HA_SHOULD_BE_FENCED",
        "host",
        "Host cannot rejoin pool because it should have fenced (it is not in the master's partition)",
        "Server cannot rejoin pool because it should have fenced (it is not in the master's partition)",
        "Server cannot rejoin pool because it should have fenced (it is not in the coordinator's partition)",
    ),
    _texts(
        "HA_HOST_CANNOT_SEE_PEERS",
        "host, all, subset",
        "The operation failed because the HA software on the specified host could not see a subset of other hosts. Check your "
        "network connectivity",
        "The operation failed because the HA software on the specified server could not see a subset of other servers. Check your "
        "network connectivity",
    ),
    _texts(
        "CANNOT_CREATE_STATE_FILE",
        "",
        "An HA statefile could not be created, perhaps because no SR with the appropriate capability was found",
    ),
    _texts("INCOMPATIBLE_STATEFILE_SR", "SR type", "The specified SR is incompatible with the selected HA cluster stack"),
    _texts(
        "REQUIRED_PIF_IS_UNPLUGGED",
        "PIF",
        "The operation you requested cannot be performed because the specified PIF is currently unplugged",
    ),
    _texts("SR_HAS_NO_PBDS", "sr", "The SR has no attached PBDs"),
    _texts("SR_OPERATION_NOT_SUPPORTED", "sr", "The SR backend does not support the operation (check the SR's allowed operations)"),
    _texts(
        "SR_SOURCE_SPACE_INSUFFICIENT", "sr", "The source SR does not have sufficient temporary space available to proceed the operation"
    ),
    _texts(
        "LICENCE_RESTRICTION",
        "feature",
        "This operation is not allowed under your license. Please contact your support representative",
        "This operation is not allowed because your license lacks a needed feature. Please contact your support representative",
    ),
    _texts(
        "LICENSE_DOES_NOT_SUPPORT_XHA",
        "",
        "XHA cannot be enabled because this host's license does not allow it",
        "HA cannot be enabled because this server's license does not allow it",
    ),
    _texts("FEATURE_RESTRICTED", "", "The use of this feature is restricted"),
    _texts(
        "VM_IS_PROTECTED",
        "vm",
        "This operation cannot be performed because the specified VM is protected by xHA",
        "This operation cannot be performed because the specified VM is protected by HA",
    ),
    _texts("NOT_SUPPORTED_DURING_UPGRADE", "", "This operation is not supported during an upgrade"),
    _texts("VDI_NOT_AVAILABLE", "vdi", "This operation cannot be performed because this VDI could not be properly attached to the VM"),
    _texts("HOST_OFFLINE", "host", "You attempted an operation which involves a host which could not be contacted"),
    _texts(
        "CANNOT_CONTACT_HOST",
        "host",
        "Cannot forward messages because the host cannot be contacted. The host may be switched off or there may be network "
        "connectivity problems",
        "Cannot forward messages because the server cannot be contacted. The server may be switched off or there may be network "
        "connectivity problems",
    ),
    _texts(
        "HOST_IS_SLAVE",
        "Master IP address",
        "You cannot make regular API calls directly on a slave. Please pass API calls via the master host",
        "You cannot make regular API calls directly on a pool member. Please pass API calls via the master host",
        "You cannot make regular API calls directly on a supporter. Please pass API calls via the coordinator host",
    ),
    _texts("HOST_STILL_BOOTING", "", "The host toolstack is still initialising. Please wait"),
    _texts("HOST_DISABLED", "host", "The specified host is disabled", "The specified server is disabled"),
    _texts(
        "HOST_DISABLED_UNTIL_REBOOT",
        "host",
        "The specified host is disabled and cannot be re-enabled until after it has rebooted",
        "The specified server is disabled and cannot be re-enabled until after it has rebooted",
    ),
    _texts("HOST_DISABLED_INDEFINITELY", "host", "The specified server is disabled and can only be re-enabled manually with Host.enable"),
    _texts(
        "HOST_NOT_DISABLED",
        "",
        "This operation cannot be performed because the host is not disabled. Please disable the host and then try again",
    ),
    _texts(
        "HOST_NOT_LIVE",
        "",
        "This operation cannot be completed as the host is not live",
        "This operation cannot be completed as the server is not live",
    ),
    _texts(
        "HOST_IS_LIVE",
        "host",
        "This operation cannot be completed as the host is still live",
        "This operation cannot be completed because the server is still live",
    ),
    _texts(
        "HOST_HAS_RESIDENT_VMS",
        "host",
        "This host can not be forgotten because there are some user VMs still running",
        "This server cannot be forgotten because there are user VMs still running",
    ),
    _texts("HOST_CANNOT_DESTROY_SELF", "host", "The pool master host cannot be removed", "The pool coordinator host cannot be removed"),
    _texts(
        "HOST_NOT_ENOUGH_FREE_MEMORY",
        "needed, available",
        "Not enough host memory is available to perform this operation",
        "Not enough server memory is available to perform this operation",
    ),
    _texts(
        "HOST_EVACUATE_VM_NOT_HA_PROTECTED",
        "vm",
        "The host cannot be evacuated because HA is enabled on the pool and a VM running on it is not HA-protected (its "
        "ha_restart_priority is not set to 'restart'). Set the VM's ha_restart_priority to 'restart', shut down or suspend the VM, "
        "or disable HA on the pool before evacuating the host",
    ),
    _texts("HOST_EVACUATE_IN_PROGRESS", "host", "This host is being evacuated"),
    _texts("CANNOT_EVACUATE_HOST", "errors", "This host cannot be evacuated", "This server cannot be evacuated"),
    _texts(
        "NO_HOSTS_AVAILABLE",
        "",
        "There were no hosts available to complete the specified operation",
        "There were no servers available to complete the specified operation",
    ),
    _texts(
        "HOST_BROKEN",
        "",
        "This host failed in the middle of an automatic failover operation and needs to retry the failover action",
        "This server failed in the middle of an automatic failover operation and needs to retry the failover action",
    ),
    _texts(
        "HOST_ITS_OWN_SLAVE",
        "",
        "The host is its own slave. Please use pool-emergency-transition-to-master or pool-emergency-reset-master",
        "The host is its own pool member. Please use pool-emergency-transition-to-master or pool-emergency-reset-master",
        "The host is its own supporter. Please use pool-emergency-transition-to-master or pool-emergency-reset-master",
    ),
    _texts(
        "HOST_MASTER_CANNOT_TALK_BACK",
        "ip",
        "The master reports that it cannot talk back to the slave on the supplied management IP address",
        "The master reports that it cannot talk back to the pool member on the supplied management IP address",
        "The coordinator reports that it cannot talk back to the supporter on the supplied management IP address",
    ),
    _texts(
        "HOST_UNKNOWN_TO_MASTER",
        "host",
        "The master says the host is not known to it. Perhaps the Host was deleted from the master's database? Perhaps the slave is "
        "pointing to the wrong master?",
        "The master says the server is not known to it. Is the server in the master's database and pointing to the correct master? "
        "Are all servers using the same pool secret?",
        "The coordinator says the server is not known to it. Is the server in the coordinator's database and pointing to the correct "
        "coordinator? Are all servers using the same pool secret?",
    ),
    _texts(
        "HOST_HAS_NO_MANAGEMENT_IP",
        "",
        "The host failed to acquire an IP address on its management interface and therefore cannot contact the master",
        "The server failed to acquire an IP address on its management interface and therefore cannot contact the master",
        "The server failed to acquire an IP address on its management interface and therefore cannot contact the coordinator",
    ),
    _texts("HOST_IN_EMERGENCY_MODE", "", "Cannot perform operation as the host is running in emergency mode"),
    _texts("NOT_IN_EMERGENCY_MODE", "", "This pool is not in emergency mode"),
    _texts(
        "HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY",
        "host",
        "Operation could not be performed on the host because there is pending mandatory update guidance on it",
    ),
    _texts("JOINING_HOST_CONNECTION_FAILED", "", "There was an error connecting to the host while joining it in the pool"),
    _texts(
        "JOINING_HOST_SERVICE_FAILED",
        "",
        "There was an error connecting to the host. the service contacted didn't reply properly",
        "There was an error connecting to the server. The service contacted didn't reply properly",
    ),
    _texts(
        "JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS",
        "",
        "The host joining the pool cannot already be a master of another pool",
        "The server joining the pool cannot already be a master of another pool",
        "The server joining the pool cannot already be a coordinator of another pool",
    ),
    _texts(
        "JOINING_HOST_CANNOT_HAVE_RUNNING_VMS",
        "",
        "The host joining the pool cannot have any running VMs",
        "The server joining the pool cannot have any running VMs",
    ),
    _texts(
        "JOINING_HOST_CANNOT_HAVE_RUNNING_OR_SUSPENDED_VMS",
        "",
        "The host joining the pool cannot have any running or suspended VMs",
        "The server joining the pool cannot have any running or suspended VMs",
    ),
    _texts("JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS", "", "The host joining the pool cannot have any VMs with active tasks"),
    _texts(
        "JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS",
        "",
        "The host joining the pool cannot contain any shared storage",
        "The server joining the pool cannot contain any shared storage",
    ),
    _texts("HOSTS_NOT_COMPATIBLE", "", "The hosts in this pool are not compatible"),
    _texts("HOSTS_NOT_HOMOGENEOUS", "reason", "The hosts in this pool are not homogeneous"),
    _texts(
        "POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC",
        "",
        "The host joining the pool must have a physical management NIC (i.e. the management NIC must not be on a VLAN or bonded PIF)",
        "The server joining the pool must have a physical management NIC (i.e. the management NIC must not be on a VLAN or bonded PIF)",
    ),
    _texts(
        "POOL_JOINING_HOST_MUST_ONLY_HAVE_PHYSICAL_PIFS",
        "",
        "The host joining the pool may not have any bonds, VLANs or tunnels",
        "The host joining the pool must not have any bonds, VLANs or tunnels",
    ),
    _texts(
        "POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION",
        "",
        "The host joining the pool must have the same product version as the pool master",
        "The server joining the pool must have the same product version as the pool master",
        "The server joining the pool must have the same product version as the pool coordinator",
    ),
    _texts(
        "POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION",
        "host_api_version, master_api_version",
        "The host joining the pool must have the same API version as the pool master",
        "The host joining the pool must have the same API version as the pool coordinator",
    ),
    _texts(
        "POOL_JOINING_HOST_MUST_HAVE_SAME_DB_SCHEMA",
        "host_db_schema, master_db_schema",
        "The host joining the pool must have the same database schema as the pool master",
        "The host joining the pool must have the same database schema as the pool coordinator",
    ),
    _texts("POOL_JOINING_HOST_HAS_BONDS", "", "The host joining the pool must not have any bonds"),
    _texts("POOL_JOINING_HOST_HAS_TUNNELS", "", "The host joining the pool must not have any tunnels"),
    _texts("POOL_JOINING_HOST_HAS_NETWORK_SRIOVS", "", "The host joining the pool must not have any network SR-IOVs"),
    _texts("POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS", "", "The host joining the pool must not have any non-management vlans"),
    _texts(
        "POOL_JOINING_HOST_MANAGEMENT_VLAN_DOES_NOT_MATCH", "local, remote", "The host joining the pool must have the same management vlan"
    ),
    _texts("POOL_JOINING_EXTERNAL_AUTH_MISMATCH", "", "Cannot join pool whose external authentication configuration is different"),
    _texts(
        "POOL_JOINING_SM_FEATURES_INCOMPATIBLE",
        "pool_sm_ref, candidate_sm_ref",
        "The host joining the pool has an incompatible set of sm features from the pool coordinator. Make sure the sm are of the "
        "same versions and try again",
    ),
    _texts(
        "POOL_JOINING_HOST_CA_CERTIFICATES_CONFLICT",
        "",
        "The host joining the pool has different CA certificates from the pool coordinator while using the same name, uninstall them "
        "and try again",
    ),
    _texts(
        "LICENSE_DOES_NOT_SUPPORT_POOLING",
        "",
        "This host cannot join a pool because it's license does not support pooling",
        "This host cannot join a pool because its license does not support pooling",
        "This server cannot join a pool because its license does not support pooling",
    ),
    _texts("LICENSE_HOST_POOL_MISMATCH", "", "Host and pool have incompatible licenses (editions)"),
    _texts("OPERATION_NOT_ALLOWED", "reason", "You attempted an operation that was not allowed"),
    _texts(
        "OTHER_OPERATION_IN_PROGRESS",
        "class, object, operation_type, operation_ref",
        "Another operation involving the object is currently in progress",
    ),
    _texts("UUID_INVALID", "type, uuid", "The uuid you supplied was invalid"),
    _texts(
        "HANDLE_INVALID",
        "class, handle",
        "You gave an invalid object reference. The object may have recently been deleted. The class parameter gives the type of "
        "reference given, and the handle parameter echoes the bad value given",
    ),
    _texts("INVALID_VALUE", "field, value", "The value given is invalid"),
    _texts(
        "INTERNAL_ERROR",
        "message",
        "The server failed to handle your request, due to an internal error. The given message may give details useful for debugging "
        "the problem",
    ),
    _texts(
        "SESSION_AUTHENTICATION_FAILED",
        "",
        "The credentials given by the user are incorrect, so access has been denied, and you have not been issued a session handle",
    ),
)
