# The first process of a test host: lays out its root file system and becomes systemd. Run at every boot by machines.py, in namespaces
# of its own. Takes NAME, ADDRESS, UNDERLAY, HOME_DIR (what lasts: upper, work, root, kept) and KEY from the environment.
set -eu
hostname "$NAME"

# A power cycle forgets addresses and links. Taps of Open vSwitch outlive their process, so they are taken away.
for link in $(ip -o link | cut -d' ' -f2 | cut -d: -f1 | cut -d@ -f1); do # /sys is still that of another network
  case $link in lo | eth[0-3]) ;; *) ip link delete "$link" 2>/dev/null || : ;; esac
done
ip link set lo up
for nic in eth0 eth1 eth2 eth3; do
  ip link show $nic >/dev/null 2>&1 || continue
  ip addr flush dev $nic
  ip link set $nic down mtu 1500
  ethtool -K $nic tx off >/dev/null # Open vSwitch in user space reads raw frames: unfinished checksums would leave
done
ip addr add "$ADDRESS/24" dev eth0
ip link set eth0 up

new=$HOME_DIR/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$HOME_DIR/upper,workdir=$HOME_DIR/work" "$new"
mount -t proc -o nosuid,nodev,noexec proc "$new/proc"
for writable in "" /net; do mount --bind "$new/proc/sys$writable" "$new/proc/sys$writable"; done
cat /proc/sys/kernel/random/uuid >"$HOME_DIR/boot_id" # else all boots of all hosts look like this machine's own
mount --bind "$HOME_DIR/boot_id" "$new/proc/sys/kernel/random/boot_id"
mount -o remount,bind,ro "$new/proc/sys" # one kernel for all: only what belongs to the network namespace may be set
mount -t sysfs -o nosuid,nodev,noexec sysfs "$new/sys"
mount --bind "$new/sys/devices/virtual/net" "$new/sys/devices/virtual/net"
mount -o remount,bind,ro "$new/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$new/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$new/dev"
mkdir "$new/dev/net" "$new/dev/pts" "$new/dev/shm"
while read -r device mode major minor; do mknod -m "$mode" "$new/dev/$device" c "$major" "$minor"; done <<NODES
null 666 1 3
zero 666 1 5
full 666 1 7
random 666 1 8
urandom 666 1 9
tty 666 5 0
net/tun 600 10 200
NODES
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$new/dev/pts"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$new/run"
for folder in dev/shm tmp; do mount -t tmpfs -o mode=1777 tmpfs "$new/$folder"; done
for folder in root home; do # not this machine's
  mkdir -p "$HOME_DIR/kept/$folder"
  mount --bind "$HOME_DIR/kept/$folder" "$new/$folder"
done

first_boot() {
  echo "$NAME" >"$new/etc/hostname"
  tr -d - </proc/sys/kernel/random/uuid >"$new/etc/machine-id"
  echo "127.0.0.1 localhost $NAME" >"$new/etc/hosts"
  : >"$new/etc/resolv.conf"
  rm -rf "$new"/etc/ssh/ssh_host_* "$new"/etc/openvswitch/* "$new"/var/lib/openvswitch/*.db "$new"/etc/keepalived/* "$new/var/lib/opsportal"
  rm -rf "$new"/etc/network/interfaces.d/* "$new"/etc/netplan/*
  ssh-keygen -q -t ed25519 -N '' -f "$new/etc/ssh/ssh_host_ed25519_key"
  echo 'PermitRootLogin yes' >"$new/etc/ssh/sshd_config.d/ground.conf"
  chroot "$new" useradd --create-home --shell /bin/bash ops
  echo 'ops ALL=(ALL) NOPASSWD: ALL' >"$new/etc/sudoers.d/ops"
  for folder in root home/ops; do
    mkdir -m 700 "$new/$folder/.ssh"
    cp "$KEY.pub" "$new/$folder/.ssh/authorized_keys"
  done
  chroot "$new" chown -R ops: /home/ops
  units=$new/etc/systemd/system
  rm -rf "$units"/*.wants "$new"/etc/rc?.d/S*
  [ ! -e "$new/etc/init.d/keepalived" ] || ln -s ../init.d/keepalived "$new/etc/rc2.d/S01keepalived" # systemctl enable looks for one
  mkdir -p "$units/multi-user.target.wants"
  for unit in ssh openvswitch-switch keepalived networking; do
    [ ! -e "$new/lib/systemd/system/$unit.service" ] || ln -s "/lib/systemd/system/$unit.service" "$units/multi-user.target.wants/"
  done
  for unit in getty.target console-getty.service systemd-networkd-wait-online.service sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount; do ln -sf /dev/null "$units/$unit"; done
  ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
  echo 'OVS_CTL_OPTS="--ovs-vswitchd-options=--disable-system"' >>"$new/etc/default/openvswitch-switch" # this kernel has no datapath
  cat >"$units/ground-underlay.service" <<UNIT
[Unit]
Description=The way out for tunnels
Requires=openvswitch-switch.service
After=openvswitch-switch.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ovs-vsctl --timeout=10 --may-exist add-br br-underlay -- set Bridge br-underlay datapath_type=netdev -- --may-exist add-port br-underlay eth3
ExecStart=ip link set eth3 up
ExecStart=ip link set br-underlay up
ExecStart=ip addr replace $UNDERLAY/24 dev br-underlay
UNIT
  ln -s "$units/ground-underlay.service" "$units/multi-user.target.wants/"
  touch "$HOME_DIR/booted-once"
}
[ -e "$HOME_DIR/booted-once" ] || first_boot

cd "$new"
mkdir -p run/old
pivot_root . run/old
cd /
umount -l /run/old
rmdir /run/old
exec env -i container=ground LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog,-mac_admin,-mac_override,-wake_alarm \
  /lib/systemd/systemd --system --show-status=no --log-target=journal
