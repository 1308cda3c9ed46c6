// SPDX-License-Identifier: Apache-2.0
//
// Files that are open already, in place of paths, see paths.h: those that the VMM
// was started with, and those that came with a request. Each is looked at (what it
// is, how it was opened) before it goes to a worker; none is read or written here.
#include "controller/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "controller/life.h"
#include "controller/opener/opened.h"
#include "controller/output.h"
#include "controller/paths_inside.h"
#include "controller/pmem.h"
#include "ipc/log.h"

#define KVM_MAJOR 10
#define KVM_MINOR 232

#define REGULAR (1u << 0)
#define BLOCK (1u << 1)
#define CHARACTER (1u << 2)
#define PIPE (1u << 3)
#define DIRECTORY (1u << 4)
#define SOCKET (1u << 5)
#define ANY (~0u)

#define NO_FD (-1)		/* refusals are -EINVAL */

enum access { BY_PATH = 1, READS = 2, WRITES = 4, LISTENS = 8, CONNECTED = 16 };

struct wanted {
	unsigned int types;
	unsigned int access;
	const char *wrong;	/* and what to do */
};

#define LOG_WANTED { REGULAR | CHARACTER | PIPE | SOCKET, WRITES,		\
	"not something to write a log to; pass a file, pipe or socket" }
#define LISTENING { SOCKET, LISTENS,					\
	"not a listening stream socket; pass one" }

static const struct wanted port_file = { REGULAR | CHARACTER | PIPE, WRITES,
    "not something to write a console to; pass a file or pipe" };
static const struct wanted port_socket = LISTENING;
static const struct wanted connection = { SOCKET, CONNECTED,
    "not a connected stream socket; pass one" };
static const struct wanted by_use[] = {
	[PATH_LOG] = LOG_WANTED,
	[PATH_API] = LISTENING,
	[PATH_EVENTS] = LOG_WANTED,
	[PATH_KVM] = { CHARACTER, READS | WRITES, "not /dev/kvm; pass that" },
	[PATH_LIBEXEC] = { DIRECTORY, BY_PATH, "not a directory; pass that of "
	    "the programs" },
	[PATH_KERNEL] = { REGULAR, READS, "not a file; pass an open one" },
	[PATH_INITRAMFS] = { REGULAR, READS, "not a file; pass an open one" },
	[PATH_DISK] = { REGULAR | BLOCK, READS,
	    "not a file or block device; pass an open one" },
	[PATH_SHARE] = { DIRECTORY, BY_PATH, "not a directory; pass one" },
	[PATH_PMEM] = { REGULAR, READS, "not a file; pass an open one" },
	[PATH_RNG] = { REGULAR | CHARACTER | PIPE | SOCKET, READS,
	    "not a source of bytes; pass /dev/urandom" },
	[PATH_RULE] = { ANY, BY_PATH, "" },
	[PATH_BACK_END] = LISTENING,
};

/* ---- what an fd is ------------------------------------------------------------- */

static unsigned int
type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return REGULAR;
	case S_IFBLK: return BLOCK;
	case S_IFCHR: return CHARACTER;
	case S_IFIFO: return PIPE;
	case S_IFDIR: return DIRECTORY;
	case S_IFSOCK: return SOCKET;
	default: return 0;	/* an epoll fd and the like */
	}
}

static bool
is_stream(int fd, bool listens)
{
	int type = 0, accepts = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_STREAM &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) == 0 &&
	    (accepts != 0) == listens;
}

/* Ours are not for who names a number. */
static bool
was_passed(const struct vm *vm, int fd)
{
	const unsigned int n = (unsigned int)fd;

	return (n < HOST_INHERITED && (vm->inherited[n / 8] & 1u << n % 8) != 0) ||
	    (n < VM_SENT && (vm->sent[n / 8] & 1u << n % 8) != 0);
}

/* NULL: it is what is wanted; else why not. */
static const char *
look_at(const struct vm *vm, int fd, const struct wanted *w, struct stat *st)
{
	int flags;

	*st = (struct stat){ .st_mode = 0 };
	if (!was_passed(vm, fd) || fstat(fd, st) < 0 ||
	    (flags = fcntl(fd, F_GETFL)) < 0)
		return "there is no such fd; pass it on (3 to 1023)";
	if (w->types != ANY && (w->types & type_of(st->st_mode)) == 0)
		return w->wrong;
	if ((flags & O_PATH) != 0 && (w->access & BY_PATH) == 0)
		return "opened with O_PATH; pass it open";
	if ((w->access & READS) != 0 && (flags & O_ACCMODE) == O_WRONLY)
		return "open for writing only; pass it open for reading";
	if ((w->access & WRITES) != 0 && (flags & O_ACCMODE) == O_RDONLY)
		return "open for reading only; pass it open for writing";
	if ((w->access & (LISTENS | CONNECTED)) != 0 &&
	    !is_stream(fd, (w->access & LISTENS) != 0))
		return w->wrong;
	return NULL;
}

/* Whoever uses it waits for many things at once. */
static void
unblock(int fd, const struct stat *st, enum path_use use)
{
	int flags = fcntl(fd, F_GETFL);

	/* A terminal's flags are those of the user's shell as well. */
	if (flags >= 0 && (S_ISSOCK(st->st_mode) || S_ISFIFO(st->st_mode) ||
	    (S_ISCHR(st->st_mode) && use == PATH_RNG)))
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* ---- the VMM's own ------------------------------------------------------------- */

static const char *
look_at_kvm(int fd, const struct stat *st)
{
	if (st->st_rdev != makedev(KVM_MAJOR, KVM_MINOR))
		return by_use[PATH_KVM].wrong;
	return ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION ?
	    "KVM of another API version" : NULL;
}

/* Root's programs are those that nobody else can change. */
static const char *
look_at_libexec(const struct stat *st)
{
	return geteuid() == 0 && (st->st_uid != 0 || (st->st_mode & 022) != 0) ?
	    "others than root may write there; pass the directory of an "
	    "installation" : NULL;
}

int
paths_adopt_own(struct vm *vm)
{
	const struct vm_spec *s = &vm->spec;
	int log = spec_fd(s->log.file);
	const struct { enum path_use use; int fd; } own[] = {
		{ PATH_LOG, log >= 0 ? log : 0 }, { PATH_API, (int)s->api.fd },
		{ PATH_EVENTS, (int)s->events.fd }, { PATH_KVM, (int)s->kvm.fd },
		{ PATH_LIBEXEC, (int)s->libexec.fd },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		struct path_item item = { own[i].use, 0 };
		const char *why;
		struct stat st;

		if (own[i].fd == 0)
			continue;
		why = look_at(vm, own[i].fd, &by_use[item.use], &st);
		if (why == NULL && item.use == PATH_KVM)
			why = look_at_kvm(own[i].fd, &st);
		if (why == NULL && item.use == PATH_LIBEXEC)
			why = look_at_libexec(&st);
		if (why != NULL)
			return path_refuse(vm, &item, why);
		(void)fcntl(own[i].fd, F_SETFD, FD_CLOEXEC);
		if (item.use != PATH_LIBEXEC)
			unblock(own[i].fd, &st, item.use);
	}
	if (s->api.fd != 0)
		vm->api_listen = (int)s->api.fd;
	if (s->events.fd != 0)
		vm->api_events = (int)s->events.fd;
	if (log >= 0)
		output_to(log);
	return 0;
}

/* ---- the VM's ------------------------------------------------------------------ */

/*
 * A duplicate of the fd that @path names, for this boot; NO_FD: it names none; or
 * -EINVAL with the line said.
 */
static int
adopt(struct vm *vm, enum path_use use, uint32_t index, const char *path,
    const struct wanted *wanted, struct stat *st)
{
	struct path_item item = { use, index };
	int fd = spec_fd(path), own;
	const char *why;

	if (fd < 0)
		return NO_FD;
	why = look_at(vm, fd, wanted, st);
	if (why != NULL)
		return path_refuse(vm, &item, why);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return path_refuse(vm, &item, log_errtext(errno));
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if ((wanted->access & BY_PATH) == 0)
		unblock(fd, st, use);
	return own;
}

/* How it was opened is for good: it must be what the option says. */
static int
adopt_disk(struct vm *vm, uint32_t index)
{
	const struct disk_spec *disk = &vm->spec.disks[index];
	struct path_item item = { PATH_DISK, index };
	Bh__Opened o = BH__OPENED__INIT;
	const char *why = NULL;
	struct stat st = { .st_mode = 0 };
	int fd, flags, sector = 512;

	fd = adopt(vm, PATH_DISK, index, disk->path, &by_use[PATH_DISK], &st);
	if (fd < 0)
		return fd == NO_FD ? 0 : fd;
	flags = fcntl(fd, F_GETFL);
	o.device = st.st_dev;
	o.inode = st.st_ino;
	o.size = (uint64_t)st.st_size;
	o.block = S_ISBLK(st.st_mode);
	if (o.block && (ioctl(fd, BLKGETSIZE64, &o.size) < 0 ||
	    ioctl(fd, BLKSSZGET, &sector) < 0))
		why = log_errtext(errno);
	else if (!disk->readonly && (flags & O_ACCMODE) != O_RDWR)
		why = "open for reading only; add readonly=on, or pass it open "
		    "for both";
	else if (disk->direct != ((flags & O_DIRECT) != 0))
		why = disk->direct ? "not opened with O_DIRECT; leave out "
		    "direct=on" : "opened with O_DIRECT; add direct=on";
	o.block_size = (uint32_t)sector;
	if (why == NULL)
		return path_take_disk(vm, &item, &o, fd, -1, -1);
	close(fd);
	return path_refuse(vm, &item, why);
}

/* Whoever maps it could write where the fd can. */
static int
adopt_pmem(struct vm *vm, uint32_t index)
{
	const struct pmem_spec *pmem = &vm->spec.pmems[index];
	struct path_item item = { PATH_PMEM, index };
	Bh__Opened o = BH__OPENED__INIT;
	struct stat st = { .st_mode = 0 };
	int fd, mode;

	fd = adopt(vm, PATH_PMEM, index, pmem->file, &by_use[PATH_PMEM], &st);
	if (fd < 0)
		return fd == NO_FD ? 0 : fd;
	mode = fcntl(fd, F_GETFL) & O_ACCMODE;
	o.size = (uint64_t)st.st_size;
	if (mode == (pmem->discard_writes ? O_RDONLY : O_RDWR))
		return pmem_opened(vm, &item, &o, fd);
	close(fd);
	return path_refuse(vm, &item, pmem->discard_writes ? "open for writing, "
	    "too; pass it open for reading only" : "open for reading only; add "
	    "discard_writes=on, or pass it open for both");
}

static int
adopt_port(struct vm *vm, uint32_t port)
{
	const struct port_spec *spec = path_port(vm, port);
	bool socket = spec->mode == PORT_SOCKET;
	struct stat st;
	int fd;

	if (!socket && spec->mode != PORT_FILE)
		return 0;
	fd = adopt(vm, PATH_PORT, port, spec->path,
	    socket ? &port_socket : &port_file, &st);
	if (fd < 0)
		return fd == NO_FD ? 0 : fd;
	if (socket)
		vm->port_in[port] = fd;
	else
		vm->port_out[port] = fd;
	return 0;
}

static int
adopt_payload(struct vm *vm)
{
	const struct { enum path_use use; const char *path; int *fd;
	    uint64_t *size; } files[] = {
		{ PATH_KERNEL, path_kernel(&vm->spec), &vm->kernel,
		  &vm->kernel_size },
		{ PATH_INITRAMFS, vm->spec.payload.initramfs, &vm->initramfs,
		  &vm->initramfs_size },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct stat st = { .st_mode = 0 };
		int fd = adopt(vm, files[i].use, 0, files[i].path,
		    &by_use[files[i].use], &st);

		if (fd < NO_FD)
			return fd;
		if (fd < 0)
			continue;
		*files[i].fd = fd;
		*files[i].size = (uint64_t)st.st_size;
	}
	return 0;
}

/* One that goes into a backend by itself. */
static int
adopt_into(struct vm *vm, enum path_use use, uint32_t index, const char *path,
    struct backend *b)
{
	struct stat st;
	int fd = adopt(vm, use, index, path, &by_use[use], &st);

	if (fd >= 0)
		b->fds[b->nfds++] = fd;
	return fd < NO_FD ? fd : 0;
}

int
paths_adopt_files(struct vm *vm)
{
	const struct vm_spec *spec = &vm->spec;
	int rc = adopt_payload(vm);

	if (rc == 0 && spec->kvm.fd != 0) {
		vm->kvm = fcntl((int)spec->kvm.fd, F_DUPFD_CLOEXEC, 3);
		if (vm->kvm < 0)
			rc = path_refuse(vm, &(struct path_item){ PATH_KVM, 0 },
			    log_errtext(errno));
	}
	for (uint32_t i = 0; rc == 0 && i < spec->nlandlock_rules; i++) {
		struct stat st;

		rc = adopt(vm, PATH_RULE, i, spec->landlock_rules[i].path,
		    &by_use[PATH_RULE], &st);
		if (rc >= 0)
			vm->rules[i] = rc;
		rc = rc < NO_FD ? rc : 0;
	}
	for (uint32_t i = 0; rc == 0 && i < spec->ndisks; i++)
		if (!spec->disks[i].vhost.on)
			rc = adopt_disk(vm, i);
	for (uint32_t i = 0; rc == 0 && i < spec->nfs; i++)
		rc = adopt_into(vm, PATH_SHARE, i, spec->fs[i].path,
		    &vm->shares[i]);
	for (uint32_t i = 0; rc == 0 && i < spec->npmems; i++)
		rc = adopt_pmem(vm, i);
	if (rc == 0)
		rc = adopt_into(vm, PATH_RNG, 0, spec->rng.src, &vm->rng);
	for (uint32_t i = 0; rc == 0 && i < VM_PORTS; i++)
		rc = adopt_port(vm, i);
	for (uint32_t i = 0; rc == 0 && i < spec->nnets; i++)
		if (spec->nets[i].vhost.on &&
		    spec->nets[i].vhost.mode == VHOST_SERVER)
			rc = adopt_into(vm, PATH_BACK_END, i,
			    spec->nets[i].vhost.socket, &vm->nets[i]);
	return rc;
}

static int
adopt_net(struct vm *vm, uint32_t i)
{
	const struct net_spec *net = &vm->spec.nets[i];
	struct backend *b = &vm->nets[i];

	for (uint32_t k = 0; k < net->nfds; k++) {
		struct path_item item = { PATH_TAP, i };
		const char *why = NULL;
		int rc = tap_adopt(net->fds[k], &b->tap_offloads, &why);

		if (rc != 0)
			return path_refuse(vm, &item, why != NULL ? why :
			    log_errtext(rc));
		if (!net->mac.given)
			(void)tap_macvtap_mac(net->fds[k],
			    plan_net(&vm->plan, i)->mac);
		(void)fcntl(net->fds[k], F_SETFD, FD_CLOEXEC);
		b->fds[b->nfds++] = net->fds[k];
		b->borrowed = true;
	}
	return 0;
}

int
paths_adopt_taps(struct vm *vm)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < vm->spec.nnets; i++)
		rc = adopt_net(vm, i);
	return rc;
}

int
paths_adopt_device(struct vm *vm, const struct plan_device *dev)
{
	const uint32_t i = dev->index;

	if (dev->kind == PROC_BLK)
		return adopt_disk(vm, i);
	if (dev->kind == PROC_FS)
		return adopt_into(vm, PATH_SHARE, i, vm->spec.fs[i].path,
		    &vm->shares[i]);
	if (dev->kind == PROC_PMEM)
		return adopt_pmem(vm, i);
	if (dev->kind == PROC_NET)
		return adopt_net(vm, i);
	if (dev->kind == PROC_FRONT && dev->front == FRONT_NET &&
	    vm->spec.nets[i].vhost.mode == VHOST_SERVER)
		return adopt_into(vm, PATH_BACK_END, i,
		    vm->spec.nets[i].vhost.socket, &vm->nets[i]);
	return 0;
}

/* Used once: nobody can connect it again. */
int
paths_adopt_connection(struct vm *vm, const char *socket, const char **why)
{
	const int fd = spec_fd(socket);
	const unsigned int n = (unsigned int)fd;
	struct stat st;

	*why = look_at(vm, fd, &connection, &st);
	if (*why != NULL)
		return -ENOTCONN;
	unblock(fd, &st, PATH_BACK_END);
	if (n < HOST_INHERITED)
		vm->inherited[n / 8] &= (uint8_t)~(1u << n % 8);
	vm->sent[n / 8] &= (uint8_t)~(1u << n % 8);
	return fd;
}
