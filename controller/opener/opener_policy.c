// SPDX-License-Identifier: Apache-2.0
//
// What the opener may do. It opens any path that the user may, which is what it
// is for; it maps no file, makes no process, and sends to nobody but the
// controller.
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <sys/fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/opener/opened.h"
#include "ipc/slots.h"
#include "sandbox/policy.h"

#define IOCTL(request, why) SB_ALLOW1(ioctl, SB_EQ32(1, request), why)

static const struct sb_rule rules[] = {
	SB_ALLOW1(recvmsg, SB_FD(0, FD_CTL), "requests of the controller"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "answers, with the fds"),
	SB_ALLOW1(poll, SB_MASK32(1, ~1u, 0),
	    "wait for the next request, or a moment"),
	SB_ALLOW1(openat, SB_MASK32(2, O_CLOEXEC, O_CLOEXEC),
	    "its purpose; as the user who started the VM"),
	SB_ALLOW1(faccessat2, SB_EQ32(3, AT_EACCESS),
	    "--landlock: is it that, or the user's rights?"),
	SB_ALLOW1(openat2, SB_EQ(3, sizeof(struct open_how)),
	    "files of a disk image, below its folder"),
	SB_ALLOW(readlink, "which folder that is"),
	SB_ALLOW(newfstatat, "what was opened: type, size, inode"),
	SB_ALLOW(close, "after the fd was passed"),
	SB_ALLOW1(exit_group, SB_MASK32(0, ~1u, 0), "asked to quit, or failed"),

	/* --console socket=, --serial socket= */
	SB_ALLOW2(socket, SB_EQ32(0, AF_UNIX),
	    SB_EQ32(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK),
	    "the listening socket; connections to back ends and for a guest"),
	SB_ALLOW2(socket, SB_EQ32(0, AF_UNIX),
	    SB_EQ32(1, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK),
	    "the same of --vsock, for messages"),
	SB_ALLOW1(bind, SB_EQ32(2, sizeof(struct sockaddr_un)),
	    "give it its path"),
	SB_ALLOW1(listen, SB_EQ32(1, 1), "wait for one client"),
	SB_ALLOW1(listen, SB_EQ32(1, API_BACKLOG), "--api-socket, --vsock: for many"),
	SB_ALLOW1(connect, SB_EQ32(2, sizeof(struct sockaddr_un)), "see whether an old socket file is still served; "
	    "vhost-user back ends; what a guest connects to"),
	SB_ALLOW1(fcntl, SB_EQ32(1, F_OFD_SETLK), "--api-socket, --vsock: its lock"),
	SB_ALLOW1(unlinkat, SB_EQ32(2, 0),
	    "take away an old socket file that is not"),
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
	SB_ALLOW1(access, SB_EQ32(1, F_OK), "is there a device file of a macvtap?"),

	/* disks, pty, KVM */
	IOCTL(BLKGETSIZE64, "size of a block device"),
	IOCTL(BLKSSZGET, "logical sector of a block device"),
	IOCTL(BLKPBSZGET, "its physical one"),
	IOCTL(BLKIOMIN, "what it likes"),
	IOCTL(BLKIOOPT, "what it likes best"),
	IOCTL(BLKALIGNOFF, "where its first physical block begins"),
	SB_ALLOW1(fcntl, SB_EQ32(1, F_OFD_GETLK), "is a disk still locked?"),
	SB_ALLOW1(statx, SB_EQ32(2, AT_EMPTY_PATH), "what direct I/O on a file wants"),
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
