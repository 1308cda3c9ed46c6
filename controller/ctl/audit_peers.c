/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other ends of sockets, and their types: asked of the kernel's socket
 * diagnostics in the network namespace that they were made in, the controller's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/ctl/audit.h"

/* A diagnostics socket in the namespace of @pid; our own where that is the same. */
static int
diag_socket(pid_t pid)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int other = audit_open(pid, "ns/net", O_RDONLY);
	bool moved = other >= 0 && setns(other, CLONE_NEWNET) == 0;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (moved)
		(void)!setns(own, CLONE_NEWNET);
	if (own >= 0)
		close(own);
	if (other >= 0)
		close(other);
	return fd;
}

static bool
ask(int fd, uint32_t inode)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} m = {
		.head = { .nlmsg_len = sizeof(m), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST },
		.req = { .sdiag_family = AF_UNIX, .udiag_states = ~0u,
		    .udiag_ino = inode, .udiag_show = UDIAG_SHOW_PEER,
		    .udiag_cookie = { ~0u, ~0u } },
	};

	return send(fd, &m, sizeof(m), 0) == (ssize_t)sizeof(m);
}

static uint32_t
class_of(int type)
{
	return type == SOCK_SEQPACKET ? SB_IS_CHANNEL : type == SOCK_STREAM ?
	    SB_IS_STREAM : SB_IS_OTHER;
}

static void
take(struct audit_fd *f, struct nlmsghdr *head, size_t len)
{
	const struct unix_diag_msg *msg = NLMSG_DATA(head);
	struct rtattr *a = (struct rtattr *)((char *)head +
	    NLMSG_SPACE(sizeof(*msg)));
	unsigned int left;

	if (!NLMSG_OK(head, len) || head->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    head->nlmsg_len < NLMSG_SPACE(sizeof(*msg)))
		return;
	f->is = class_of(msg->udiag_type);
	left = head->nlmsg_len - (unsigned int)NLMSG_SPACE(sizeof(*msg));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		uint32_t peer;

		if (a->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(a) < sizeof(peer))
			continue;
		memcpy(&peer, RTA_DATA(a), sizeof(peer));
		f->peer = peer;
	}
}

/*
 * Where diagnostics do not tell (the kernel may lack them): have a copy of the
 * socket for a moment, and ask that. It takes the rights of a tracer.
 */
static void
ask_socket(pid_t pid, struct audit_fd *f)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd = -1, type;
	socklen_t size = sizeof(type);

	if (pidfd >= 0)
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, f->nr, 0);
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
		f->is = class_of(type);
	if (fd >= 0)
		close(fd);
	if (pidfd >= 0)
		close(pidfd);
}

static bool
is_socket(const struct audit_fd *f)
{
	return strncmp(f->text, "socket:[", 8) == 0;
}

static void
name_peer(const struct audit *a, struct audit_fd *f)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct audit_process *p = &a->processes[i];

		for (size_t k = 0; k < p->nfds; k++)
			if (is_socket(&p->fds[k]) && p->fds[k].inode == f->peer) {
				(void)snprintf(f->peer_text, sizeof(f->peer_text),
				    "%s %d fd %u", audit_name(p), (int)p->pid,
				    p->fds[k].nr);
				return;
			}
	}
}

void
audit_read_peers(struct audit *a)
{
	union {
		struct nlmsghdr head;
		char room[8192];
	} answer;
	int fd = diag_socket(a->controller);

	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < a->processes[i].nfds; k++) {
			struct audit_fd *f = &a->processes[i].fds[k];
			ssize_t n;

			if (!is_socket(f))
				continue;
			n = fd >= 0 && ask(fd, (uint32_t)f->inode) ?
			    recv(fd, &answer, sizeof(answer), 0) : 0;
			if (n > 0)
				take(f, &answer.head, (size_t)n);
			if (f->is == 0)
				ask_socket(a->processes[i].pid, f);
		}
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < a->processes[i].nfds; k++)
			if (a->processes[i].fds[k].peer != 0)
				name_peer(a, &a->processes[i].fds[k]);
}
