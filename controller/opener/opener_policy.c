// SPDX-License-Identifier: Apache-2.0
//
// What the opener may do. It opens any path that the user may, which is what it
// is for; it maps no file, makes no process, and sends to nobody but the
// controller.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/sockios.h>
#include <sys/fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "ipc/slots.h"
#include "sandbox/policy.h"

#define BPF(command, why) SB_ALLOW1(bpf, SB_EQ32(0, command), why)
#define IOCTL(request, why) SB_ALLOW1(ioctl, SB_EQ32(1, request), why)

static const struct sb_rule rules[] = {
	SB_ALLOW1(recvmsg, SB_FD(0, FD_CTL), "requests of the controller"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "answers, with the fds"),
	SB_ALLOW(poll, "wait for the next request"),
	SB_ALLOW(openat, "its purpose; as the user who started the VM"),
	SB_ALLOW(openat2, "files of a disk image, below its folder"),
	SB_ALLOW(readlink, "which folder that is"),
	SB_ALLOW(newfstatat, "what was opened: type, size, inode"),
	SB_ALLOW(close, "after the fd was passed"),
	SB_ALLOW1(exit_group, SB_MASK32(0, ~1u, 0), "asked to quit, or failed"),

	/* --console socket=, --serial socket= */
	SB_ALLOW2(socket, SB_EQ32(0, AF_UNIX),
	    SB_EQ32(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK),
	    "the listening socket"),
	SB_ALLOW(bind, "give it its path"),
	SB_ALLOW(listen, "wait for one client"),
	SB_ALLOW(connect, "see whether an old socket file is still served; "
	    "vhost-user back ends"),
	SB_ALLOW1(fcntl, SB_EQ32(1, F_OFD_SETLK), "--api-socket: its lock"),
	SB_ALLOW(unlinkat, "take away an old socket file that is not"),
	SB_ALLOW(umask, "the socket is for its owner alone"),

	/* --net tap= */
	SB_ALLOW2(socket, SB_EQ32(0, AF_INET),
	    SB_EQ32(1, SOCK_DGRAM | SOCK_CLOEXEC), "handle for interface ioctls"),
	SB_ALLOW2(socket, SB_EQ32(0, AF_INET6),
	    SB_EQ32(1, SOCK_DGRAM | SOCK_CLOEXEC), "handle for IPv6 addresses"),
	IOCTL(TUNSETIFF, "find or make the tap, add a queue"),
	IOCTL(TUNGETIFF, "is it a tap with virtio-net headers?"),
	IOCTL(TUNSETVNETHDRSZ, "12-byte virtio-net headers"),
	IOCTL(TUNSETOFFLOAD, "which offloads it accepts"),
	IOCTL(SIOCGIFINDEX, "does the tap exist?"),
	IOCTL(SIOCGIFHWADDR, "host_mac: compare"),
	IOCTL(SIOCSIFHWADDR, "host_mac: set"),
	IOCTL(SIOCGIFMTU, "mtu: compare"),
	IOCTL(SIOCSIFMTU, "mtu: set"),
	IOCTL(SIOCGIFADDR, "ip: compare"),
	IOCTL(SIOCSIFADDR, "ip: set"),
	IOCTL(SIOCGIFNETMASK, "mask: compare"),
	IOCTL(SIOCSIFNETMASK, "mask: set"),
	IOCTL(SIOCGIFFLAGS, "is it up?"),
	IOCTL(SIOCSIFFLAGS, "bring it up"),
	SB_ALLOW(access, "is there a device file of a macvtap?"),

	/* --net guard=: libbpf, as the user who started the VM */
	BPF(BPF_MAP_CREATE, "the program's addresses and counts; what the kernel can"),
	BPF(BPF_MAP_UPDATE_ELEM, "its addresses"),
	BPF(BPF_MAP_FREEZE, "its addresses are constant"),
	BPF(BPF_PROG_LOAD, "the program; what the kernel can"),
	BPF(BPF_PROG_BIND_MAP, "its addresses live as long as it"),
	BPF(BPF_OBJ_GET_INFO_BY_FD, "a map that was made"),
	BPF(BPF_BTF_LOAD, "what the kernel can"),
	BPF(BPF_LINK_CREATE, "onto the tap"),
	SB_ALLOW2(socket, SB_EQ32(0, AF_NETLINK),
	    SB_EQ32(1, SOCK_RAW | SOCK_CLOEXEC), "a tc filter onto the tap"),
	SB_ALLOW1(setsockopt, SB_EQ32(1, SOL_NETLINK), "errors in words"),
	SB_ALLOW(getsockname, "which port the socket got"),
	SB_ALLOW(sendto, "the filter"),
	SB_ALLOW(recvmsg, "the kernel's answer to it"),
	SB_ALLOW1(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC), "the fd of the counts"),
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ | PROT_WRITE),
	    SB_MASK32(3, ~(uint32_t)(MAP_PRIVATE | MAP_SHARED), MAP_ANONYMOUS),
	    SB_EQ32(4, -1), "memory of libbpf's"),
	SB_ALLOW(mremap, "memory of libbpf's"),
	SB_ALLOW(munmap, "memory of libbpf's"),
	SB_ALLOW(brk, "memory of libbpf's"),
	SB_ALLOW(uname, "libbpf: version of the kernel"),
	SB_ALLOW(faccessat2, "libbpf: the same, of a distribution's"),
	SB_ALLOW(prlimit64, "libbpf: locked memory, on old kernels"),
	SB_ALLOW(getrandom, "the C library's malloc"),
	SB_ALLOW(clock_gettime, "number of a netlink message"),
	SB_ALLOW(getpid, "libbpf"),

	/* disks, pty, KVM */
	IOCTL(BLKGETSIZE64, "size of a block device"),
	IOCTL(BLKSSZGET, "logical sector of a block device"),
	IOCTL(BLKPBSZGET, "its physical one"),
	IOCTL(BLKIOMIN, "what it likes"),
	IOCTL(BLKIOOPT, "what it likes best"),
	IOCTL(BLKALIGNOFF, "where its first physical block begins"),
	SB_ALLOW1(fcntl, SB_EQ32(1, F_OFD_GETLK), "is a disk still locked?"),
	SB_ALLOW(statx, "what direct I/O on a file wants"),
	IOCTL(TIOCSPTLCK, "unlock the new pseudo-terminal"),
	IOCTL(TIOCGPTN, "its number"),
	IOCTL(TCGETS, "make it raw"),
	IOCTL(TCSETS, "make it raw"),
	IOCTL(KVM_GET_API_VERSION, "is /dev/kvm what it says?"),
};

const struct sb_policy sb_policy = {
	.kind = "opener",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.jail = SB_JAIL_OPENER,
	.rlimit_nofile = 128,
	.rlimit_fsize = 0,
};
