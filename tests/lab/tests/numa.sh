# SPDX-License-Identifier: Apache-2.0
# about: a stock guest has two NUMA nodes, each its vCPUs, memory and PCI segment, and hot memory goes to its own
# vcpus: 4
# memory: 512M
# seconds: 300
# run: all

ctl() { "$BULKHEAD/bulkheadctl" --api-socket api "$@"; }

host() {
	cmdline=memhp_default_state=online_movable
	# A socket a node: Linux warns where CPUs that share a cache do not share a node.
	vcpus=4,topology=1:2:1:2
	memory=0,hotplug_method=virtio-mem
	data_disk far 4
	vm_start --api-socket api --platform num_pci_segments=2 --disk path=far,pci_segment=1 \
		--memory-zone id=low,size=256M id=high,size=256M,hotplug_size=1G \
		--numa guest_numa_id=0,cpus=[0-1],memory_zones=[low],distances=[1@17] \
		guest_numa_id=1,cpus=[2-3],memory_zones=[high],pci_segments=[1]
	vm_says "guest: two nodes" || return
	ctl resize-zone --id high --size 512M || fail "resize-zone"
	vm_says "guest: more in node 1" || return
	ctl power-button
	vm_wait
	judge
}

# KiB of node $1.
of() { sed -n 's/.*MemTotal: *\([0-9]*\) kB/\1/p' "/sys/devices/system/node/node$1/meminfo"; }

guest() {
	event=$(grep -A 4 'Power Button' /proc/bus/input/devices |
		sed -n 's/^H: .*\(event[0-9]*\).*/\1/p' | head -n 1)
	dd if="/dev/input/$event" of=/tmp/key bs=24 count=1 2>/dev/null &
	button=$!
	node=/sys/devices/system/node
	check "nodes 0-1" [ "$(cat $node/online)" = 0-1 ]
	check "vCPUs of node 0" [ "$(cat $node/node0/cpulist)" = 0-1 ]
	check "vCPUs of node 1" [ "$(cat $node/node1/cpulist)" = 2-3 ]
	check "distances of node 0" [ "$(cat $node/node0/distance)" = "10 17" ]
	check "distances of node 1" [ "$(cat $node/node1/distance)" = "17 10" ]
	# What Linux keeps for itself is not counted.
	check "memory of node 1" [ "$(of 1)" -gt 150000 -a "$(of 1)" -le 262144 ]
	check "segment 1 is near node 1" [ "$(cat /sys/devices/pci0001:00/*/numa_node | head -n 1)" = 1 ]
	check "segment 0 is near node 0" [ "$(cat /sys/bus/pci/devices/0000:00:01.0/numa_node)" = 0 ]
	before=$(of 0)
	say "two nodes"
	while [ "$(of 1)" -lt 440000 ] && kill -0 $button 2>/dev/null; do sleep 0.1; done
	check "hot memory is of node 1" [ "$(of 1)" -ge 440000 ]
	check "and not of node 0" [ "$(of 0)" = "$before" ]
	say "more in node 1"
	wait $button
	check "dmesg is clean" dmesg_clean
}
