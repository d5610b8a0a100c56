"""The errors of joining a pool, of licences, and of a host that starts: the other half of `xe_errors`."""

from __future__ import annotations

from opsportal.lab.xen.xe_errors_known import Known

JOINING: dict[str, Known] = {
    "LICENCE_RESTRICTION": Known(
        ("feature",),
        {
            "6.2": "This operation is not allowed under your license.  Please contact your support representative.",
            "7.0": (
                "This operation is not allowed because your license lacks a needed feature.  Please contact your support representative."
            ),
            "8.2": (
                "This operation is not allowed because your license lacks a needed feature. Please contact your support representative."
            ),
        },
    ),
    "LICENSE_DOES_NOT_SUPPORT_XHA": Known(
        (),
        {
            "6.2": "XHA cannot be enabled because this host's license does not allow it",
            "7.0": "XHA cannot be enabled because this host's license does not allow it.",
            "8.2": "HA cannot be enabled because this server's license does not allow it.",
        },
    ),
    "HOST_ITS_OWN_SLAVE": Known(
        (),
        {
            "6.2": ("The host is its own slave. Please use pool-emergency-transition-to-master or pool-emergency-reset-master."),
            "8.2": ("The host is its own pool member. Please use pool-emergency-transition-to-master or pool-emergency-reset-master."),
            "8.3": ("The host is its own supporter. Please use pool-emergency-transition-to-master or pool-emergency-reset-master."),
        },
    ),
    "HOST_MASTER_CANNOT_TALK_BACK": Known(
        ("ip",),
        {
            "6.2": "The master reports that it cannot talk back to the slave on the supplied management IP address.",
            "8.2": ("The master reports that it cannot talk back to the pool member on the supplied management IP address."),
            "8.3": ("The coordinator reports that it cannot talk back to the supporter on the supplied management IP address."),
        },
    ),
    "HOST_UNKNOWN_TO_MASTER": Known(
        ("host",),
        {
            "6.2": (
                "The master says the host is not known to it. Perhaps the Host was deleted from the master's "
                "database? Perhaps the slave is pointing to the wrong master?"
            ),
            "8.2": (
                "The master says the server is not known to it. Is the server in the master's database and pointing "
                "to the correct master? Are all servers using the same pool secret?"
            ),
            "8.3": (
                "The coordinator says the server is not known to it. Is the server in the coordinator's database and "
                "pointing to the correct coordinator? Are all servers using the same pool secret?"
            ),
        },
    ),
    "HOST_HAS_NO_MANAGEMENT_IP": Known(
        (),
        {
            "6.2": ("The host failed to acquire an IP address on its management interface and therefore cannot contact the master."),
            "8.2": ("The server failed to acquire an IP address on its management interface and therefore cannot contact the master."),
            "8.3": ("The server failed to acquire an IP address on its management interface and therefore cannot contact the coordinator."),
        },
    ),
    "JOINING_HOST_CONNECTION_FAILED": Known((), {"6.2": "There was an error connecting to the host while joining it in the pool."}),
    "JOINING_HOST_SERVICE_FAILED": Known(
        (),
        {
            "6.2": "There was an error connecting to the host. the service contacted didn't reply properly.",
            "8.2": "There was an error connecting to the server. The service contacted didn't reply properly.",
        },
    ),
    "JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS": Known(
        (),
        {
            "6.2": "The host joining the pool cannot already be a master of another pool.",
            "8.2": "The server joining the pool cannot already be a master of another pool.",
            "8.3": "The server joining the pool cannot already be a coordinator of another pool.",
        },
    ),
    "JOINING_HOST_CANNOT_HAVE_RUNNING_VMS": Known(
        (),
        {
            "6.2": "The host joining the pool cannot have any running VMs.",
            "8.2": "The server joining the pool cannot have any running VMs.",
        },
    ),
    "JOINING_HOST_CANNOT_HAVE_RUNNING_OR_SUSPENDED_VMS": Known(
        (),
        {
            "6.2": "The host joining the pool cannot have any running or suspended VMs.",
            "8.2": "The server joining the pool cannot have any running or suspended VMs.",
        },
    ),
    "JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS": Known(
        (), {"6.2": "The host joining the pool cannot have any VMs with active tasks."}
    ),
    "JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS": Known(
        (),
        {
            "6.2": "The host joining the pool cannot contain any shared storage.",
            "8.2": "The server joining the pool cannot contain any shared storage.",
        },
    ),
    "HOSTS_NOT_COMPATIBLE": Known((), {"6.2": "The hosts in this pool are not compatible."}),
    "HOSTS_NOT_HOMOGENEOUS": Known(("reason",), {"6.2": "The hosts in this pool are not homogeneous."}),
    "POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC": Known(
        (),
        {
            "6.2": (
                "The host joining the pool must have a physical management NIC (i.e. the management NIC must not be "
                "on a VLAN or bonded PIF)."
            ),
            "8.2": (
                "The server joining the pool must have a physical management NIC (i.e. the management NIC must not be"
                " on a VLAN or bonded PIF)."
            ),
        },
    ),
    "POOL_JOINING_HOST_MUST_ONLY_HAVE_PHYSICAL_PIFS": Known(
        (),
        {
            "7.0": "The host joining the pool may not have any bonds, VLANs or tunnels.",
            "8.2": "The host joining the pool must not have any bonds, VLANs or tunnels.",
        },
    ),
    "POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION": Known(
        (),
        {
            "6.2": "The host joining the pool must have the same product version as the pool master.",
            "8.2": "The server joining the pool must have the same product version as the pool master.",
            "8.3": "The server joining the pool must have the same product version as the pool coordinator.",
        },
    ),
    "POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION": Known(
        (
            "host_api_version",
            "master_api_version",
        ),
        {
            "8.2": "The host joining the pool must have the same API version as the pool master.",
            "8.3": "The host joining the pool must have the same API version as the pool coordinator.",
        },
    ),
    "POOL_JOINING_HOST_MUST_HAVE_SAME_DB_SCHEMA": Known(
        (
            "host_db_schema",
            "master_db_schema",
        ),
        {
            "8.2": "The host joining the pool must have the same database schema as the pool master.",
            "8.3": "The host joining the pool must have the same database schema as the pool coordinator.",
        },
    ),
    "POOL_JOINING_HOST_HAS_BONDS": Known((), {"8.2": "The host joining the pool must not have any bonds."}),
    "POOL_JOINING_HOST_HAS_TUNNELS": Known((), {"8.2": "The host joining the pool must not have any tunnels."}),
    "POOL_JOINING_HOST_HAS_NETWORK_SRIOVS": Known((), {"8.2": "The host joining the pool must not have any network SR-IOVs."}),
    "POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS": Known((), {"8.2": "The host joining the pool must not have any non-management vlans."}),
    "POOL_JOINING_HOST_MANAGEMENT_VLAN_DOES_NOT_MATCH": Known(
        (
            "local",
            "remote",
        ),
        {"8.2": "The host joining the pool must have the same management vlan."},
    ),
    "POOL_JOINING_EXTERNAL_AUTH_MISMATCH": Known((), {"6.2": "Cannot join pool whose external authentication configuration is different."}),
    "POOL_JOINING_SM_FEATURES_INCOMPATIBLE": Known(
        (
            "pool_sm_ref",
            "candidate_sm_ref",
        ),
        {
            "8.3": (
                "The host joining the pool has an incompatible set of sm features from the pool coordinator. Make "
                "sure the sm are of the same versions and try again."
            )
        },
    ),
    "POOL_JOINING_HOST_CA_CERTIFICATES_CONFLICT": Known(
        (),
        {
            "8.3": (
                "The host joining the pool has different CA certificates from the pool coordinator while using the "
                "same name, uninstall them and try again."
            )
        },
    ),
    "LICENSE_DOES_NOT_SUPPORT_POOLING": Known(
        (),
        {
            "6.2": "This host cannot join a pool because it's license does not support pooling",
            "7.0": "This host cannot join a pool because its license does not support pooling.",
            "8.2": "This server cannot join a pool because its license does not support pooling.",
        },
    ),
    "LICENSE_HOST_POOL_MISMATCH": Known((), {"7.0": "Host and pool have incompatible licenses (editions)."}),
}
