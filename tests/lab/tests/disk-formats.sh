# SPDX-License-Identifier: Apache-2.0
# about: fio verify, mkfs, fsck, discard: qcow2, qcow2 on a backing file, VHD, VHDX, VMDK x 2 queues; raw x guard
# full: every format x 1 and 2 queues x split and packed rings x O_DIRECT x one by one, mkfs on each
# vcpus: 2
# memory: 512M
# seconds: 1200
# guest-tools: fio mke2fs e2fsck
# host-tools: qemu-img

size=32M
formats="qcow2 backed vhd vhdx vmdk"

# make_image NAME FORMAT: prints what belongs into --disk
make_image() {
	case $2 in
	qcow2) qemu-img create -q -f qcow2 -o compat=1.1 "$1" $size ;;
	v2) qemu-img create -q -f qcow2 -o compat=0.10,cluster_size=4k "$1" $size ;;
	zstd) qemu-img convert -c -O qcow2 -o compression_type=zstd below.raw "$1" ;;
	backed)
		qemu-img create -q -f qcow2 -b below.raw -F raw "$1" $size
		echo ",backing_files=on" ;;
	vhd) qemu-img create -q -f vpc -o subformat=fixed,force_size=on "$1" $size ;;
	vhdx) qemu-img create -q -f vhdx "$1" $size ;;
	vmdk)
		qemu-img create -q -f vmdk -o subformat=monolithicFlat "$1.vmdk" $size
		mv "$1.vmdk" "$1"
		sed -i "s/^RW.*/RW 65536 FLAT \"$1-flat.vmdk\" 0/" "$1" ;;
	raw) dd if=/dev/zero of="$1" bs=1M count=0 seek=32 2>/dev/null ;;
	esac
}

qemu_format() {
	case $1 in
	v2 | zstd | backed) echo qcow2 ;;
	vhd) echo vpc ;;
	*) echo "$1" ;;
	esac
}

# check_image NAME FORMAT: in itself, and the same as what the guest copied it to.
check_image() {
	case $2 in
	raw | vhd | vmdk) ;;
	*) expect "$1: qemu-img check" qemu-img check -q -f "$(qemu_format "$2")" "$1" ;;
	esac
	expect "$1: qemu-img compare" qemu-img compare -q -f "$(qemu_format "$2")" -F raw \
		"$1" "$i/copy.raw"
}

host() {
	# The lab's /tmp is memory: no O_DIRECT, and little room.
	i=${LAB_OUT:+$LAB}
	i=$(mktemp -d "${i:-$OUT}/images.XXXXXX")
	dd if=/dev/urandom bs=64K count=40 2>/dev/null >"$i/below.raw"
	data_disk "$i/below.raw" 32
	data_disk "$i/copy.raw" 32
	data_disk "$i/guarded.raw" 32
	below=$(sha256sum <"$i/below.raw")
	names=
	set -- "$(tools_disk)" "path=$i/copy.raw,image_type=raw,serial=copy" \
		"path=$i/guarded.raw,serial=guarded"
	for f in $formats ${FULL:+v2 zstd raw}; do
		for kind in 2q ${FULL:+packed direct plain}; do
			case $kind in
			2q) options=,num_queues=2 ;;
			packed) options=,packed=on ;;
			direct) options=,direct=on ;;
			plain) options=,direct=on,num_queues=2,_disable_io_uring=on ;;
			esac
			more=$(cd "$i" && make_image "$f-$kind" "$f")
			set -- "$@" "path=$i/$f-$kind,serial=$f-$kind$options$more"
			names="$names $f-$kind"
		done
	done
	cmdline="disks=$(echo $names | tr ' ' ,) full=$FULL"
	vm_start --disk "$@"
	vm_wait
	judge
	for n in $names; do check_image "$i/$n" "${n%-*}"; done
	expect "the backing file is as it was" [ "$(sha256sum <"$i/below.raw")" = "$below" ]
	expect "the refusal is in the log" grep -q "image of another format" vmm.log
	rm -rf "$i"
}

fs() {	# fs SERIAL: a file system, used, checked; discards
	local d
	d=$(disk "$1") || return 1
	/tools/bin/mke2fs -q -F -t ext4 -E discard "$d" && mount -t ext4 -o discard "$d" /mnt || return 1
	pattern 6 >/mnt/a && cp /mnt/a /mnt/b && sync && rm /mnt/a && fstrim /mnt || return 1
	pattern 6 | cmp - /mnt/b || return 1
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	/tools/bin/e2fsck -fn "$d"
}

fio_on() {	# fio_on SERIAL...: all at once
	local n
	set -- $(echo "$@" | tr , ' ')
	for n; do
		printf '[%s]\nfilename=%s\n' "$n" "$(disk "$n")"
	done >/tmp/disks
	cat >/tmp/job - /tmp/disks <<-END
	[global]
	ioengine=io_uring
	direct=1
	rw=randwrite
	bsrange=4k-128k
	blockalign=4k
	size=20m
	io_size=${io_size}
	iodepth=8
	trim_percentage=0
	verify=crc32c
	verify_fatal=1
	randrepeat=1
	thread=1
	END
	/tools/bin/fio --output-format=terse --terse-version=3 /tmp/job >/tmp/fio || { cat /tmp/fio; return 1; }
}

# What would make a raw disk another format is refused; all else is not.
guard() {
	local d
	d=$(disk guarded) || return 1
	printf 'QFI\373\0\0\0\3' >/tmp/header
	dd if=/dev/zero bs=504 count=1 2>/dev/null >>/tmp/header
	! dd if=/tmp/header of="$d" bs=512 conv=fsync 2>/dev/null || return 1
	echo 3 >/proc/sys/vm/drop_caches
	[ "$(dd if="$d" bs=512 count=1 2>/dev/null | tr -d '\0' | wc -c)" = 0 ] || return 1
	dd if=/tmp/header of="$d" bs=512 seek=8 conv=fsync 2>/dev/null || return 1
	printf 'conectix' >/tmp/footer
	dd if=/dev/zero bs=504 count=1 2>/dev/null >>/tmp/footer
	! dd if=/tmp/footer of="$d" bs=512 seek=65535 conv=fsync 2>/dev/null
}

copies() {	# what the first holds on every disk, and on the raw copy
	local n first=
	for n in $(echo "$1" | tr , ' ') copy; do
		[ -n "$first" ] || { first=$(disk "$n"); continue; }
		dd if="$first" of="$(disk "$n")" bs=256K iflag=direct oflag=direct 2>/dev/null || return 1
	done
}

guest() {
	disks=$(word disks)
	check "tools" tools
	io_size=8m
	[ -z "$(word full)" ] || io_size=20m
	check "the guard of a detected raw disk" guard
	dmesg -c >/dev/null	# the errors that this made
	check "fio verify on $disks" fio_on "$disks"
	for n in $(echo "$disks" | tr , ' '); do
		case $(word full)$n in
		qcow2-2q | vhdx-2q | 1*) check "mkfs, fsck, discard on $n" fs "$n" ;;
		esac
	done
	check "blkdiscard" blkdiscard "$(disk qcow2-2q)"
	check "mkfs once more" fs qcow2-2q
	check "copies" copies "$disks"
	check "dmesg is clean" dmesg_clean
}
