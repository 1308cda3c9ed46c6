# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: controller, spawner or both are killed in each state of a VM. A
# second later nobody is there. The spawner tidies up; what is left without it goes with the
# next start, or with bulkheadctl gc.

# With cgroups, where there are any of version 2; their controllers do not matter here.
in_cgroup() {
	place=() group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/bhstates$$
	mkdir "$group" 2>/dev/null || [ -d "$group" ] && place=(--cgroup "$group")
}
groups_left() { find "$group" -mindepth 1 -type d 2>/dev/null | wc -l; }

in_state() {	# in_state NAME: such a VM
	disk a
	rm -f api s
	net=(--net tap=)
	in_cgroup
	case $1 in
	created)
		rm -f pid
		"$G/watch" $((60 * SLOWNESS)) pid "$ROOT/$BUILD/bulkhead" --api-socket "$PWD/api" "${place[@]}" \
			2>stderr </dev/null &
		watch=$!
		for i in {1..200}; do [ -s pid ] && [ -S api ] && break; sleep 0.02; done
		pid=$(cat pid) ;;
	booting)	# it waits for a back end
		start 60 boot "" --disk vhost_user=true,socket=s "${net[@]}" "${place[@]}" \
			--api-socket "$PWD/api"
		wait_for stderr 'waiting' 20 || not_ok "it waits" ;;
	*)
		: >stderr
		busy "" --api-socket "$PWD/api" "${place[@]}" --worker-failure-limit hang=60 \
			$([ "$1" != isolating ] || echo --on-worker-failure isolate) || return ;;
	esac
	case $1 in
	paused) ctl pause || not_ok "it pauses" ;;
	stopping) kill -STOP "$(worker blk)"; kill -TERM "$pid"; sleep 0.1 ;;
	# No successor comes before the spawner makes it.
	recovering | isolating) kill -STOP "$(spawner)"; kill -9 "$(worker blk)" "$(worker rng)"; sleep 0.1 ;;
	# The new one says nothing.
	upgrading) ctl upgrade-worker _disk0 --binary "$G/idle" >/dev/null 2>&1 & sleep 0.2 ;;
	esac
}

# in_state_killed STATE WHOM...
by_gc=0
in_state_killed() {
	local all who victims=
	in_state "$1" || return
	all=$(tree "$pid" | cut -d' ' -f1)
	expect "$*: there are processes to look at, and cgroups" \
		[ -n "$all" -a \( -z "${place[*]}" -o "$(groups_left)" -gt 1 \) ]
	for who in "${@:2}"; do
		case $who in controller) victims+=" $pid" ;; *) victims+=" $(spawner)" ;; esac
	done
	kill -9 $victims
	finish
	sleep $SLOWNESS
	expect "$*: a second later no process is left" nobody "$pid" $all
	expect "no interface is left" [ -z "$(ip -o link | grep -v ' lo:')" ]
	# The spawner tidies up, if it is there and was not stopped before.
	case $* in
	recovering* | isolating* | *spawner*)
		# Every second time by gc.
		by_gc=$((1 - by_gc))
		[ $by_gc = 0 ] || [ "$(groups_left)" = 0 ] || "$ROOT/$BUILD/bulkheadctl" gc "$group" >said
		[ $by_gc = 0 ] || expect "gc: no cgroup is left" [ "$(groups_left)" = 0 ] ;;
	*) expect "no cgroup is left" [ "$(groups_left)" = 0 ] ;;
	esac
	# What the dead could not remove is no obstacle, and goes.
	start 40 boot "" --disk path=a --api-socket "$PWD/api" "${place[@]}"
	finish
	expect "the next start is well" [ "$status" = 0 ]
	expect "and leaves neither socket nor cgroup" \
		[ ! -e api -a ! -e api.lock -a "$(groups_left)" = 0 ]
	rmdir "$group" 2>/dev/null
}
in_each() {	# in_each STATE
	[ "$(id -u)" = 0 ] || { ok "# SKIP interfaces need root"; return; }
	in_state_killed "$1" controller
	in_state_killed "$1" spawner
	in_state_killed "$1" controller spawner
}
t_kill_created() { in_each created; }	# full
t_kill_booting() { in_each booting; }	# full
t_kill_paused() { in_each paused; }	# full
t_kill_stopping() { in_each stopping; }	# full
t_kill_recovering() { in_each recovering; }	# full
t_kill_upgrading() { in_each upgrading; }	# full
t_kill_isolating() { in_each isolating; }	# full
# One of each, for check.
t_kill_in_states() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP interfaces need root"; return; }
	in_state_killed paused controller
	in_state_killed upgrading spawner
	in_state_killed recovering controller spawner
}
