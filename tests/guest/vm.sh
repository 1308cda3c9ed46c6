# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: starting a VM, waiting for it, looking at its processes.
# The current directory is the test's own; serial is the guest's COM1, stderr
# what bulkhead said.

ok() { echo "ok $*"; }
not_ok() {
	echo "not ok $*"
	tail -n 5 stderr 2>/dev/null | cut -c1-300 | sed 's/^/  stderr: /'
	tail -n 3 serial 2>/dev/null | cut -c1-300 | sed 's/^/  serial: /'
}
# expect TEXT COMMAND...: a test, by the command's status.
expect() {
	local text=$1
	shift
	if "$@"; then ok "$text"; else not_ok "$text"; fi
}

disk() { truncate -s "${2:-8M}" "$1"; }

# start LIMIT GUEST CMDLINE OPTION...: in the background; sets watch and pid.
start() {
	local limit=$1 guest=$2 cmdline=$3
	shift 3
	rm -f pid
	local io=(--serial "file=$PWD/serial" --console off)
	case " $* " in *' --serial '*) io=(--console off) ;; esac
	case " $* " in *' --console '*) io=(${io[@]/--console/}); io=(${io[@]/off/}) ;; esac
	[ -z "$cmdline" ] || io+=(--cmdline "$cmdline")
	case ${SECCOMP:-}:" $* " in
	:* | *' --seccomp '*) ;;
	*) io+=(--seccomp "$SECCOMP") ;;
	esac
	: >serial
	"$G/watch" $((limit * SLOWNESS)) pid "${BULKHEAD:-$ROOT/$BUILD/bulkhead}" \
		--kernel "${KERNEL:-$G/$guest.elf}" "${io[@]}" "$@" 2>stderr >stdout </dev/null &
	watch=$!
	local i
	for i in {1..200}; do
		[ -s pid ] && break
		sleep 0.01
	done
	pid=$(cat pid)
}

finish() { wait "$watch"; status=$?; }

# The guest's verdicts, as the test's own.
verdicts() {
	grep -aE '^(ok|not ok) ' "${1:-serial}" | tr -d '\r' | cut -c1-300
}

# guest GUEST CMDLINE OPTION...: from start to its power-off.
guest() {
	local before after
	before=$(ip -o link 2>/dev/null | wc -l)
	start "${LIMIT:-40}" "$@"
	finish
	verdicts
	if grep -aq '^done' serial && [ "$status" = 0 ]; then
		ok "powers off, status 0, no process left"
	else
		not_ok "powers off: status $status$(grep -aq '^done' serial || echo ', not done')"
	fi
	after=$(ip -o link 2>/dev/null | wc -l)
	[ "$before" = "$after" ] || not_ok "a network interface is left behind"
	# What a guest did wrong is logged; nothing else is.
	[ -n "${NOISY:-}" ] || [ ! -s stderr ] || not_ok "nothing to say"
}

# wait_for FILE PATTERN SECONDS
wait_for() {
	local i n=$(($3 * SLOWNESS * 20))
	for ((i = 0; i < n; i++)); do
		grep -aqE -- "$2" "$1" 2>/dev/null && return 0
		kill -0 "$watch" 2>/dev/null || { grep -aqE -- "$2" "$1"; return; }
		sleep 0.05
	done
	return 1
}

# All descendants of a process: "pid comm" a line.
tree() {
	ps -e -o pid=,ppid=,comm= | awk -v root="$1" '
		{ parent[$1] = $2; name[$1] = $3 }
		END { for (p in parent) { q = p; for (i = 0; i < 20 && q in parent; i++) {
			if (q == root) { print p, name[p]; break } q = parent[q] } } }'
}
# worker KIND: its pid, under the VM of $pid. The kernel cuts names at 15 bytes.
worker() { tree "$pid" | awk -v n="bulkhead-$1" '$2 == substr(n, 1, 15) { print $1; exit }'; }
# The spawner is the controller's only child of its own making.
spawner() { ps -o pid= --ppid "$pid" | head -1 | tr -d ' '; }

# nobody PID...: none of them is there any more (zombies do not count).
nobody() {
	local p
	for p in "$@"; do
		case $(sed 's/.*) //; s/ .*//' "/proc/$p/stat" 2>/dev/null) in
		'' | Z | X) ;;
		*) echo "  still there: $p $(cat "/proc/$p/comm")"; return 1 ;;
		esac
	done
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# Of the VM with --api-socket api in this folder.
ctl() { "$ROOT/$BUILD/bulkheadctl" --api-socket "$PWD/api" "$@"; }
