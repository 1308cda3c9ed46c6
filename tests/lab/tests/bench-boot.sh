# SPDX-License-Identifier: Apache-2.0
# about: figures: power-on to init and exits to user space, beside QEMU's microvm and kvmtool
# run: bench
# memory: 512M
# seconds: 900
# host-tools: qemu-system-x86_64 lkvm?
# files: /usr/share/qemu/qboot.rom /usr/share/qemu/linuxboot_dma.bin build/bench/start

# Of tests/bench/run, by LAB_ICOUNT=1: time is then instructions, and repeats.
words="console=ttyS0 quiet panic=-1 test=bench-boot"

# command PARTY VCPUS DEVICES: sets the arguments.
command_of() {
	case $1 in
	ours)
		set -- "$BULKHEAD/bulkhead" --kernel "$GUEST/vmlinuz" --initramfs "$GUEST/initramfs.cpio" \
			--cmdline "$words" --cpus "boot=$2" --memory size=256M --serial tty \
			--console "$([ "$3" = 0 ] && echo off || echo null)" \
			$([ "$3" = 0 ] || echo --disk path=disk) ;;
	qemu)
		set -- qemu-system-x86_64 -L "$LAB/bin" -bios "$LAB/bin/qboot.rom" -accel kvm -cpu host \
			-M "microvm,rtc=off$([ "$3" = 0 ] || echo ,pcie=on)" -m 256 -smp "$2" \
			-nodefaults -no-user-config -display none -serial stdio -no-reboot \
			-kernel "$GUEST/vmlinuz" -initrd "$GUEST/initramfs.cpio" -append "$words" \
			$([ "$3" = 0 ] || echo "-device virtio-rng-pci -drive
			file=disk,if=none,id=d,format=raw -device virtio-blk-pci,drive=d
			-device virtio-serial-pci -chardev null,id=c -device virtconsole,chardev=c") ;;
	lkvm)
		set -- lkvm run -m 256 -c "$2" -k "$GUEST/vmlinuz" -i "$GUEST/initramfs.cpio" \
			-p "$words" $([ "$3" = 0 ] || echo "-d disk --rng") ;;
	esac
	for word; do echo "$word"; done
}

# measure TITLE PARTY VCPUS DEVICES
measure() {
	local exits=/sys/kernel/tracing/events/kvm/kvm_userspace_exit took
	local IFS='
'
	set -- "$1" "$2" $(command_of "$2" "$3" "$4")
	local title=$1 party=$2
	shift 2
	unset IFS
	case $party in qemu) party="QEMU microvm" ;; lkvm) party=kvmtool ;; esac
	echo "lab: $party, $title" >/dev/console
	echo hist:keys=reason >$exits/trigger
	took=$(timeout 300 "$LAB/bin/start" -w "guest: up" "$@" 2>error) ||
		{ fail "$party: $title: $(head -n 2 error)"; return; }
	printf '# bench\t%s, to init\ts\t%s\t%s\n' "$title" "$party" \
		"$(echo "$took" | awk '{ printf "%.3f", $1 / 1e6 }')"
	printf '# bench\t%s, exits to user space\t\t%s\t%s\n' "$title" "$party" \
		"$(awk '/hitcount:/ { sub(/.*hitcount: */, ""); n += $1 } END { print n + 0 }' $exits/hist)"
	echo '!hist:keys=reason' >$exits/trigger
}

host() {
	[ -d /sys/kernel/tracing/events ] || mount -t tracefs nodev /sys/kernel/tracing
	data_disk disk 8
	parties="ours qemu"
	! command -v lkvm >/dev/null || parties="$parties lkvm"
	for p in $parties; do measure "stock kernel, 1 vCPU, no device but serial" "$p" 1 0; done
	for p in $parties; do measure "stock kernel, 1 vCPU, disk, console, entropy" "$p" 1 1; done
	for n in 4 16; do
		for p in $parties; do measure "stock kernel, $n vCPUs" "$p" $n 0; done
	done
}

guest() {
	say up
	sleep 300
}
