// SPDX-License-Identifier: Apache-2.0
//
// What the guard process may do: give the kernel one BPF program, by libbpf, as the
// user who started the VM, and put it onto the tap. It opens nothing, makes no
// process, and sends to nobody but the controller and the kernel.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "ipc/slots.h"
#include "sandbox/policy.h"

#define BPF(command, why) SB_ALLOW1(bpf, SB_EQ32(0, command), why)

static const struct sb_rule rules[] = {
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "the answer, with the fds"),
	SB_ALLOW(recvmsg, "the request; the kernel's answer to a tc filter"),
	SB_ALLOW1(poll, SB_MASK32(1, ~1u, 0), "wait for the request"),
	SB_ALLOW(close, "after the fd was passed"),
	SB_ALLOW1(exit_group, SB_MASK32(0, ~1u, 0), "asked to quit, or failed"),

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
	SB_ALLOW1(bind, SB_EQ32(2, sizeof(struct sockaddr_nl)), "it has a port"),
	SB_ALLOW(getsockname, "which port the socket got"),
	SB_ALLOW1(sendto, SB_EQ32(5, 0), "the filter"),
	SB_ALLOW1(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC), "the fd of the counts"),
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ | PROT_WRITE),
	    SB_MASK32(3, ~(uint32_t)(MAP_PRIVATE | MAP_SHARED), MAP_ANONYMOUS),
	    SB_EQ32(4, -1), "memory of libbpf's"),
	SB_ALLOW(munmap, "memory of libbpf's"),
	SB_ALLOW(brk, "memory of libbpf's"),
	SB_ALLOW2(prlimit64, SB_EQ32(0, 0), SB_EQ32(1, RLIMIT_MEMLOCK),
	    "libbpf: locked memory, on old kernels"),
	SB_ALLOW(clock_gettime, "number of a netlink message"),
	SB_ALLOW(getpid, "libbpf"),
};

const struct sb_policy sb_policy = {
	.kind = "guard",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.jail = SB_JAIL_OPENER,
	.rlimit_nofile = 128,
	.rlimit_fsize = 0,
};
