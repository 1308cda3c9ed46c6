/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch back ends, see attack_scratch.h. */
#include "controller/ctl/attack_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/ctl/attack_order.h"
#include "ipc/slots.h"
#include "sandbox/known.h"

static int
make_file(void)
{
	FILE *f = tmpfile();
	int fd = f != NULL ? fcntl(fileno(f), F_DUPFD_CLOEXEC, 3) : -1;

	if (f != NULL)
		(void)fclose(f);
	return fd;
}

/* One end; the other is nobody's. */
static int
make_socket(int type)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	close(pair[1]);
	return pair[0];
}

static int
make_pipe(void)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	close(pair[1]);
	return pair[0];
}

/* In a network namespace that goes with it; for who may make one. */
static int
make_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1;

	if (home >= 0 && unshare(CLONE_NEWNET) == 0) {
		fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) < 0) {
			close(fd);
			fd = -1;
		}
		if (setns(home, CLONE_NEWNET) != 0)
			abort();	/* in the wrong one there is nothing to do */
	}
	if (home >= 0)
		close(home);
	return fd;
}

static int
make_vm(bool vcpu)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm >= 0 ? ioctl(kvm, KVM_CREATE_VM, 0) : -1;
	int fd = vcpu && vm >= 0 ? ioctl(vm, KVM_CREATE_VCPU, 0) : vm;

	if (kvm >= 0)
		close(kvm);
	if (vcpu && vm >= 0)
		close(vm);
	return fd;
}

/* An empty directory. It has to be there for as long as the twin is. */
static int
make_directory(struct scratch *s)
{
	if (s->dir[0] == '\0') {
		(void)snprintf(s->dir, sizeof(s->dir), "/tmp/bulkhead-share.XXXXXX");
		if (mkdtemp(s->dir) == NULL)
			s->dir[0] = '\0';
	}
	return open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Something of the class that a slot takes, or -1. Nothing of a VM's. */
static int
make(struct scratch *s, uint32_t is)
{
	int fd;

	if (is & SB_IS_DIRECTORY)
		return make_directory(s);
	if (is & SB_IS_EVENT)
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (is & SB_IS_MEMFD) {
		fd = memfd_create("scratch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (fd >= 0 && ftruncate(fd, 65536) != 0)
			return fd;	/* an empty one will do */
		return fd;
	}
	if (is & (SB_IS_NULL | SB_IS_CHAR))
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	if (is & (SB_IS_FILE | SB_IS_BLOCK))
		return make_file();
	if (is & SB_IS_TAP)
		return make_tap();
	if (is & SB_IS_STREAM)
		return make_socket(SOCK_STREAM);
	if (is & SB_IS_CHANNEL)
		return make_socket(SOCK_SEQPACKET);
	if (is & SB_IS_PIPE)
		return make_pipe();
	if (is & (SB_IS_VM | SB_IS_VCPU))
		return make_vm((is & SB_IS_VCPU) != 0);
	return -1;
}

static void
add(struct scratch *s, uint32_t slot, uint32_t is)
{
	/* The twin's own channel, what it makes, what comes later. */
	if (slot < FD_BACKEND || slot == TWIN_ORDER || slot >= FD_INCOMING ||
	    s->n == SCRATCH_MAX)
		return;
	s->fds[s->n] = make(s, is);
	s->slots[s->n] = slot;
	s->n += s->fds[s->n] >= 0;
}

void
scratch_of_kind(struct scratch *s, const struct sb_known *k)
{
	s->n = 0;
	s->dir[0] = '\0';
	for (size_t i = 0; i < k->policy.nfds; i++) {
		const struct sb_fd *f = &k->policy.fds[i];

		add(s, f->first, f->is & (SB_IS_EVENT | SB_IS_MEMFD |
		    SB_IS_NULL | SB_IS_FILE | SB_IS_DIRECTORY));
	}
}

void
scratch_of_process(struct scratch *s, const struct audit_process *p)
{
	s->n = 0;
	s->dir[0] = '\0';
	for (size_t i = 0; i < p->nfds; i++)
		add(s, p->fds[i].nr, p->fds[i].is);
}

void
scratch_free(struct scratch *s)
{
	while (s->n > 0)
		close(s->fds[--s->n]);
	/* What a twin made in it, if it got that far, is one device. */
	if (s->dir[0] != '\0' && rmdir(s->dir) != 0) {
		char path[sizeof(s->dir) + 8];

		(void)snprintf(path, sizeof(path), "%s/device", s->dir);
		(void)unlink(path);
		(void)rmdir(s->dir);
	}
	s->dir[0] = '\0';
}

/* ---- another VM ------------------------------------------------------------------- */

int
scratch_other_make(struct scratch_other *o)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*o = (struct scratch_other){ .listening = -1, .ends = { -1, -1 } };
	(void)snprintf(o->dir, sizeof(o->dir), "/tmp/bulkhead-attack.XXXXXX");
	if (mkdtemp(o->dir) == NULL) {
		o->dir[0] = '\0';
		return -errno;
	}
	(void)snprintf(o->path, sizeof(o->path), "%s/api", o->dir);
	memcpy(addr.sun_path, o->path, sizeof(o->path));
	o->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (o->listening < 0 || bind(o->listening, (const struct sockaddr *)&addr,
	    sizeof(addr)) != 0 || listen(o->listening, 8) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, o->ends) != 0)
		return -errno;
	(void)snprintf(o->control, sizeof(o->control), "/proc/%d/fd/%d",
	    (int)getpid(), o->ends[0]);
	return 0;
}

bool
scratch_other_undisturbed(const struct scratch_other *o)
{
	struct pollfd p[] = {
		{ .fd = o->listening, .events = POLLIN },
		{ .fd = o->ends[0], .events = POLLIN },
		{ .fd = o->ends[1], .events = POLLIN },
	};

	return poll(p, 3, 0) == 0;
}

void
scratch_other_free(struct scratch_other *o)
{
	for (int i = 0; i < 2; i++)
		if (o->ends[i] >= 0)
			close(o->ends[i]);
	if (o->listening >= 0)
		close(o->listening);
	if (o->path[0] != '\0')
		(void)unlink(o->path);
	if (o->dir[0] != '\0')
		(void)rmdir(o->dir);
}
