#!/bin/sh
# Makes a copy of the XenServer template unique at its first boot, then removes itself. Put here by opsportal.
#
# Nothing is done on the template itself: it is known by the MAC address of its management interface.
# Every part may be repeated, so a power cut in the middle only means that the next boot goes on.
#
#   /opt/opsportal/first-boot.conf   TEMPLATE_UUID, TEMPLATE_MAC, DEVICE
#   /opt/opsportal/address.conf      optional, put into each copy by whoever makes it: IP, NETMASK, GATEWAY, DNS.
#                                    Without it the copy asks a DHCP server.
here=/opt/opsportal
stage=$here/stage
service=opsportal-first-boot
inventory=/etc/xensource-inventory
pem=/etc/xensource/xapi-ssl.pem
PATH=$PATH:/opt/xensource/bin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

exec >>/var/log/opsportal-first-boot.log 2>&1
say() { echo "$(date '+%Y-%m-%d %H:%M:%S') $*"; }
stop() { say "stopped: $*"; exit 1; }
fresh_uuid() { cat /proc/sys/kernel/random/uuid; }
host_uuid() { sed -n "s/^INSTALLATION_UUID='\(.*\)'/\1/p" "$inventory"; }

answers() { # xapi names this host and nobody else
  left=600
  until [ "$(xe host-list params=uuid --minimal 2>/dev/null)" = "$(host_uuid)" ]; do
    [ $left -gt 0 ] || return 1
    sleep 3
    left=$((left - 3))
  done
}

leave() { # nothing is left to do here
  say "$*"
  chkconfig "$service" off
  chkconfig --del "$service"
  rm -rf "$here" "/etc/init.d/$service"
}

new_identity() {
  say "new UUIDs instead of $TEMPLATE_UUID"
  service xapi stop
  if [ "$(host_uuid)" = "$TEMPLATE_UUID" ]; then
    sed -e "s/^INSTALLATION_UUID=.*/INSTALLATION_UUID='$(fresh_uuid)'/" \
      -e "s/^CONTROL_DOMAIN_UUID=.*/CONTROL_DOMAIN_UUID='$(fresh_uuid)'/" "$inventory" >"$inventory.new" || stop "no new inventory"
    [ -s "$inventory.new" ] && mv -f "$inventory.new" "$inventory" || stop "no new inventory"
  fi
  for state in /var/lib/xcp/state.db /var/xapi/state.db; do rm -f "$state" "$state.generation"; done
  rm -f "$pem"
  for make in /opt/xensource/libexec/generate_ssl_cert /opt/xensource/libexec/gencert /opt/xensource/bin/gencert; do
    [ ! -x "$make" ] || { "$make" "$pem" "$(hostname -f 2>/dev/null || hostname)" && break; }
  done
  [ ! -x /etc/init.d/xapissl ] || service xapissl restart
  service xapi start
  answers || stop "xapi did not come up with the new identity"
  /opt/xensource/libexec/create_templates || say "create_templates failed: run it by hand"
}

new_network() {
  if [ -r "$here/address.conf" ]; then
    IP='' NETMASK='' GATEWAY='' DNS=''
    . "$here/address.conf"
    set -- --mode=static "--ip=$IP" "--netmask=$NETMASK"
    [ -z "$GATEWAY" ] || set -- "$@" "--gateway=$GATEWAY"
    [ -z "$DNS" ] || set -- "$@" "--dns=$DNS"
  else
    set -- --mode=dhcp
  fi
  say "network reset of $DEVICE: $*"
  echo name >"$stage.new" && mv -f "$stage.new" "$stage" || stop "the stage could not be noted"
  sync
  echo yes | xe-reset-networking "--device=$DEVICE" "$@" || stop "the network reset failed; it is tried again at the next boot"
}

new_name() {
  answers || stop "xapi does not answer after the network reset"
  name=$(hostname)
  say "name $name, last reboot"
  xe host-param-set "uuid=$(host_uuid)" "name-label=$name" || stop "the name could not be set"
  leave "done: this host is $(host_uuid)"
  sync
  reboot
}

. "$here/first-boot.conf" || stop "first-boot.conf cannot be read"
if cat /sys/class/net/*/address | grep -qixF "$TEMPLATE_MAC"; then
  say "this is the template itself ($TEMPLATE_MAC): nothing is done"
  exit 0
fi
if [ ! -e "$stage" ]; then
  [ "$(host_uuid)" = "$TEMPLATE_UUID" ] || { leave "this host has a UUID of its own already"; exit 0; }
  echo identity >"$stage" || stop "the stage could not be noted"
fi
case $(cat "$stage") in
identity) new_identity && new_network ;;
name) new_name ;;
*) stop "$stage says $(cat "$stage"), which is no stage" ;;
esac
