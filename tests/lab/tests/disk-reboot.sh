# SPDX-License-Identifier: Apache-2.0
# about: what a guest wrote is there after its reboot, a reset in place
# vcpus: 1
# memory: 512M
# seconds: 120

host() {
	data_disk data.img 32
	vm_start --disk path=data.img
	pid=$(cat vmm.pid)
	vm_says "guest: rebooting"
	vm_says "guest: second boot"
	expect "the same process after the reset" kill -0 "$pid"
	vm_wait
	judge
	expect "the serial port goes on where it was" \
		[ "$(grep -ac "Restarting system" serial.log)" = 1 ]
	sum=$(dd if=data.img bs=1M skip=1 count=16 2>/dev/null | sha256sum)
	expect "the image holds what the guest wrote" \
		grep -qF "guest: sum ${sum%% *}" console.log
}

# The first MiB holds the checksum of the 16 that follow.
guest() {
	if ! dd if=/dev/vda bs=64 count=1 2>/dev/null | grep -q '[0-9a-f]'; then
		pattern 16 >/tmp/data
		dd if=/tmp/data of=/dev/vda bs=1M seek=1 conv=fsync 2>/dev/null
		sha256sum </tmp/data | cut -c -64 | dd of=/dev/vda conv=fsync 2>/dev/null
		say "rebooting"
		reboot -f
		sleep 60
	fi
	say "second boot"
	want=$(dd if=/dev/vda bs=64 count=1 2>/dev/null)
	have=$(dd if=/dev/vda bs=1M skip=1 count=16 2>/dev/null | sha256sum | cut -c -64)
	say "sum $have"
	check "checksum after the reboot" [ "$want" = "$have" ]
	check "dmesg is clean" dmesg_clean
}
