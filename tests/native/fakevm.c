/* SPDX-License-Identifier: Apache-2.0 */
/* A VM for one device worker, see fakevm.h. */
#include "tests/native/fakevm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/slots.h"

#define RESERVE (1ull << 30)	/* room for what a test adds */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
fakevm_init(struct fakevm *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->ctl_fd = vm->bus_fd = vm->pidfd = vm->listener = -1;
	vm->buffers = malloc(sizeof(*vm->buffers));
	vm->ram_fd = memfd_create("ram", MFD_CLOEXEC);
	for (unsigned int q = 0; q < FAKEVM_QUEUES; q++) {
		vm->kick[q] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		vm->call[q] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	vm->next_ring = 4096;
	if (vm->buffers == NULL || vm->ram_fd < 0 ||
	    vm->call[FAKEVM_QUEUES - 1] < 0 ||
	    ftruncate(vm->ram_fd, (off_t)FAKEVM_RAM) < 0)
		return -errno;
	vm->ram = mmap(NULL, FAKEVM_RAM, PROT_READ | PROT_WRITE, MAP_SHARED,
	    vm->ram_fd, 0);
	if (vm->ram == MAP_FAILED)
		return -errno;
	return 0;
}

static void
forget_worker(struct fakevm *vm)
{
	int *fds[] = { &vm->ctl_fd, &vm->bus_fd, &vm->pidfd, &vm->listener };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	vm->pid = 0;
	vm->hello = vm->ready = false;
}

void
fakevm_kill(struct fakevm *vm)
{
	if (vm->pid > 0) {
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
	}
	forget_worker(vm);
}

void
fakevm_fini(struct fakevm *vm)
{
	fakevm_kill(vm);
	munmap(vm->ram, FAKEVM_RAM);
	close(vm->ram_fd);
	for (unsigned int q = 0; q < FAKEVM_QUEUES; q++) {
		close(vm->kick[q]);
		close(vm->call[q]);
	}
	free(vm->buffers);
}

/* ---- start --------------------------------------------------------------------- */

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			_exit(124);
		close(fd);
	}
}

/* The jail wants uid 0 of a user namespace, as the spawner makes it. */
static void
become_root(void)
{
	char map[32];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0)
		return;
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(125);
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
}

/* In the child: the slots, nothing else, and exec. */
static _Noreturn void
become_worker(const struct fakevm *vm, const char *binary,
    const struct fakevm_fd *fds, unsigned int nfds, int ctl, int bus)
{
	struct fakevm_fd all[2 * FAKEVM_QUEUES + 3 + 32];
	unsigned int n = 0;
	char *argv[] = { NULL, NULL };
	char name[] = "worker";

	all[n++] = (struct fakevm_fd){ FD_CTL, ctl };
	all[n++] = (struct fakevm_fd){ FD_BUS, bus };
	for (unsigned int q = 0; q < FAKEVM_QUEUES; q++) {
		all[n++] = (struct fakevm_fd){ FD_KICK + (int)q, vm->kick[q] };
		all[n++] = (struct fakevm_fd){ FD_CALL + (int)q, vm->call[q] };
	}
	for (unsigned int i = 0; i < nfds && i < 32; i++)
		all[n++] = fds[i];
	become_root();
	/* First out of the way of the slots. */
	for (unsigned int i = 0; i < n; i++)
		all[i].fd = fcntl(all[i].fd, F_DUPFD_CLOEXEC, 600);
	if (syscall(SYS_close_range, 3, 599, 0) < 0)
		_exit(126);
	for (unsigned int i = 0; i < n; i++)
		if (dup2(all[i].fd, all[i].slot) < 0)
			_exit(126);
	close(0);
	if (open("/dev/null", O_RDWR) != 0)
		_exit(126);
	argv[0] = name;
	execv(binary, argv);
	_exit(127);
}

static int
spawn(struct fakevm *vm, const char *binary, const struct fakevm_fd *fds,
    unsigned int nfds)
{
	const char *build = getenv("BUILD");
	char path[256];
	int ctl[2], bus[2];

	if (build != NULL && strncmp(binary, "build/", 6) == 0)
		snprintf(path, sizeof(path), "%s/%s", build, binary + 6);
	else
		snprintf(path, sizeof(path), "%s", binary);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, ctl) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, bus) < 0)
		return -errno;
	vm->pid = fork();
	if (vm->pid == 0)
		become_worker(vm, path, fds, nfds, ctl[1], bus[1]);
	close(ctl[1]);
	close(bus[1]);
	vm->ctl_fd = ctl[0];
	vm->bus_fd = bus[0];
	if (vm->pid < 0)
		return -errno;
	vm->pidfd = (int)syscall(SYS_pidfd_open, vm->pid, 0);
	chan_init(&vm->ctl, ctl[0], PEER_CONTROLLER, PEER_DEVICE, vm->buffers);
	chan_init(&vm->bus, bus[0], PEER_VCPU, PEER_DEVICE, vm->buffers);
	vm->bus.states = PROTO_RUNNING;
	return vm->pidfd < 0 ? -errno : 0;
}

/* ---- what comes in -------------------------------------------------------------- */

static void
take_config(struct fakevm *vm, const ProtobufCBinaryData *config)
{
	vm->config_len = config->len;
	if (config->len > 0)
		memcpy(vm->config, config->data, config->len);
}

static void
take_ready(struct fakevm *vm, const Bh__DeviceReady *m)
{
	vm->ready = true;
	vm->virtio_id = m->virtio_id;
	vm->features = m->features;
	vm->nqueues = (unsigned int)m->n_queue_max;
	for (size_t i = 0; i < m->n_queue_max && i < FAKEVM_QUEUES; i++)
		vm->queue_max[i] = (uint16_t)m->queue_max[i];
	take_config(vm, &m->config);
	vm->ctl.states = PROTO_RUNNING;
}

static void
give_file(struct fakevm *vm, const Bh__WantFile *m)
{
	static char refused[] = "refused by the test";
	Bh__GiveFile give = BH__GIVE_FILE__INIT;
	Bh__BlkFile file = BH__BLK_FILE__INIT;
	CHAN_PACKET(p, GIVE_FILE, give_file, &give);
	bool extent = m->use == BH__FILE_USE__FILE_USE_EXTENT;
	struct stat st;
	int fd = vm->open_file != NULL ? vm->open_file(m->name, extent) : -1;

	snprintf(vm->wanted, sizeof(vm->wanted), "%s", m->name);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		file.size = (uint64_t)st.st_size;
		file.device = st.st_dev;
		file.inode = st.st_ino;
		file.readonly = !extent;
		give.file = &file;
	} else {
		give.error = EPERM;
		give.text = refused;
	}
	(void)chan_send(&vm->ctl, &p, &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
}

static void
take_packet(struct fakevm *vm, struct chan_msg *msg)
{
	const Bh__Packet *p = msg->packet;

	switch ((unsigned int)p->body_case) {
	case BH__PACKET__BODY_HELLO:
		vm->hello = true;
		vm->ctl.states = PROTO_CONFIGURING;
		return;
	case BH__PACKET__BODY_LOG:
		vm->log_lines++;
		snprintf(vm->log, sizeof(vm->log), "%s", p->log->text);
		return;
	case BH__PACKET__BODY_SECCOMP_LISTENER:
		vm->listener = chan_take_fd(msg, 0);
		return;
	case BH__PACKET__BODY_DEVICE_READY:
		take_ready(vm, p->device_ready);
		return;
	case BH__PACKET__BODY_CONFIG_CHANGED:
		vm->config_changes++;
		take_config(vm, &p->config_changed->config);
		return;
	case BH__PACKET__BODY_NEEDS_RESET:
		vm->needs_reset++;
		return;
	case BH__PACKET__BODY_KEEP_FILE:
		return;		/* nobody comes after it */
	case BH__PACKET__BODY_WANT_CONNECTION:
		if (vm->want != NULL)
			vm->want(vm);
		return;
	case BH__PACKET__BODY_WANT_PORT:
		if (vm->want_port != NULL)
			vm->want_port(vm, p->want_port->port,
			    p->want_port->seqpacket);
		return;
	case BH__PACKET__BODY_STOP_REQUESTED:
		vm->stop_requested = true;
		return;
	case BH__PACKET__BODY_WANT_FILE:
		give_file(vm, p->want_file);
		return;
	case BH__PACKET__BODY_FAILED:
		snprintf(vm->failed, sizeof(vm->failed), "%s", p->failed->text);
		vm->answer = -p->failed->error;
		vm->answered = p->seq;
		return;
	case BH__PACKET__BODY_DEVICE_STATE:
		vm->state_len = bh__device_state__pack(p->device_state,
		    vm->state);
		break;
	default:
		break;
	}
	vm->answer = 0;
	vm->answered = p->seq;
}

static int
take_all(struct fakevm *vm, struct chan *ch)
{
	struct chan_msg msg;
	const char *why = "";
	int rc;

	while ((rc = chan_recv(ch, &msg, &why)) > 0) {
		take_packet(vm, &msg);
		chan_done(&msg);
	}
	if (rc == -EPROTO)
		snprintf(vm->failed, sizeof(vm->failed), "refused: %s", why);
	return rc;
}

static int
take_denied(struct fakevm *vm)
{
	struct seccomp_notif n;

	memset(&n, 0, sizeof(n));
	if (ioctl(vm->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return errno == ENOENT ? 0 : -errno;
	snprintf(vm->denied, sizeof(vm->denied), "call %d (%llx, %llx, %llx)",
	    n.data.nr, (unsigned long long)n.data.args[0],
	    (unsigned long long)n.data.args[1],
	    (unsigned long long)n.data.args[2]);
	fprintf(stderr, "# denied: %s\n", vm->denied);
	kill(vm->pid, SIGKILL);
	return -EPERM;
}

int
fakevm_pump(struct fakevm *vm, int timeout_ms)
{
	struct pollfd p[3] = {
		{ .fd = vm->ctl_fd, .events = POLLIN },
		{ .fd = vm->bus_fd, .events = POLLIN },
		{ .fd = vm->listener, .events = POLLIN },
	};
	int rc = poll(p, 3, timeout_ms < 0 ? 0 : timeout_ms);

	if (rc < 0)
		return -errno;
	if (p[2].revents & POLLIN)
		return take_denied(vm);
	rc = vm->bus_fd >= 0 && p[1].revents ? take_all(vm, &vm->bus) : 0;
	if (rc == -EPIPE) {
		close(vm->bus_fd);
		vm->bus_fd = -1;
		rc = 0;
	}
	if (rc == 0 && p[0].revents)
		rc = take_all(vm, &vm->ctl);
	return rc;
}

static int
await_answer(struct fakevm *vm, uint32_t seq)
{
	int64_t end = now_ms() + FAKEVM_WAIT_MS;

	while (vm->answered != seq) {
		int rc = fakevm_pump(vm, (int)(end - now_ms()));

		if (rc < 0)
			return rc;
		if (now_ms() > end)
			return -ETIME;
	}
	return vm->answer;
}

int
fakevm_start(struct fakevm *vm, const char *binary, Bh__DeviceConfig *config,
    const struct fakevm_fd *fds, unsigned int nfds)
{
	int64_t end = now_ms() + FAKEVM_WAIT_MS;
	uint32_t seq;
	int rc = spawn(vm, binary, fds, nfds);
	CHAN_PACKET(p, DEVICE_CONFIG, device_config, config);

	if (rc < 0)
		return rc;
	config->regions = 1;
	config->memory_reserve = FAKEVM_RAM + RESERVE;
	p.seq = seq = chan_next_seq(&vm->ctl);
	rc = chan_send(&vm->ctl, &p, NULL, 0);
	/* Its own answer comes before that of the configuration. */
	if (rc == 0)
		rc = fakevm_add_memory(vm, 0, 0, FAKEVM_RAM, vm->ram_fd, 0,
		    false);
	if (rc < 0) {
		/* It may have said why before it went. */
		(void)take_all(vm, &vm->ctl);
		return rc;
	}
	while (!vm->ready) {
		rc = fakevm_pump(vm, (int)(end - now_ms()));
		if (rc < 0)
			return rc;
		if (vm->answered == seq && vm->answer < 0)
			return vm->answer;
		if (now_ms() > end)
			return -ETIME;
	}
	return vm->hello ? 0 : -EPROTO;
}

/* ---- requests ------------------------------------------------------------------- */

int
fakevm_ask_ctl(struct fakevm *vm, Bh__Packet *packet, int fd)
{
	int rc;

	packet->seq = chan_next_seq(&vm->ctl);
	rc = chan_send(&vm->ctl, packet, &fd, fd >= 0 ? 1 : 0);
	return rc < 0 ? rc : await_answer(vm, packet->seq);
}

int
fakevm_ask_bus(struct fakevm *vm, Bh__Packet *packet)
{
	int rc;

	/* Apart from those of the other channel. */
	packet->seq = 0x40000000u + chan_next_seq(&vm->bus);
	rc = chan_send(&vm->bus, packet, NULL, 0);
	return rc < 0 ? rc : await_answer(vm, packet->seq);
}

int
fakevm_post_bus(struct fakevm *vm, Bh__Packet *packet)
{
	return chan_send(&vm->bus, packet, NULL, 0);
}

int
fakevm_give(struct fakevm *vm, int error, const int *fds, unsigned int nfds)
{
	Bh__GiveConnection give = BH__GIVE_CONNECTION__INIT;
	CHAN_PACKET(p, GIVE_CONNECTION, give_connection, &give);
	int rc;

	give.error = error;
	rc = chan_send(&vm->ctl, &p, fds, nfds);
	for (unsigned int i = 0; i < nfds; i++)
		close(fds[i]);
	return rc;
}

int
fakevm_give_port(struct fakevm *vm, int error, int fd)
{
	Bh__GivePort give = BH__GIVE_PORT__INIT;
	CHAN_PACKET(p, GIVE_PORT, give_port, &give);
	int rc;

	give.error = error;
	rc = chan_send(&vm->ctl, &p, &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
fakevm_activate_rings(struct fakevm *vm, uint64_t features,
    unsigned int nqueues)
{
	Bh__Activate a = BH__ACTIVATE__INIT;
	Bh__Queue queue[FAKEVM_QUEUES], *pointers[FAKEVM_QUEUES];
	CHAN_PACKET(p, ACTIVATE, activate, &a);

	for (unsigned int q = 0; q < nqueues; q++) {
		bh__queue__init(&queue[q]);
		queue[q].index = q;
		queue[q].size = vm->q[q].size;
		queue[q].desc = vm->q[q].desc;
		queue[q].avail = vm->q[q].avail;
		queue[q].used = vm->q[q].used;
		pointers[q] = &queue[q];
	}
	a.features = features;
	a.n_queues = nqueues;
	a.queues = pointers;
	a.resume = vm->resume;
	return fakevm_ask_bus(vm, &p);
}

int
fakevm_activate(struct fakevm *vm, uint64_t features, unsigned int nqueues,
    uint16_t size)
{
	vm->next_ring = 4096;
	for (unsigned int q = 0; q < nqueues; q++) {
		drvq_init(&vm->q[q], vm->ram, vm->next_ring,
		    size != 0 ? size : vm->queue_max[q], features);
		vm->next_ring = vm->q[q].end;
	}
	if (vm->next_ring > FAKEVM_DATA)
		return -ENOSPC;
	return fakevm_activate_rings(vm, features, nqueues);
}

int
fakevm_reset(struct fakevm *vm)
{
	Bh__ResetDevice m = BH__RESET_DEVICE__INIT;
	CHAN_PACKET(p, RESET_DEVICE, reset_device, &m);

	return fakevm_ask_bus(vm, &p);
}

int
fakevm_write_config(struct fakevm *vm, uint32_t offset, uint64_t value,
    uint32_t width)
{
	Bh__WriteConfig m = BH__WRITE_CONFIG__INIT;
	CHAN_PACKET(p, WRITE_CONFIG, write_config, &m);

	m.offset = offset;
	m.data.data = (uint8_t *)&value;
	m.data.len = width;
	return fakevm_post_bus(vm, &p);
}

int
fakevm_add_memory(struct fakevm *vm, uint32_t slot, uint64_t gpa,
    uint64_t size, int fd, uint64_t offset, bool readonly)
{
	Bh__MemoryRegion r = BH__MEMORY_REGION__INIT;
	Bh__AddMemory m = BH__ADD_MEMORY__INIT;
	CHAN_PACKET(p, ADD_MEMORY, add_memory, &m);

	r.slot = slot;
	r.gpa = gpa;
	r.size = size;
	r.offset = offset;
	r.readonly = readonly;
	m.region = &r;
	return fakevm_ask_ctl(vm, &p, fd);
}

int
fakevm_remove_memory(struct fakevm *vm, uint32_t slot)
{
	Bh__RemoveMemory m = BH__REMOVE_MEMORY__INIT;
	CHAN_PACKET(p, REMOVE_MEMORY, remove_memory, &m);

	m.slot = slot;
	return fakevm_ask_ctl(vm, &p, -1);
}

int
fakevm_dirty_log(struct fakevm *vm, int fd, uint64_t size)
{
	Bh__SetDirtyLog m = BH__SET_DIRTY_LOG__INIT;
	CHAN_PACKET(p, SET_DIRTY_LOG, set_dirty_log, &m);

	m.size = size;
	return fakevm_ask_ctl(vm, &p, fd);
}

int
fakevm_resize(struct fakevm *vm, uint64_t size)
{
	Bh__ResizeDisk m = BH__RESIZE_DISK__INIT;
	CHAN_PACKET(p, RESIZE_DISK, resize_disk, &m);

	m.size = size;
	m.image = vm->resize_image;
	return fakevm_ask_ctl(vm, &p, -1);
}

int
fakevm_drain(struct fakevm *vm)
{
	Bh__Drain m = BH__DRAIN__INIT;
	CHAN_PACKET(p, DRAIN, drain, &m);

	return fakevm_ask_ctl(vm, &p, -1);
}

int
fakevm_save(struct fakevm *vm)
{
	Bh__SaveState m = BH__SAVE_STATE__INIT;
	CHAN_PACKET(p, SAVE_STATE, save_state, &m);

	vm->state_len = 0;
	return fakevm_ask_ctl(vm, &p, -1);
}

int
fakevm_load(struct fakevm *vm)
{
	Bh__DeviceState *m = bh__device_state__unpack(NULL, vm->state_len,
	    vm->state);
	CHAN_PACKET(p, DEVICE_STATE, device_state, m);
	int rc = m != NULL ? fakevm_ask_ctl(vm, &p, -1) : -EBADMSG;

	bh__device_state__free_unpacked(m, NULL);
	return rc;
}

int
fakevm_attach_bus(struct fakevm *vm)
{
	Bh__AttachBus m = BH__ATTACH_BUS__INIT;
	int bus[2], rc;
	CHAN_PACKET(p, ATTACH_BUS, attach_bus, &m);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, bus) < 0)
		return -errno;
	if (vm->bus_fd >= 0)
		close(vm->bus_fd);
	vm->bus_fd = bus[0];
	chan_init(&vm->bus, bus[0], PEER_VCPU, PEER_DEVICE, vm->buffers);
	vm->bus.states = PROTO_RUNNING;
	rc = fakevm_ask_ctl(vm, &p, bus[1]);
	close(bus[1]);
	return rc;
}

int
fakevm_attach_backend(struct fakevm *vm, int fd)
{
	Bh__AttachBackend m = BH__ATTACH_BACKEND__INIT;
	CHAN_PACKET(p, ATTACH_BACKEND, attach_backend, &m);

	return fakevm_ask_ctl(vm, &p, fd);
}

/* ---- the end -------------------------------------------------------------------- */

int
fakevm_wait_exit(struct fakevm *vm)
{
	int64_t end = now_ms() + FAKEVM_WAIT_MS;
	int status, rc = 0;

	for (;;) {
		struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };

		if (poll(&p, 1, 10) > 0)
			break;
		if (rc == 0)
			rc = fakevm_pump(vm, 0);
		if (now_ms() > end)
			return -ETIME;
	}
	/* The last words. */
	while (vm->ctl_fd >= 0 && take_all(vm, &vm->ctl) > 0)
		;
	if (waitpid(vm->pid, &status, 0) < 0)
		return -errno;
	forget_worker(vm);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
}

int
fakevm_quit(struct fakevm *vm)
{
	Bh__Quit m = BH__QUIT__INIT;
	CHAN_PACKET(p, QUIT, quit, &m);
	int rc = chan_send(&vm->ctl, &p, NULL, 0);

	return rc < 0 ? rc : fakevm_wait_exit(vm);
}

/* ---- the driver ------------------------------------------------------------------ */

void
fakevm_kick(struct fakevm *vm, unsigned int q)
{
	const uint64_t one = 1;

	if (write(vm->kick[q], &one, sizeof(one)) < 0)
		return;	/* EAGAIN: kicked already */
}

void
fakevm_publish(struct fakevm *vm, unsigned int q)
{
	if (drvq_publish(&vm->q[q]))
		fakevm_kick(vm, q);
}

static bool
taken(int eventfd)
{
	uint64_t n;

	return read(eventfd, &n, sizeof(n)) == sizeof(n);
}

bool
fakevm_called(struct fakevm *vm, unsigned int q)
{
	return taken(vm->call[q]);
}

int
fakevm_used(struct fakevm *vm, unsigned int q, uint64_t *cookie, uint32_t *len)
{
	int64_t end = now_ms() + FAKEVM_WAIT_MS;

	/* Only an interrupt ends the sleep: one that is lost shows. */
	while (!drvq_get(&vm->q[q], cookie, len)) {
		bool awake = drvq_want_calls(&vm->q[q], true);

		while (!awake) {
			struct pollfd p[4] = {
				{ .fd = vm->call[q], .events = POLLIN },
				{ .fd = vm->listener, .events = POLLIN },
				{ .fd = vm->ctl_fd, .events = POLLIN },
				{ .fd = vm->bus_fd, .events = POLLIN },
			};
			int rc;

			(void)poll(p, 4, 1000);
			awake = fakevm_called(vm, q);
			rc = fakevm_pump(vm, 0);
			if (rc < 0)
				return rc;
			if (vm->needs_reset > 0)
				return -EIO;
			if (now_ms() > end)
				return -ETIME;
		}
	}
	return 0;
}

int
fakevm_request(struct fakevm *vm, unsigned int q, const struct drvq_buf *bufs,
    unsigned int n, uint32_t *len)
{
	uint64_t cookie;

	if (drvq_add(&vm->q[q], bufs, n, 0, 1) < 0)
		return -ENOSPC;
	fakevm_publish(vm, q);
	return fakevm_used(vm, q, &cookie, len);
}
