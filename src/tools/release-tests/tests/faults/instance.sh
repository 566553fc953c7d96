#!/bin/bash
# Functions that the tests of faults run on the instance, in front of their own commands, which call them.
# shellcheck disable=SC2034,SC2317
run=/var/vcap/sys/run/docker
volumes=/var/vcap/store/docker/volumes

# Waits up to $1 seconds until the rest holds; looks often enough to meet a moment.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || { echo "not within the time: $*" >&2; return 1; }
    sleep 0.02
  done
}

docker() { DOCKER_HOST=unix://$run/docker.sock timeout 5 /var/vcap/packages/docker/bin/docker "$@"; }
alive() { kill -0 "$(cat "$1" 2>/dev/null)" 2>/dev/null; }
runs() { pidof "$@" >/dev/null; }
each_runs() { local program; for program in "$@"; do runs "$program" || return; done; }
compose_does() { local pid; for pid in $(pidof docker-compose); do grep -qz "^$1\$" "/proc/$pid/cmdline" 2>/dev/null && return; done; return 1; }
ctl_does() { local pid; for pid in $(pidof docker-ctl); do grep -qz "^$1\$" "/proc/$pid/cmdline" 2>/dev/null && return; done; return 1; }

# The recipe is up, as its runner says, and its containers can be used.
well() {
  local state
  alive $run/docker.pid && alive $run/compose.pid && grep -q '"state": "up"' $run/verdict.json &&
    grep -q "\"pid\": $(cat $run/compose.pid)," $run/verdict.json || return 1
  for state in db app; do docker exec "running-$state-1" true 2>/dev/null || return 1; done
}
# The runner has said why it is not.
failed() { alive $run/compose.pid && grep -q '"state": "failed"' $run/verdict.json && grep -q "\"pid\": $(cat $run/compose.pid)," $run/verdict.json; }
settled() { well || failed; }
# What an update leaves running has a guard, `docker-ctl guard`.
stopped() { [ "$(monit summary | grep -c 'Not monitored')" -ge 2 ] && ! runs compose-runner && ! ctl_does start && ! ctl_does stop; }
# Monit's next cycle, now; of itself it looks every ten seconds.
wake_monit() { monit >/dev/null 2>&1; sleep 0.3; }
woken() { "$@" || { wake_monit; "$@"; }; }

# Waits until $1 holds and all of the rest run; then kill -9 of each.
strike() {
  local moment=$1
  shift
  in_time() { "$moment" && each_runs "$@"; }
  within 60 in_time "$@" || return
  # shellcheck disable=SC2046
  kill -9 $(pidof "$@") || : # one of them has just ended
}

# Every line that was written and synced is there, once and in order; prints how many there are. What was synced is read first.
count_lines() {
  local synced
  synced=$(cat "$1/synced") || return 1
  awk -v synced="$synced" '
    $0 != NR { print "line " NR " is " $0 >"/dev/stderr"; bad = 1; exit }
    END { if (!bad && NR < synced) { print NR " lines, and " synced " were synced" >"/dev/stderr"; bad = 1 } if (bad) exit 1; print NR }
  ' "$1/lines"
}

# What must not grow: a line for each kind, with its number.
inventory() {
  local program
  for program in dockerd containerd containerd-shim-runc-v2 compose-runner docker-ctl docker-compose docker-buildx image-importer docker-proxy runc unpigz; do
    echo "process:$program $(pidof $program | wc -w)"
  done
  echo "zombies $(ps -e -o stat= | awk '/^Z/' | wc -l)"
  # but for the small file systems of the tests of full disks
  echo "mounts $(grep /var/vcap /proc/self/mounts | grep -vc '^small ')"
  echo "links $(find /sys/class/net -mindepth 1 | wc -l)"
  # a hierarchy that the instance has for itself: those of v1 that docker-ctl had to mount show other instances, too
  local cgroups=/sys/fs/cgroup
  [ ! -d $cgroups/memory ] || cgroups=$cgroups/memory
  echo "cgroups $(find $cgroups -type d -regextype egrep -regex '.*/[^/]*[0-9a-f]{64}[^/]*' | wc -l)"
  echo "containers $(docker ps --all --quiet | wc -l)"
  echo "networks $(docker network ls --quiet | wc -l)"
  echo "volumes $(docker volume ls --quiet | wc -l)"
  # a lock is made when it is first taken, and stays
  echo "files:run $(find $run -maxdepth 1 -mindepth 1 -not -name '*.lock' | wc -l)"
  echo "files:netns $(find $run /var/run/docker -path '*netns/*' 2>/dev/null | wc -l)"
  echo "files:data $(find /var/vcap/data/docker -type f -not -path '*/tmp/*' | wc -l)"
  echo "files:tmp $(find /var/vcap/data/docker/tmp /var/vcap/store/docker/tmp -mindepth 1 -not -name 'runc-process*' 2>/dev/null | wc -l)"
  echo "descriptors:dockerd $(find "/proc/$(pidof dockerd)/fd" -mindepth 1 | wc -l)"
  echo "descriptors:compose-runner $(find "/proc/$(pidof compose-runner)/fd" -mindepth 1 | wc -l)"
}
