#!/bin/sh
# In the place of systemd: starts and stops Countersign as its unit says, and the gateways' programs.
# What systemd would confine is not confined; that has a test of its own.
set -eu

action='' unit='' now=''
for word; do
  case $word in
  --now) now=$word ;;
  -*) ;;
  *) if [ -z "$action" ]; then action=$word; else unit=${word%.service}; fi ;;
  esac
done
pid=/run/$unit.service.pid

says() { sed -n "s/^$1=//p" "/usr/lib/systemd/system/$unit.service"; }

runs() { [ -e "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; }

start() {
  if runs; then return; fi
  case $unit in
  countersign) ;;
  apache2) apache2ctl start; return ;;
  *) "$unit"; return ;;
  esac
  environment=$(cat /etc/systemd/system/$unit.service.d/*.conf 2>/dev/null | sed -n 's/^Environment=//p')
  rm -f /var/lib/countersign/server.json
  # The words of the unit.
  # shellcheck disable=SC2046,SC2086
  env $environment setpriv --reuid "$(says User)" --regid "$(says Group)" --clear-groups --no-new-privs \
    --ambient-caps +net_bind_service --inh-caps +net_bind_service \
    $(says ExecStart) >>/var/log/$unit.log 2>&1 </dev/null &
  echo $! >"$pid"
  until [ -s /var/lib/countersign/server.json ] && countersign health >/dev/null 2>&1; do
    kill -0 $! 2>/dev/null || { cat /var/log/$unit.log; exit 1; }
    sleep 0.05
  done
}

stop() {
  if ! runs; then return; fi
  kill -TERM "$(cat "$pid")"
  while runs; do sleep 0.05; done
  rm "$pid"
}

case $action in
start) start ;;
stop) stop ;;
restart | try-restart) stop && start ;;
reload) "$unit" -s reload ;;
disable)
  if [ -n "$now" ]; then stop; fi ;;
is-active)
  if runs; then echo active; else echo inactive; exit 3; fi ;;
is-enabled) echo enabled ;;
# daemon-reload, enable, unmask ...: nothing is kept of units, and there is no boot.
esac
