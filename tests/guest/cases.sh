# SPDX-License-Identifier: Apache-2.0
#
# For tests/guest/run: guests that test the VM from the inside.

t_ten() {
	start 20 ten ""
	finish
	expect "exit status 0" [ "$status" = 0 ]
	expect "prints its byte" [ "$(tr -d '\n' <serial)" = '!' ]
}

t_boot() {
	guest boot "hello  guest=1 \"quoted\"" --memory size=128M --cpus boot=2,max=4
	expect "command line" grep -aqx '# cmdline hello  guest=1 "quoted"' serial
	expect "vCPUs" grep -aqx '# cpus 2 of 4' serial
	ram=$(sed -n 's/^# ram \([0-9]*\) KiB/\1/p' serial)
	expect "memory of about 128 MiB: $ram KiB" [ "$ram" -gt 129000 -a "$ram" -le 131072 ]
	expect "no module" grep -aq '^# modules 0 ' serial
}

t_boot_5g() {
	guest boot "" --memory size=5G
	expect "RAM above 4 GiB" grep -aqx '# map 0x100000000+0x80000000 type 1' serial
}

t_initramfs() {
	head -c 1000003 /dev/urandom >module
	# Of every 64th byte, 32-bit sum * 31 + byte, as the guest counts.
	sum=$(od -An -v -tu1 -w64 module | awk '{ s = (s * 31 + $1) % 4294967296 } END { printf "0x%08x", s }')
	guest boot "" --memory size=64M --initramfs module
	expect "size" grep -aqx '# modules 1 size 1000003' serial
	expect "contents" grep -aqx "# module sum $sum" serial
}

t_pci() {
	disk a; disk b
	guest pci_guest "functions=3" --disk path=a path=b
}

t_pci_many() {
	local i opts=()
	for i in {1..40}; do disk "d$i" 1M; opts+=("path=d$i"); done
	guest pci_guest "functions=41" --disk "${opts[@]}"
}

t_blk() {
	disk a 4M
	guest blk "sectors=8192" --disk path=a,serial=bulkhead-disk
	expect "the image holds what the guest wrote" \
		[ "$(dd if=a bs=1 skip=4096 count=9 2>/dev/null|dd if=a bs=1 skip=4096 count=9 2>/dev/null)" = bulkheadz ]
	expect "serial number" grep -aqx '# id bulkhead-disk' serial
}

t_blk_packed() {
	disk a 4M
	guest blk "sectors=8192 packed" --disk path=a,packed=on
	expect "the image holds what the guest wrote" \
		[ "$(dd if=a bs=1 skip=4096 count=9 2>/dev/null|dd if=a bs=1 skip=4096 count=9 2>/dev/null)" = bulkheadz ]
}

t_blk_direct() {
	disk a 4M
	guest blk "sectors=8192" --disk path=a,direct=on
}

t_blk_readonly() {
	disk a 4M
	sum=$(sha256sum <a)
	guest blk "readonly" --disk path=a,readonly=on
	expect "the image is as it was" [ "$(sha256sum <a)" = "$sum" ]
}

# A disk that is found to be raw, and what is never looked at.
t_blk_guard() {
	disk a 4M
	start 40 blk "guarded" --disk path=a
	finish
	verdicts
	expect "powers off, status 0" [ "$status" = 0 ]
	expect "the image is still raw" [ "$(qemu-img info a | sed -n 's/^file format: //p')" = raw ]
	expect "and says why" grep -q "image of another format; --disk image_type=raw allows it" stderr
}

# In memory: without a flush feature each write of the guest is made durable.
t_blk_images() {
	local format d
	command -v qemu-img >/dev/null || { ok "# SKIP no qemu-img"; return; }
	d=$(mktemp -d "$([ ! -w /dev/shm ] || echo /dev/shm/)bulkhead-images.XXXXXX")
	for format in qcow2 vhdx vpc; do
		qemu-img create -q -f $format $([ $format != vpc ] || echo -o subformat=fixed,force_size=on) "$d/$format" 4M
		guest blk "sectors=8192" --disk path="$d/$format"
		[ $format = vpc ] || expect "$format: qemu-img check" qemu-img check -q -f $format "$d/$format"
		qemu-io -r -f $format -c 'read -v 4096 16' "$d/$format" >read
		expect "$format: what the guest wrote" grep -q bulkheadz read
	done
	rm -r "$d"
}

t_blk_queues() {
	disk a 4M
	guest blk "" --cpus boot=4 --disk path=a,num_queues=4,queue_size=256
	expect "4 queues" grep -aqx '# queues 4' serial
}

t_blk_not_sparse() {
	disk a 4M
	guest blk "" --disk path=a,sparse=off
}

t_blk_limited() {
	local before took
	disk a 4M; disk b 1M
	before=$(now_ms)
	guest blk "sectors=8192" --disk path=a,rate_limit_group=g,serial=bulkhead-disk \
		path=b,rate_limit_group=g \
		--rate-limit-group id=g,ops_size=40,ops_refill_time=200,bw_size=1G,bw_refill_time=1000
	took=$(($(now_ms) - before))
	# The guest makes more than 600 requests.
	expect "200 requests a second: took $took ms" [ "$took" -ge 2500 ]
}

t_net() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	guest net "mac=86" --net tap=bhtest0,mac=12:34:56:78:90:56,ip=10.0.5.1,mask=255.255.255.0
}

t_net_packed() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	guest net "packed" --net tap=,ip=10.0.5.1,mask=255.255.255.0,packed=on
}

t_net_existing_tap() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add mine mode tap && ip addr add 10.0.5.1/24 dev mine && ip link set mine up
	guest net "" --net tap=mine
	expect "the tap that was there stays" ip link show mine
}

# By name, which gives it the guest's address; then by fd, when the guest takes it over.
t_net_macvtap() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP macvtaps need root"; return; }
	ip link add v0 type veth peer name v1 && ip addr add 10.0.5.1/24 dev v1 &&
		ip link add link v0 name mv0 address 52:54:00:00:00:56 type macvtap mode bridge ||
		{ ok "# SKIP no macvtap in this kernel"; return; }
	for i in v0 v1 mv0; do ip link set $i up; done
	local device
	device=/dev/tap$(ip -o link show mv0 | cut -d : -f 1)
	[ -c "$device" ] || { ok "# SKIP no $device"; return; }
	guest net "mac=87" --net "tap=mv0,mac=52:54:00:00:00:57,guard=on,guard_ips=[10.0.5.2]"
	expect "it has the guest's address" sh -c 'ip link show mv0 | grep -q 52:54:00:00:00:57'
	exec 9<>"$device"
	guest net "mac=87" --net fd=9
	exec 9>&-
}

# Three rings, ten frames of each kind. The persistent tap is as it was, afterwards.
t_net_guard() {
	[ "$(id -u)" = 0 ] || { ok "# SKIP taps need root"; return; }
	ip tuntap add mine mode tap && ip addr add 10.0.5.1/24 dev mine && ip link set mine up
	NOISY=1 guest net "spoof" --net "tap=mine,guard=on,guard_ips=[10.0.5.2]"
	expect "counts" grep -qFe \
'--net tap=mine: the guard dropped 90 frames of the guest: 30 source MAC, 30 IPv4 source, 30 ARP sender' stderr
	expect "no filter stays" sh -c '[ -z "$(tc filter show dev mine ingress)" ]'
	: >stderr
	NOISY=1 guest net "spoof" --net tap=mine
	expect "by default for root, MAC alone" grep -qF 'dropped 30 frames of the guest: 30 source MAC' stderr
	: >stderr
	guest net "spoof" --net tap=mine,guard=off
}

t_rng() { guest rng ""; }
t_rng_packed() { guest rng "packed" --rng src=/dev/urandom,packed=on; }
t_rng_file() {
	head -c 1000000 /dev/urandom >entropy
	guest rng "" --rng src="$PWD/entropy"
}

t_console_file() {
	guest console "loud=20" --console "file=$PWD/console"
	expect "virtio output" grep -aqx 'hello from split-event-indirect' console
	# 20 lines of 1 KiB from each of two or three rings, in order, complete.
	expect "20 KiB on virtio" [ "$(grep -acE '^([a-z])\1{1022}$' console)" -ge 40 ]
	expect "20 KiB on serial" [ "$(grep -acE '^([a-z])\1{1022}$' serial)" = 20 ]
}

t_console_packed() {
	guest console "" --console "file=$PWD/console,packed=on"
	expect "virtio output" grep -aqx 'hello from packed' console
}

t_console_socket() {
	start 40 console "virtio" --console "socket=$PWD/sock"
	"$G/sockio" sock $((20 * SLOWNESS)) "type here" "echo me" >far
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "echo" grep -aq 'ECHO ME' far
	expect "the socket is gone" [ ! -e sock ]
}

t_serial_socket() {
	start 40 console "serial" --serial "socket=$PWD/sock"
	"$G/sockio" sock $((20 * SLOWNESS)) "type here" "abc xyz" >far
	finish
	verdicts far
	expect "exit status 0" [ "$status" = 0 ]
	expect "input" grep -aq '^# read ABC XYZ' far
	expect "the socket is gone" [ ! -e sock ]
}

t_legacy() {
	guest legacy "" --debug-console "file=$PWD/debug"
	expect "debug console" [ "$(cat debug)" = "debug bytes
string here" ]
}

t_legacy_no_debug() { guest legacy ""; }

t_interrupts() {
	disk a
	NOISY=1 guest msix "" --disk path=a
}

t_smp() {
	guest smp "cpus=4" --cpus boot=4
}
t_smp_x2apic() { guest smp "cpus=4 x2apic" --cpus boot=4; }
t_smp_64() { LIMIT=90 guest smp "cpus=64 x2apic" --cpus boot=64; }

t_reset_device() {
	disk a
	LIMIT=90 NOISY=1 guest reset_device "resets=$([ -n "${FULL:-}" ] && echo 1000 || echo 200)" --disk path=a,packed=on
}

t_highmem() {
	disk a
	guest highmem "" --memory size=3300M --disk path=a
}

t_pvpanic() {
	start 40 panic "" --pvpanic --event-monitor path=events
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "two events" [ "$(grep -c '"source": "guest"' events)" = 2 ]
	expect "the kernel's, once" [ "$(grep -c '"event": "panic"$' events)" = 1 ]
	expect "a crash kernel's, once" [ "$(grep -c '"event": "crash_loaded"' events)" = 1 ]
	expect "the user is told" grep -q "the guest's kernel panicked" stderr
}

t_power_button() {
	start 40 power ""
	wait_for serial '^press it' 20 || not_ok "the guest runs"
	kill -PWR "$pid"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
}

t_fs() {
	mkdir share && echo "from the host" >share/hello
	guest fs "" --fs tag=share,path=share
	guest fs "" --fs tag=share,path=share,readonly=on,cache=always
}

# KiB that the guest's memory takes up on the host.
backed() { echo $(($(stat -L -c %b "$(ls -l "/proc/$pid/fd" | sed -n 's|.* \([0-9]*\) -> /memfd:bulkhead-ram.*|/proc/'"$pid"'/fd/\1|p' | head -1)") / 2)); }

t_balloon() {
	local before w i
	guest balloon "pages=2048" --memory size=128M --balloon size=8M,packed=on
	guest balloon "pages=16384" --memory size=128M,thp=off --balloon size=64M,free_page_reporting=on,deflate_on_oom=on
	NOISY=1 start 60 balloon "pages=0 follow ms=$((3000 * SLOWNESS))" --memory size=128M \
		--balloon free_page_reporting=on --api-socket api --event-monitor path=events
	wait_for serial '^pages 0' 20 || not_ok "the guest runs"
	ctl resize --balloon 64M || not_ok "is asked for 64 MiB"
	wait_for serial '^pages 16384' 20 || not_ok "does it"
	expect "vm.info knows" grep -q '"memory_actual_size":[[:space:]]*67108864' <(ctl info)
	before=$(backed)
	expect "it has less of the host's memory: $before KiB" [ "$before" -lt 16384 ]
	expect "vm.counters know" grep -q '"actual":[[:space:]]*67108864' <(ctl counters)
	for i in {1..40}; do ctl counters | grep -qE '"free_memory":[[:space:]]*[2-9]' && break; sleep 0.05; done
	expect "newer figures of the guest" [ "$i" -lt 40 ]
	w=$(worker balloon)
	kill -9 "$w"
	ctl resize --balloon 32M || not_ok "is asked for 32 MiB"
	wait_for serial '^pages 8192' 20 || not_ok "another worker tells it"
	expect "it is another" [ "$(worker balloon)" != "$w" ]
	expect "upgraded" ctl upgrade-worker __balloon
	expect "its size is what it was" grep -q '"actual":[[:space:]]*33554432' <(ctl counters)
	expect "as large as memory: refused" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket api resize --balloon 128M 2>/dev/null"
	ctl resize --balloon 0 || not_ok "is asked for nothing"
	wait_for serial '^pages 0' 20 || not_ok "has all of it again"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "events" [ "$(grep -c '"event": "resized"' events)" = 3 ]
}

# KiB of virtio-mem's region that the host gives.
hot() { echo $(($(stat -L -c %b "$(ls -l "/proc/$pid/fd" | sed -n 's|.* \([0-9]*\) -> /memfd:bulkhead-ram-hot.*|/proc/'"$pid"'/fd/\1|p' | head -1)") / 2)); }

t_mem() {
	local w i
	local opts=(--memory size=128M,hotplug_method=virtio-mem,hotplug_size=1G,hotplugged_size=128M)
	guest mem "blocks=64" "${opts[@]}"
	NOISY=1 start 60 mem "blocks=64 follow ms=$((3000 * SLOWNESS))" "${opts[@]}" \
		--api-socket api --event-monitor path=events
	wait_for serial '^blocks 64' 20 || not_ok "the guest runs"
	ctl resize --memory 1152M || not_ok "is asked for 1 GiB"
	wait_for serial '^blocks 512' 20 || not_ok "has it"
	expect "vm.info knows" grep -q '"memory_actual_size":[[:space:]]*1207959552' <(ctl info)
	expect "the host gives it: $(hot) KiB" [ "$(hot)" -ge 4096 ]
	for i in 129M 64M 2G; do
		expect "$i: refused" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket api resize --memory $i 2>/dev/null"
	done
	w=$(worker mem)
	kill -9 "$w"
	ctl resize --memory 256M || not_ok "is asked for 128 MiB"
	for ((i = 0; i < 400; i++)); do [ "$(grep -ac '^blocks 64' serial)" = 2 ] && break; sleep 0.05; done
	expect "another worker tells it" [ "$i" -lt 400 ]
	expect "it is another" [ "$(worker mem)" != "$w" ]
	expect "upgraded" ctl upgrade-worker mem0
	expect "what is plugged is what it was" grep -q '"plugged":[[:space:]]*134217728' <(ctl counters)
	ctl resize --memory 128M || not_ok "is asked for nothing"
	wait_for serial '^blocks 0' 20 || not_ok "has nothing"
	expect "all of it is the host's again: $(hot) KiB" [ "$(hot)" = 0 ]
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "events" [ "$(grep -c '"event": "resized"' events)" = 3 ]
}

# 128 MiB is 1. One that cannot be: nothing has changed.
t_dimms() {
	local i w
	local opts=(--memory size=128M,hotplug_size=1G,hotplugged_size=128M --api-socket api --event-monitor path=events)
	local dimms='/memfd:bulkhead-ram-dimm'
	NOISY=1 start 60 dimms "at=1 ms=$((3000 * SLOWNESS))" "${opts[@]}"
	wait_for serial '^memory 1$' 20 || not_ok "the guest runs"
	ctl resize --memory 512M || not_ok "256 MiB more"
	wait_for serial '^memory 3$' 20 || not_ok "come"
	ctl resize --memory 640M || not_ok "128 MiB more"
	wait_for serial '^memory 4$' 20 || not_ok "come, too"
	expect "vm.info knows" grep -q '"memory_actual_size":[[:space:]]*671088640' <(ctl info)
	w=$(worker rng)
	expect "everybody maps it" sh -c "for p in $w $(worker vcpu); do [ \$(grep -c '$dimms' /proc/\$p/maps) = 3 ] || exit 1; done"
	for i in 129M 64M 2G; do
		expect "$i: refused" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket api resize --memory $i 2>/dev/null"
	done
	kill -9 "$w"
	ctl resize --memory 384M || not_ok "is asked to let two pieces go"
	wait_for serial '^memory 2$' 20 || not_ok "go"
	for ((i = 0; i < 200; i++)); do [ "$(grep -c memory-removed events)" = 2 ] && break; sleep 0.05; done
	expect "nobody maps what has gone" sh -c "for p in $(worker rng) $(worker vcpu); do [ \$(grep -c '$dimms' /proc/\$p/maps) = 1 ] || exit 1; done"
	expect "nor holds it" [ "$(ls -l "/proc/$pid/fd" | grep -c "$dimms")" = 1 ]
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	NOISY=1 start 60 dimms "at=1 keep play ms=$((2000 * SLOWNESS))" "${opts[@]}"
	wait_for serial '^played, memory 0' 20 || not_ok "the guest plays"
	# What it has ejected is let go by everybody first.
	for ((i = 0; i < 200; i++)); do ctl resize --memory 256M 2>/dev/null && break; sleep 0.05; done
	expect "128 MiB come after that" [ "$i" -lt 200 ]
	wait_for serial '^memory 1$' 20 || not_ok "come"
	ctl resize --memory 128M || not_ok "is asked to let them go"
	for ((i = 0; i < 200; i++)); do grep -q memory-kept events && break; sleep 0.05; done
	expect "it will not, and that is said" [ "$i" -lt 200 ]
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
}

# Pages of 2 MiB that nobody has, and that nobody is promised.
huge_left() {
	local d=/sys/kernel/mm/hugepages/hugepages-2048kB
	echo $(($(cat $d/free_hugepages) - $(cat $d/resv_hugepages)))
}

# Hot memory of huge pages: 64 are the guest's at boot, 64 more can come, by either way,
# and are the host's when they have gone.
t_hot_huge() {	# full
	local pool=/proc/sys/vm/nr_hugepages before at_boot free i
	local opts=(--api-socket api --event-monitor path=events)
	local virtio=hotplug_method=virtio-mem huge=size=128M,hugepages=on,hugepage_size=2M
	before=$(cat $pool)
	[ -w $pool ] || { ok "# SKIP huge pages cannot be reserved"; return; }
	trap "echo $before >$pool" EXIT
	echo $((before + 128)) >$pool
	[ "$(huge_left)" = 128 ] || { ok "# SKIP the host has no 128 huge pages in one piece each, or others use them"; return; }
	NOISY=1 start 60 dimms "ms=$((3000 * SLOWNESS))" --memory $huge,hotplug_size=1G "${opts[@]}"
	wait_for serial '^memory 0$' 20 || not_ok "the guest runs"
	at_boot=$(huge_left)
	expect "at boot it has 64: $at_boot" [ "$at_boot" = 64 ]
	expect "128 more there are not" sh -c "! '$ROOT/$BUILD/bulkheadctl' --api-socket api resize --memory 384M 2>said"
	expect "that is said" grep -q 'not enough huge pages; reserve more' said
	expect "and nothing has changed" [ "$(huge_left)" = 64 ]
	expect "nor in vm.info" grep -q '"memory_actual_size":[[:space:]]*134217728' <(ctl info)
	ctl resize --memory 256M || not_ok "64 more"
	wait_for serial '^memory 1$' 20 || not_ok "come"
	expect "and they are huge" [ "$(huge_left)" = 0 ]
	ctl resize --memory 128M || not_ok "is asked to let them go"
	for ((i = 0; i < 200; i++)); do grep -q memory-removed events && break; sleep 0.05; done
	free=$(huge_left)
	expect "the host has them again: $free" [ "$free" = 64 ]
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "a guest that has gone has none" [ "$(huge_left)" = 128 ]

	expect "virtio-mem: all must be there" sh -c "! '$ROOT/$BUILD/bulkhead' --kernel '$G/mem.elf' --memory $huge,$virtio,hotplug_size=256M 2>said"
	expect "that is said" grep -q -- '--memory size=128M,hotplug_size=256M,hugepages=on: needs 192 huge pages of 2M and the host has 128;' said
	rm -f events
	NOISY=1 start 60 mem "blocks=64 follow ms=$((3000 * SLOWNESS))" \
		--memory $huge,$virtio,hotplug_size=128M,hotplugged_size=128M "${opts[@]}"
	wait_for serial '^blocks 64' 20 || not_ok "the guest runs with virtio-mem"
	free=$(huge_left)
	expect "virtio-mem: and they are huge: $free" [ "$free" = 0 ]
	ctl resize --memory 128M || not_ok "is asked for nothing"
	wait_for serial '^blocks 0' 20 || not_ok "has nothing"
	free=$(huge_left)
	expect "virtio-mem: the host has them again: $free" [ "$free" = 64 ]
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "nor has this one" [ "$(huge_left)" = 128 ]
}

# Who does not say that it has what comes, or that it has let go what goes, is replaced;
# the guest has its memory, and the host what has gone.
t_dimms_stopped() {	# full
	local i w n dimms='/memfd:bulkhead-ram-dimm'
	NOISY=1 start 200 dimms "ms=100000" --memory size=128M,hotplug_size=1G \
		--api-socket api --event-monitor path=events
	wait_for serial '^memory 0$' 20 || not_ok "the guest runs"
	w=$(worker rng)
	kill -STOP "$w"
	ctl resize --memory 256M &
	n=$!
	wait_for serial '^memory 1$' 50 || not_ok "128 MiB come"
	expect "answered" wait "$n"
	for ((i = 0; i < 200; i++)); do [ "$(grep -c "$dimms" "/proc/$(worker rng)/maps" 2>/dev/null)" = 1 ] && break; sleep 0.05; done
	expect "another worker maps them" [ "$i" -lt 200 -a "$(worker rng)" != "$w" ]
	w=$(worker rng)
	kill -STOP "$w"
	ctl resize --memory 128M || not_ok "is asked to let them go"
	wait_for events memory-removed 50 || not_ok "they go"
	for ((i = 0; i < 200; i++)); do [ -n "$(worker rng)" ] && [ "$(worker rng)" != "$w" ] && break; sleep 0.05; done
	expect "another worker again" [ "$i" -lt 200 ]
	expect "which does not map what has gone" sh -c "! grep -q '$dimms' /proc/$(worker rng)/maps /proc/$(worker vcpu)/maps"
	expect "nobody holds it" [ "$(ls -l "/proc/$pid/fd" | grep -c "$dimms")" = 0 ]
	expect "two deaths" [ "$(grep -c '^.*\(died\|killed\)' stderr)" -ge 2 ]
	kill "$pid"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
}

t_pmem() {
	local sum w
	truncate -s 8M file small
	printf 'from the host' | dd of=file conv=notrunc 2>/dev/null
	sum=$(sha256sum <file)
	guest pmem "size=8388608" --memory size=128M --pmem file=file,discard_writes=on
	expect "the file is as it was" [ "$(sha256sum <file)" = "$sum" ]
	guest pmem "size=4194304" --memory size=128M --pmem file=file,size=4M,packed=on file=small
	expect "the file has what the guest wrote" [ "$(dd if=file bs=1 skip=8192 count=14 2>/dev/null | tr -d '\0')" = "from the guest" ]
	expect "... to the end" [ "$(dd if=file bs=1 skip=4194301 count=3 2>/dev/null | tr -d '\0')" = end ]
	expect "... and not behind it" cmp -s -n 4194304 -i 4194304 file small
	expect "the other is as it was" [ "$(tr -d '\0' <small | wc -c)" = 0 ]
	NOISY=1 start 40 pmem "size=8388608 again ms=100000" --memory size=128M \
		--pmem file=file --api-socket api
	wait_for serial '^flushing' 20 || not_ok "the guest runs"
	w=$(worker pmem)
	kill -9 "$w"
	sleep 0.2
	expect "upgraded" ctl upgrade-worker "$(ctl info | sed -n 's/.*"\(_pmem[0-9]*\)".*/\1/p' | head -1)"
	expect "another VM may not have it" sh -c "! '$ROOT/$BUILD/bulkhead' --kernel '$G/pmem.elf' --serial null --console off --pmem file=file 2>said; grep -q 'locked by another VM' said"
	kill "$pid"
	finish
	verdicts
	expect "exit status 0" [ "$status" = 0 ]
	expect "one death" [ "$(grep -c ' died: ' stderr)" = 1 ]
}

# What the host cannot provide any more is not lost without a word.
t_pmem_cut() {
	truncate -s 2M file
	start 40 kept "pmem ms=100000" --memory size=128M --pmem file=file
	wait_for serial '^running' 20 || not_ok "the guest runs"
	truncate -s 4096 file
	finish
	expect "the VM ends with status 1" [ "$status" = 1 ]
	expect "and says why" grep -q 'the guest cannot go on' stderr
	expect "no flush is said to be done since" [ "$(grep -c '^flow' serial)" = 0 ]
}
