# SPDX-License-Identifier: Apache-2.0
#
# Cases that need nothing but files: NAME, exit status, words of the line, and
# the options. Sourced by run.
truncate -s 8M disk; truncate -s 1000 odd; : >empty; mkdir dir
printf '\x89PNG\r\n\x1a\n123456789012345678901234567890' >png
head -c 3000 "$K" >truncated
# An ELF whose note is not PVH's, and an AArch64 Image.
sed 's/Xen\x00/Nex\x00/g' "$K" >nopvh
{ head -c 56 /dev/zero; printf 'ARM\x64'; head -c 4000 /dev/zero; } >arm64
truncate -s 700M large
# A bzImage's first sectors: boot protocol 2.15, loaded high, and as much code as
# the 16-byte paragraphs in $2 say.
bzimage() {
	{ head -c 497 /dev/zero; printf '\x01\0\0'"$2"; head -c 6 /dev/zero
	  printf '\x55\xaa\xeb\x66HdrS\x0f\x02'; head -c 9 /dev/zero; printf '\x01'
	  head -c 3000 /dev/zero; } >"$1"
}
bzimage short '\0\0\x01\0'
bzimage big '\0\0\x80\x02'
truncate -s 650M big
o() {
	local name=$1 status=$2 words=$3
	shift 3
	check "$name" "$status" "$words" "$B/bulkhead" --console off "$@"
}

# --landlock
o landlock-without 2 '--landlock-rules path=/tmp|without --landlock' --kernel "$K" \
	--landlock-rules path=/tmp,access=rw
o landlock-letter 2 '--landlock-rules access=rx|r|w|rw' --kernel "$K" --landlock \
	--landlock-rules path=/tmp,access=rx
o landlock-no-access 2 '--landlock-rules path=/tmp|access=r, w or rw' --kernel "$K" \
	--landlock --landlock-rules path=/tmp
o landlock-no-path 2 '--landlock-rules|path=' --kernel "$K" --landlock --landlock-rules access=r
o landlock-path-missing 1 '--landlock-rules path=nowhere|no such file|check the path' \
	--kernel "$K" --landlock --landlock-rules path=/tmp,access=r path=nowhere,access=r

# --cgroup
o cgroup-missing 1 '--cgroup nowhere|no such file' --kernel "$K" --cgroup nowhere
o cgroup-none 1 '--cgroup /tmp|not of cgroup v2' --kernel "$K" --cgroup /tmp

# the kernel
o no-kernel 2 '--kernel|missing|give --kernel'
o kernel-missing 1 '--kernel nowhere|no such file|check the path' --kernel nowhere
o kernel-directory 1 '--kernel dir|is a directory|give a file' --kernel dir
o kernel-empty 1 '--kernel empty|empty' --kernel empty
o kernel-truncated 1 '--kernel truncated' --kernel truncated
o kernel-png 1 '--kernel png|PNG' --kernel png
o kernel-without-note 1 '--kernel nopvh|PVH' --kernel nopvh
o kernel-arm64 1 '--kernel arm64' --kernel arm64
o kernel-larger-than-memory 1 "--kernel $B/guest/blk.elf|larger than memory|--memory" \
	--kernel "$B/guest/blk.elf" --memory size=1200K
o bzimage-larger-than-memory 1 '--kernel big|larger than memory|--memory' --kernel big
o memory-too-small 1 '--memory size=1M|too small' --kernel "$K" --memory size=1M
o kernel-and-firmware 2 '--kernel|--firmware|leave one out' --kernel "$K" --firmware "$K"
o firmware-missing 1 '--firmware nowhere|check the path' --firmware nowhere
o kernel-bzimage-truncated 1 '--kernel short|truncated' --kernel short
o initramfs-directory 1 '--initramfs dir|directory' --kernel "$K" --initramfs dir
o initramfs-missing 1 '--initramfs nowhere|check the path' --kernel "$K" --initramfs nowhere
o initramfs-empty 1 '--initramfs empty|empty' --kernel "$K" --initramfs empty
o initramfs-larger-than-memory 1 '--initramfs large|--memory' --kernel "$K" --initramfs large

# memory and CPUs
o memory-0 2 '--memory|size=0|512M' --kernel "$K" --memory size=0
o memory-odd 2 '--memory|1000001|4096' --kernel "$K" --memory size=1000001
o memory-more-than-host 1 '--memory|lower it' --kernel "$K" --memory size=40000G
o memory-more-than-addresses 1 '--memory|lower it' --kernel "$K" --memory size=64T
o memory-mergeable 2 '--memory mergeable=on|leave it out' --kernel "$K" --memory mergeable=on
o hugepages-missing 1 '--memory|hugepages=on|reserve' --kernel "$K" \
	--memory size=1G,hugepages=on,hugepage_size=1G,prefault=on
o hugepages-missing-hot 1 '--memory|hotplug_size=1G|needs 2 huge pages|reserve' --kernel "$K" \
	--memory size=1G,hotplug_size=1G,hotplug_method=virtio-mem,hugepages=on,hugepage_size=1G
o cpus-0 2 '--cpus boot=0|range' --kernel "$K" --cpus boot=0
o cpus-many 2 '--cpus boot=5000|range' --kernel "$K" --cpus boot=5000
o cpus-boot-above-max 2 '--cpus max=1|raise' --kernel "$K" --cpus boot=2,max=1

o cpus-affinity 1 '--cpus affinity=[0@[1022]]|no such CPU|from 0 to' --kernel "$K" \
	--cpus 'boot=1,affinity=[0@[1022]]'
o cpus-topology 2 '--cpus topology=2:2:1:1|4 vCPUs' --kernel "$K" --cpus boot=2,topology=2:2:1:1

available=$(awk '/^MemAvailable/ { a = $2 } /^MemTotal/ { t = $2 }
	END { print a + 65536 < t ? a + 65536 : 0 }' /proc/meminfo)
[ "$available" = 0 ] ||
	o memory-above-available 0 '--memory|more than|available' --kernel "$K" \
		--memory size=${available}K

# the grammar
o unknown-option 2 '--diks|did you mean --disk' --kernel "$K" --diks path=x
o unknown-sub-option 2 '--disk|pth|--help' --kernel "$K" --disk pth=x
o later-option 2 '--vdpa|not supported yet' --kernel "$K" --vdpa path=x
o later-sub-option 2 '--disk|iommu|not supported yet' --kernel "$K" --disk iommu=on
o no-segment 2 '--disk|pci_segment=1|num_pci_segments' --kernel "$K" --disk path=d,pci_segment=1
o value-missing 2 '--cpus|boot|boot=<n>' --kernel "$K" --cpus boot
o option-value-missing 2 '--kernel|<path>' --kernel
o value-out-of-range 2 '--net|mtu=1|1280' --kernel "$K" --net mtu=1
o option-twice 2 '--memory|size=2G|once' --kernel "$K" --memory size=1G --memory size=2G
o sub-option-twice 2 '--cpus|boot|once' --kernel "$K" --cpus boot=1,boot=2
o both-on-tty 2 '--serial tty|one terminal|--console off' --kernel "$K" --serial tty --debug-console tty
o bad-log-format 2 '--log-format|{nonsense}|token' --kernel "$K" --log-format '{nonsense}'

# disks and other files
o disk-missing 1 '--disk path=nowhere|no such file|check the path' --kernel "$K" --disk path=nowhere
o disk-directory 1 '--disk path=dir|directory|give a file' --kernel "$K" --disk path=dir
o disk-odd 1 '--disk path=odd|1000|512|truncate' --kernel "$K" --disk path=odd
o disk-empty 1 '--disk path=empty|empty' --kernel "$K" --disk path=empty
o disk-twice 1 '--disk path=disk|locked|readonly=on' --kernel "$K" --disk path=disk path=disk
o disk-device 1 '--disk path=/dev/zero|block device' --kernel "$K" --disk path=/dev/zero
o limit-without-time 2 '--disk bw_size=1048576|bw_refill_time' --kernel "$K" --disk path=disk,bw_size=1M
o limit-group-missing 2 '--disk rate_limit_group=g|--rate-limit-group id=g' --kernel "$K" \
	--disk path=disk,rate_limit_group=g
o limit-group-and-own 2 '--disk rate_limit_group=g|leave out' --kernel "$K" \
	--rate-limit-group id=g,ops_size=9,ops_refill_time=9 \
	--disk path=disk,rate_limit_group=g,ops_size=9,ops_refill_time=9
o limit-group-of-nothing 2 '--rate-limit-group id=g|bw_size' --kernel "$K" --rate-limit-group id=g
o rng-missing 1 '--rng src=nowhere|check the path' --kernel "$K" --rng src=nowhere
o serial-file-in-nowhere 1 '--serial file=no/where|directory' --kernel "$K" --serial file=no/where
o serial-socket-in-nowhere 1 '--serial socket=no/where|directory' --kernel "$K" --serial socket=no/where
o log-file-in-nowhere 1 '--log-file no/where' --kernel "$K" --log-file no/where
o socket-then-failure 1 '--disk path=odd' --kernel "$K" --serial socket=sock --disk path=odd
o guard-of-fd 2 '--net fd=9|guard|leave' --kernel "$K" --net fd=9,guard=on
o guard-ips-of-fd 2 '--net fd=9|guard|leave' --kernel "$K" --net 'fd=9,guard_ips=[10.0.0.1]'
o guard-off-with-ips 2 '--net guard=off|guard_ips|leave' --kernel "$K" \
	--net 'guard=off,guard_ips=[10.0.0.1]'
o guard-ips-wrong 2 '--net guard_ips|192.168.249.2' --kernel "$K" --net 'guard_ips=[10.0.0]'
o guard-ips-many 2 '--net guard_ips|at most 8' --kernel "$K" \
	--net 'guard_ips=[1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,1.1.1.9]'
o user-net-and-tap 2 '--net user=on,tap=x|leave one out' --kernel "$K" --net user=on,tap=x
o user-net-and-fd 2 '--net user=on,fd=9|leave one out' --kernel "$K" --net user=on,fd=9 9</dev/null
o user-net-and-ip 2 '--net user=on,ip|user_address' --kernel "$K" --net user=on,ip=10.0.0.1,mask=255.0.0.0
o user-net-queues 2 '--net user=on,num_queues=4|leave num_queues out' --kernel "$K" --net user=on,num_queues=4
o user-net-mtu 2 '--net user=on,mtu=65535|65520' --kernel "$K" --net user=on,mtu=65535
o publish-alone 2 '--net publish|add user=on' --kernel "$K" --net publish=tcp:8080:80
o user-host-alone 2 '--net user_host=off|add user=on' --kernel "$K" --net user_host=off
o user-mask-alone 2 '--net user_mask|give both' --kernel "$K" --net user=on,user_mask=255.0.0.0
o publish-no-port 2 '--net publish=[tcp:80x:1]|write [tcp:8080:80' --kernel "$K" --net 'user=on,publish=[tcp:80x:1]'
o publish-twice 2 '--net publish=[tcp:81,tcp:81:2]|twice' --kernel "$K" --net 'user=on,publish=[tcp:81,tcp:81:2]'
o fd-not-open 1 '--net fd=77|not a tap' --kernel "$K" --net fd=77
o fd-not-a-tap 1 '--net fd=9|not a tap' --kernel "$K" --net fd=9 9</dev/null

# what is open already
py='import os, socket, sys
def sock(kind, listen):
    s = socket.socket(socket.AF_UNIX, kind)
    listen and (s.bind(""), s.listen())
    return s.detach()
what = {"listen": lambda: sock(socket.SOCK_STREAM, True), "alone": lambda: sock(socket.SOCK_STREAM, False),
    "packets": lambda: sock(socket.SOCK_SEQPACKET, True), "epoll": lambda: (lambda e: os.dup(e.fileno()))(__import__("select").epoll()),
    "path": lambda: os.open("disk", os.O_PATH), "appends": lambda: os.open("disk", os.O_WRONLY)}
fd = what[sys.argv[1]]()
os.dup2(fd, 9)
os.execv(sys.argv[2], sys.argv[2:])'
# f NAME STATUS WORDS WHAT OPTION...: fd 9 is WHAT.
f() {
	local name=$1 status=$2 words=$3 what=$4
	shift 4
	check "$name" "$status" "$words" python3 -c "$py" "$what" "$B/bulkhead" --console off "$@"
}
o fd-closed 1 '--kernel fd=77|no such fd|pass it on' --kernel fd=77
o fd-ours 1 '--kernel fd=15|no such fd' --kernel fd=15
o fd-huge 2 '--disk fd=99999999999|numbers from 3 on' --kernel "$K" --disk fd=99999999999
o fd-many 1 '--disk fd=1000000|no such fd' --kernel "$K" --disk fd=1000000
o fd-negative 2 '--kernel fd=-1|numbers from 3 on|./fd=-1' --kernel fd=-1
o fd-standard 2 '--rng fd=2|numbers from 3 on' --kernel "$K" --rng fd=2
o fd-standard-file 2 '--serial file=fd=1|numbers from 3 on' --kernel "$K" --serial file=fd=1
o fd-of-no-request 2 '--kernel fd=#0|not an inherited fd' --kernel 'fd=#0'
o fd-and-path 2 '--disk path=disk|path and fd|leave one out' --kernel "$K" --disk fd=9,path=disk 9<>disk
o fd-and-src 2 '--rng fd=9|leave one out' --kernel "$K" --rng src=/dev/urandom,fd=9 9</dev/urandom
o fd-twice 2 '--disk fd=9|the --kernel has this one' --kernel fd=9 --disk fd=9 9<>disk
o fd-twice-net 2 '--net fd=9|pass another' --kernel "$K" --net 'fd=[9,9],num_queues=4' 9</dev/null
o fd-of-vmm-twice 2 '--log-file fd=9|the --event-monitor has' --kernel "$K" --event-monitor fd=9 \
	--log-file fd=9 9>>disk
o kernel-fd-directory 1 '--kernel fd=9|not a file' --kernel fd=9 9<dir
f kernel-fd-socket 1 '--kernel fd=9|not a file' listen --kernel fd=9
f kernel-fd-epoll 1 '--kernel fd=9|not a file' epoll --kernel fd=9
f kernel-fd-path 1 '--kernel fd=9|O_PATH' path --kernel fd=9
f kernel-fd-write-only 1 '--kernel fd=9|open for writing only' appends --kernel fd=9
f initramfs-fd-write-only 1 '--initramfs fd=9|open for writing only' appends --kernel "$K" --initramfs fd=9
f disk-fd-write-only 1 '--disk fd=9|open for writing only' appends --kernel "$K" --disk fd=9,readonly=on
o disk-fd-read-only 1 '--disk fd=9|readonly=on' --kernel "$K" --disk fd=9 9<disk
f disk-fd-socket 1 '--disk fd=9|not a file or block device' listen --kernel "$K" --disk fd=9
o fs-fd-file 1 '--fs fd=9|not a directory' --kernel "$K" --fs tag=t,fd=9 9<disk
o pmem-fd-read-only 1 '--pmem fd=9|discard_writes=on' --kernel "$K" --pmem fd=9 9<disk
o pmem-fd-writable 1 '--pmem fd=9|for reading only' --kernel "$K" --pmem fd=9,discard_writes=on 9<>disk
o pmem-fd-directory 1 '--pmem fd=9|not a file' --kernel "$K" --pmem fd=9 9<dir
o rng-fd-directory 1 '--rng fd=9|not a source of bytes' --kernel "$K" --rng fd=9 9<dir
f rng-fd-write-only 1 '--rng fd=9|open for writing only' appends --kernel "$K" --rng fd=9
o serial-fd-read-only 1 '--serial file=fd=9|open for reading only' --kernel "$K" --serial file=fd=9 9<disk
o serial-fd-directory 1 '--serial file=fd=9|write a console to' --kernel "$K" --serial file=fd=9 9<dir
o serial-fd-no-socket 1 '--serial socket=fd=9|not a listening stream socket' --kernel "$K" --serial socket=fd=9 9<>disk
f serial-fd-deaf-socket 1 '--serial socket=fd=9|not a listening' alone --kernel "$K" --serial socket=fd=9
f serial-fd-packets 1 '--serial socket=fd=9|not a listening' packets --kernel "$K" --serial socket=fd=9
o log-fd-read-only 1 '--log-file fd=9|open for reading only' --kernel "$K" --log-file fd=9 9<disk
o events-fd-read-only 1 '--event-monitor fd=9|open for reading only' --kernel "$K" --event-monitor fd=9 9<disk
o events-fd-closed 1 '--event-monitor fd=9|no such fd' --kernel "$K" --event-monitor fd=9
o api-fd-file 1 '--api-socket fd=9|not a listening stream socket' --kernel "$K" --api-socket fd=9 9<>disk
f api-fd-deaf 1 '--api-socket fd=9|not a listening' alone --kernel "$K" --api-socket fd=9
o kvm-fd-null 1 '--kvm fd=9|not /dev/kvm' --kernel "$K" --kvm fd=9 9<>/dev/null
o kvm-fd-read-only 1 '--kvm fd=9|open for reading only' --kernel "$K" --kvm fd=9 9</dev/kvm
o kvm-path 2 '--kvm|unknown sub-option' --kernel "$K" --kvm path=/dev/kvm
o libexec-fd-file 1 '--libexec fd=9|not a directory' --kernel "$K" --libexec fd=9 9<disk
o libexec-fd-empty 1 '--libexec fd=9/bulkhead-|no such file|all of Bulkhead' --kernel "$K" --libexec fd=9 9<dir
[ "$(id -u)" != 0 ] || { chmod 777 dir; o libexec-fd-of-all 1 '--libexec fd=9|others than root may write' \
	--kernel "$K" --libexec fd=9 9<dir; chmod 755 dir; }
o cgroup-fd-file 1 '--cgroup fd=9|not a directory' --kernel "$K" --cgroup fd=9 9<disk
o userfaultfd 2 '--userfaultfd|not supported yet' --kernel "$K" --userfaultfd fd=9
f vhost-fd-listening 1 '--disk socket=fd=9|not a connected stream socket' listen --kernel "$K" \
	--disk vhost_user=true,socket=fd=9
f vhost-fd-server 1 '--net socket=fd=9|not a listening' alone --kernel "$K" \
	--net vhost_user=true,socket=fd=9,vhost_mode=server
o rule-fd-closed 1 '--landlock-rules fd=9|no such fd' --kernel "$K" --landlock --landlock-rules fd=9,access=r

# external back ends
o vhost-no-socket 2 '--disk|socket=<path>' --kernel "$K" --disk vhost_user=true
o vhost-off 2 '--disk socket=s|vhost_user=true' --kernel "$K" --disk socket=s
o vhost-with-path 2 '--disk|socket=s|path|leave it out' --kernel "$K" --disk vhost_user=true,socket=s,path=disk
o vhost-with-limit 2 '--disk|ops_size|leave it out' --kernel "$K" --disk vhost_user=true,socket=s,ops_size=9,ops_refill_time=9
o vhost-net-with-tap 2 '--net|socket=s|tap|leave it out' --kernel "$K" --net vhost_user=true,socket=s,tap=x
o vhost-net-queues 2 '--net|num_queues=3|odd' --kernel "$K" --net vhost_user=true,socket=s,num_queues=3
o fs-no-tag 2 '--fs|tag=<name>' --kernel "$K" --fs socket=s
o fs-no-socket 2 '--fs|socket=<path>' --kernel "$K" --fs tag=t
o fs-both 2 '--fs|leave one out' --kernel "$K" --fs tag=t,socket=s,path=dir
o fs-options-of-path 2 '--fs|readonly, cache, writeback, posix_acl' --kernel "$K" --fs tag=t,socket=s,readonly=on
o fs-missing 1 '--fs path=nowhere|check the path' --kernel "$K" --fs tag=t,path=nowhere
o fs-file 1 '--fs path=large|not a directory|give a directory' --kernel "$K" --fs tag=t,path=large
o fs-map-of-socket 2 '--fs|maps of ids|leave them out' --kernel "$K" --fs 'tag=t,socket=s,uid_map=[0:1:1]'
o fs-map-not 2 '--fs uid_map|[0:100000:65536]' --kernel "$K" --fs 'tag=t,path=dir,uid_map=[0:100000]'
o fs-map-none 2 '--fs gid_map|<guest>:<host>:<count>' --kernel "$K" --fs 'tag=t,path=dir,gid_map=[]'
o fs-map-empty 2 '--fs uid_map|1 id or more' --kernel "$K" --fs 'tag=t,path=dir,uid_map=[0:1:0]'
o fs-map-end 2 '--fs uid_map|4294967293' --kernel "$K" --fs 'tag=t,path=dir,uid_map=[4294967290:1:5]'
o fs-map-twice 2 '--fs gid_map|two ranges' --kernel "$K" --fs 'tag=t,path=dir,gid_map=[0:1000:10,10:1009:1]'
o fs-map-many 2 '--fs uid_map|at most 8' --kernel "$K" \
	--fs 'tag=t,path=dir,uid_map=[1:1:1,2:2:1,3:3:1,4:4:1,5:5:1,6:6:1,7:7:1,8:8:1,9:9:1]'
[ "$(id -u)" != 0 ] || o fs-map-of-vms 1 '--fs tag=t,uid_map|1879048192' --kernel "$K" \
	--fs 'tag=t,path=dir,uid_map=[0:1879048000:65536]'
o fs-cache 2 '--fs|cache' --kernel "$K" --fs tag=t,path=dir,cache=sometimes
o watchdog-model 2 '--watchdog|model=tco|i6300esb' --kernel "$K" --watchdog model=tco
o watchdog-timeout 2 '--watchdog|timeout=5|leave it out' --kernel "$K" --watchdog model=i6300esb,timeout=5
o rtc-twice 2 '--rtc|at most 1' --kernel "$K" --rtc --rtc
o rng-limit 2 '--rng|bw_size|bw_refill_time' --kernel "$K" --rng src=/dev/urandom,bw_size=5
o zone-without-zero 2 '--memory size=512M|--memory-zone|size=0' --kernel "$K" --memory-zone id=a
o zone-no-host-node 1 '--memory-zone id=a,host_numa_node=1023: ' --kernel "$K" \
	--memory size=0 --memory-zone id=a,size=128M,host_numa_node=1023
o zone-huge 1 '--memory|lower it' --kernel "$K" --memory size=0 --memory-zone id=a,size=40000G
o numa-node-missing 2 '--numa|guest_numa_id=2|from 0 on' --kernel "$K" --numa guest_numa_id=0 guest_numa_id=2
o balloon-too-large 2 '--balloon|size=128M|lower it' --kernel "$K" --memory size=128M --balloon size=128M
o balloon-odd 2 '--balloon|multiple of 4096' --kernel "$K" --balloon size=1000
o hotplug-odd 2 '--memory|hotplug_size=100M|128M' --kernel "$K" --memory hotplug_method=virtio-mem,hotplug_size=100M
o hotplugged-odd 2 '--memory|hotplugged_size=100M|128M' --kernel "$K" --memory hotplug_method=virtio-mem,hotplug_size=1G,hotplugged_size=100M
o hotplugged-more 2 '--memory|hotplugged_size=2G|lower it' --kernel "$K" --memory hotplug_method=virtio-mem,hotplug_size=1G,hotplugged_size=2G
o hotplug-far 1 '--memory|hotplug_size=1T|max_phys_bits' --kernel "$K" --cpus max_phys_bits=40 --memory hotplug_size=1T
o hotplug-large 2 '--memory|hotplug_size=5T|lower it' --kernel "$K" --memory hotplug_method=virtio-mem,hotplug_size=5T
o hotplug-method 2 '--memory|hotplug_method|virtio-mem' --kernel "$K" --memory hotplug_method=dimm
o balloon-twice 2 '--balloon|at most 1' --kernel "$K" --balloon size=1M --balloon size=2M
o pmem-no-file 2 '--pmem|file=<path>' --kernel "$K" --pmem size=2M
o pmem-odd-size 2 '--pmem|size=3M|multiple of 2M' --kernel "$K" --pmem file=large,size=3M
o pmem-missing 1 '--pmem file=nowhere|check the path' --kernel "$K" --pmem file=nowhere
o pmem-directory 1 '--pmem file=dir' --kernel "$K" --pmem file=dir
o pmem-empty 1 '--pmem file=empty|multiple of 2M' --kernel "$K" --pmem file=empty
o pmem-too-small 1 '--pmem file=empty|smaller than size=|truncate' --kernel "$K" --pmem file=empty,size=4M
o vsock-no-cid 2 '--vsock|cid' --kernel "$K" --vsock socket=s
o vsock-no-directory 1 '--vsock socket=nowhere/s|make the directory' --kernel "$K" --vsock cid=3,socket=nowhere/s
o fs-queue-size 2 '--fs|queue_size=100|power of two' --kernel "$K" --fs tag=t,socket=s,queue_size=100
o generic-no-type 2 '--generic-vhost-user|device_type' --kernel "$K" --generic-vhost-user socket=s,queue_sizes=[64]
o generic-bad-type 2 '--generic-vhost-user|device_type=flute|number' --kernel "$K" --generic-vhost-user device_type=flute,socket=s,queue_sizes=[64]
o generic-iommu 2 '--generic-vhost-user|device_type=iommu|another' --kernel "$K" --generic-vhost-user device_type=iommu,socket=s,queue_sizes=[64]
o generic-no-queues 2 '--generic-vhost-user|queue_sizes' --kernel "$K" --generic-vhost-user device_type=rng,socket=s
o generic-queue-size 2 '--generic-vhost-user|queue_sizes|powers of two' --kernel "$K" --generic-vhost-user device_type=rng,socket=s,queue_sizes=[65]
o vhost-no-directory 1 '--disk socket=nowhere/s|directory|does not exist' --kernel "$K" --disk vhost_user=true,socket=nowhere/s
o vhost-no-socket-file 1 '--disk socket=disk|not a socket|vhost-user back end' --kernel "$K" --disk vhost_user=true,socket=disk
