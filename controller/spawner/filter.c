/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rtnetlink message, see filter.h. By hand: libbpf is for the guard process,
 * which does not stay. The clsact qdisc stays, since others may have come to use it.
 */
#include "controller/spawner/filter.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/opener/guard.h"

void
filter_remove(uint32_t ifindex, bool egress)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
		struct rtattr kind;
		char name[4];
	} m = {
		.header = { .nlmsg_len = sizeof(m), .nlmsg_type = RTM_DELTFILTER,
		    .nlmsg_flags = NLM_F_REQUEST },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex,
		    .tcm_handle = GUARD_FILTER_HANDLE,
		    .tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ?
			TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
		    .tcm_info = TC_H_MAKE((uint32_t)GUARD_FILTER_PRIORITY << 16,
			htons(ETH_P_ALL)) },
		.kind = { .rta_len = sizeof(m.kind) + sizeof(m.name),
		    .rta_type = TCA_KIND },
		.name = "bpf",
	};
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (sock < 0)
		return;
	/* The kernel does it before send returns. */
	(void)send(sock, &m, sizeof(m), MSG_DONTWAIT);
	close(sock);
}
