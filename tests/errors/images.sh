# SPDX-License-Identifier: Apache-2.0
#
# Disk images that cannot be used: image NAME WORDS FILE[,OPTION...] [DISK...].
# Each is refused with one line, and not one of its bytes has changed. Sourced by run.
sums() { find . -type f ! -name std\* -exec sha256sum {} + | sort -k 2; }
image() {
	local name=$1 words=$2 disk=$3 before
	shift 3
	before=$(sums)
	check "image-$name" 1 "--disk path=${disk%%,*}|$words" "$B/bulkhead" \
		--console off --kernel "$K" --disk "path=$disk" "$@"
	if [ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" image-$name "* ]]; then
		if [ "$(sums)" = "$before" ]; then ok "image-$name: nothing was written"
		else not_ok "image-$name: something was written"; fi
	fi
}

# put FILE OFFSET HEX: bytes at a place.
put() { printf '%b' "$(sed 's/../\\x&/g' <<<"$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }

images() {
	mkdir images && cd images || return
	local m=4M
	qemu-img create -q -f qcow2 good $m
	qemu-io -f qcow2 -c 'write -P 1 0 1M' good >/dev/null
	# In qemu-img's layout: refcount table at 64K, block at 128K, L1 at 192K, L2 at 256K.

	# truncated
	head -c 60 good >a; image qcow2-header-cut 'whole header' a
	head -c 100K good >a; image qcow2-tables-cut 'cut off' a
	head -c 260K good >a; image qcow2-l2-cut 'L2 table|cut off' a
	# another format's header, and none
	truncate -s $m raw; image qcow2-of-zeros 'not a qcow2' raw,image_type=qcow2
	image vhd-of-zeros 'footer' raw,image_type=vhd
	image vhdx-of-zeros 'VHDX' raw,image_type=vhdx
	image vmdk-of-zeros 'VMDK' raw,image_type=vmdk
	image vhdx-of-qcow2 'VHDX' good,image_type=vhdx
	# versions and features
	cp good a; put a 4 00000001; image qcow-1 'version 1' a
	cp good a; put a 4 00000009; image qcow2-version 'unknown version' a
	cp good a; put a 32 00000002; image qcow2-encrypted 'encrypted' a
	cp good a; put a 60 00000001; image qcow2-snapshots 'internal snapshots' a
	cp good a; put a 72 0000000000000004; image qcow2-data-file 'external data file' a
	cp good a; put a 72 0000000000000010; image qcow2-extended 'extended L2' a
	cp good a; put a 72 0000000000000002; image qcow2-corrupt 'marked corrupt|qemu-img check' a
	cp good a; put a 72 0000010000000000; image qcow2-unknown-feature 'feature' a
	cp good a; put a 20 00000005; image qcow2-cluster-size 'cluster size' a
	cp good a; put a 24 0000000000000001; image qcow2-size 'size' a
	# huge tables
	cp good a; put a 36 ffffffff; image qcow2-l1-huge 'L1 table' a
	cp good a; put a 56 ffffffff; image qcow2-refcounts-huge 'refcount table' a
	cp good a; put a 24 7ffffffffffffe00; image qcow2-disk-huge 'L1 table' a
	# tables on tables, and in loops
	cp good a; put a 40 0000000000010000; image qcow2-l1-on-refcounts 'on top of another' a
	cp good a; put a 196608 8000000000030000; image qcow2-l2-is-l1 'on top of another' a
	cp good a; put a 65536 0000000000010000; image qcow2-refcounts-loop 'on top of another' a
	cp good a; put a 65536 0000000000040000; image qcow2-block-is-l2 'on top of another' a
	cp good a; put a 196608 8000000000040200; image qcow2-l2-unaligned 'out of place' a
	cp good a; put a 196608 80ffffffffff0000; image qcow2-l2-far 'out of place' a
	cp good a; put a 131072 00000000000000000000; image qcow2-not-counted 'refcounts|qemu-img check' a
	# backing files
	qemu-img create -q -f qcow2 -b good -F qcow2 a
	image backing-not-allowed 'backing_files=on|good' a
	qemu-img rebase -q -u -b a -F qcow2 a
	image backing-itself 'backing file a|cycle' a,backing_files=on
	qemu-img create -q -f qcow2 -b good -F qcow2 b; cp b c
	qemu-img rebase -q -u -b c -F qcow2 b; qemu-img rebase -q -u -b b -F qcow2 c
	image backing-cycle 'backing file|cycle' b,backing_files=on
	qemu-img create -q -f qcow2 -b good -F qcow2 a
	qemu-img rebase -q -u -b nowhere -F qcow2 a
	image backing-missing 'backing file nowhere|no such file|folder' a,backing_files=on
	qemu-img rebase -q -u -b ../disk -F raw a
	image backing-outside '../disk|not in the folder of the image|qemu-img rebase' a,backing_files=on
	qemu-img rebase -q -u -b /etc/passwd -F raw a
	image backing-absolute '/etc/passwd|not in the folder' a,backing_files=on
	ln -s raw link; qemu-img rebase -q -u -b link -F raw a
	image backing-link 'link|symbolic link' a,backing_files=on
	mkdir folder; qemu-img rebase -q -u -b folder -F raw a
	image backing-folder 'folder|directory' a,backing_files=on
	mkfifo fifo; qemu-img rebase -q -u -b fifo -F raw a
	image backing-fifo 'fifo|regular file' a,backing_files=on
	qemu-img create -q -f qcow2 -b good -F qcow2 a
	# what it names is not among what may be opened
	image landlock-backing 'backing file good|not in --landlock-rules' \
		a,backing_files=on --landlock
	image landlock-backing-by-another 'backing file good|not in --landlock-rules' \
		a,backing_files=on --landlock --landlock-rules path=raw,access=rw path=/usr,access=r
	image landlock-backing-to-write 'backing file good|not in --landlock-rules' \
		a,backing_files=on --landlock --landlock-rules path=.,access=w
	image backing-written-too 'backing file good|locked' a,backing_files=on path=good
	local last=raw type=raw i
	for i in {1..9}; do
		qemu-img create -q -f qcow2 -b $last -F $type d$i $m; last=d$i type=qcow2
	done
	image backing-chain-long '8 files' d9,backing_files=on

	# VHD, VHDX, VMDK
	qemu-img create -q -f vpc -o subformat=fixed,force_size=on v $m
	head -c -512 v >a; image vhd-cut 'footer' a,image_type=vhd
	cp v a; put a $(($(stat -c %s a) - 452)) 00000003; image vhd-dynamic 'VHD' a
	cp v a; put a $(($(stat -c %s a) - 448)) 00000000; image vhd-checksum 'VHD' a
	qemu-img create -q -f vhdx x $m
	head -c 100K x >a; image vhdx-cut 'VHDX' a
	cp x a; put a 65540 00; put a 131076 00; dd if=/dev/zero of=a bs=64K seek=1 count=2 conv=notrunc 2>/dev/null
	image vhdx-no-header 'VHDX' a
	cp x a; dd if=/dev/zero of=a bs=64K seek=3 count=2 conv=notrunc 2>/dev/null
	image vhdx-no-regions 'VHDX' a
	qemu-img create -q -f vmdk -o subformat=monolithicFlat m.vmdk $m
	qemu-img create -q -f vmdk -o subformat=monolithicSparse s.vmdk $m
	image vmdk-sparse 'sparse VMDK' s.vmdk
	head -c 60 m.vmdk >a; image vmdk-cut 'VMDK' a,image_type=vmdk
	sed 's/m-flat/raw/' m.vmdk >n.vmdk
	image vmdk-of-another-name 'extent raw.vmdk|image_type=vmdk' n.vmdk
	sed 's,m-flat.vmdk,../disk,' m.vmdk >n.vmdk
	image vmdk-outside 'extent ../disk|not in the folder' n.vmdk,image_type=vmdk
	sed 's,m-flat.vmdk,n.vmdk,' m.vmdk >n.vmdk
	image vmdk-itself 'extent n.vmdk|cycle' n.vmdk,image_type=vmdk
	sed 's,m-flat.vmdk,n-flat.vmdk,' m.vmdk >n.vmdk
	image vmdk-missing 'extent n-flat.vmdk|no such file' n.vmdk
	head -c 1000 /dev/zero >n-flat.vmdk
	image vmdk-extent-cut 'cut off' n.vmdk
	cd ..
}
if command -v qemu-img >/dev/null; then images; else skip images "no qemu-img (qemu-utils)"; fi
