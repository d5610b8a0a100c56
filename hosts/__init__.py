"""The inventory: clouds, pools, hosts, the keys that are pinned for them and the credentials that open them."""
