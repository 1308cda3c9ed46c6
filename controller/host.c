// SPDX-License-Identifier: Apache-2.0
//
// The host, see host.h. All of it is looked at before the controller confines
// itself.
#include "controller/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/share.h"
#include "controller/usage.h"
#include "ipc/log.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#ifndef BULKHEAD_LIBEXEC_DIR
#define LEAST_LANDLOCK 2	/* ABI; Linux 5.19 */
#define BULKHEAD_LIBEXEC_DIR "/usr/local/libexec/bulkhead"
#endif

/*
 * Uids of VMs: above what distributions hand out to users, services and
 * containers (systemd's container range ends below 0x70000000).
 */
#define UID_FIRST 0x70000000u
#define UID_BLOCK 512u
#define UID_BLOCKS 4096u
/* Empty, stays; byte n: block n. A host may lack /run, never /dev. */
static const char *const uid_locks[] = { "/run/bulkhead.uids",
					 "/dev/bulkhead.uids" };

/* Bytes that a line of /proc/meminfo says, 0 if it is not there. */
static uint64_t
meminfo(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line == NULL ? 0 :
	    strtoull(line + strlen(name), NULL, 10) << 10;
}

/* A small file as a string, "" if it cannot be read. */
static void
slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

void
host_probe(struct plan_host *host)
{
	static char text[8192];
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	host->root = host_is_root();
	host->uid = getuid();
	host->gid = getgid();
	host->phys_bits = 36;
#ifdef __x86_64__
	{
		unsigned int a, b, c, d;

		if (__get_cpuid(0x80000008, &a, &b, &c, &d) != 0)
			host->phys_bits = a & 0xff;
	}
#endif
	slurp("/proc/meminfo", text, sizeof(text));
	host->memory = meminfo(text, "MemTotal:") + meminfo(text, "SwapTotal:");
	host->cpus = cpus > 0 ? (uint32_t)cpus : 0;
	host->landlock = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION) >= LEAST_LANDLOCK;
	if (getrandom(&host->random, sizeof(host->random), 0) !=
	    sizeof(host->random))
		host->random = (uint64_t)getpid() << 16;
}

/* A count of the pool of pages of @page bytes. */
static uint64_t
pool(uint64_t page, const char *name)
{
	char path[128], text[32];

	(void)snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/"
	    "hugepages-%llukB/%s", (unsigned long long)page >> 10, name);
	slurp(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

/*
 * Are there huge pages enough, now or by overcommit? Who maps virtio-mem's region
 * reserves all of it; a DIMM's are looked for when it comes.
 */
static int
check_pool(const struct vm_spec *spec, uint64_t page, uint64_t standard,
    struct spec_error *err)
{
	uint64_t size = 0, hot = 0, have, need;

	for (uint32_t i = 0; i < spec_nzones(spec); i++) {
		const struct zone_spec z = spec_zone(spec, i);

		if (!z.hugepages ||
		    (z.hugepage_size != 0 ? z.hugepage_size : standard) != page)
			continue;
		size += z.size;
		if (spec->memory.hotplug_method == HOTPLUG_VIRTIO_MEM)
			hot += z.hotplug_size;
		if (z.size % page != 0) {
			(void)usage(err, "--memory size=%z,hugepages=on: not a "
			    "multiple of the %lK of a huge page; round it up",
			    z.size, page >> 10);
			return -EINVAL;
		}
	}
	have = pool(page, "free_hugepages") - pool(page, "resv_hugepages") +
	    pool(page, "nr_overcommit_hugepages") -
	    pool(page, "surplus_hugepages");
	need = size / page + hot / page;
	if (have >= need)
		return 0;
	if (hot != 0)
		(void)usage(err, "--memory size=%z,hotplug_size=%z,hugepages=on: "
		    "needs %l huge pages of %z and the host has %l; reserve more "
		    "(vm.nr_hugepages)", size, hot, need, page, have);
	else
		(void)usage(err, "--memory size=%z,hugepages=on: needs %l huge "
		    "pages of %z and the host has %l; reserve more "
		    "(vm.nr_hugepages)", size, need, page, have);
	return -ENOMEM;
}

static int
check_hugepages(const struct vm_spec *spec, uint64_t standard,
    struct spec_error *err)
{
	int rc = 0;

	if (standard == 0)
		standard = 2ull << 20;
	for (uint32_t i = 0; rc == 0 && i < spec_nzones(spec); i++) {
		const struct zone_spec z = spec_zone(spec, i);

		if (z.hugepages)
			rc = check_pool(spec, z.hugepage_size != 0 ?
			    z.hugepage_size : standard, standard, err);
	}
	return rc;
}

/* Memory of ordinary pages. */
static uint64_t
ordinary(const struct vm_spec *spec)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < spec_nzones(spec); i++)
		if (!spec_zone(spec, i).hugepages)
			sum += spec_zone(spec, i).size;
	return sum;
}

/* What may run where is the kernel's to say; here, what there can never be. */
static int
check_affinity(const char *option, const struct affinity_list *list,
    uint32_t have, struct spec_error *err)
{
	struct span name = { option, strlen(option) };

	for (uint32_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < list->of[i].ncpus; k++) {
			uint64_t cpu = list->of[i].cpus[k];

			if (have == 0 || cpu < have)
				continue;
			(void)usage(err, "%S=[%l@[%l]]: this host "
			    "has no such CPU; give CPUs from 0 to %l", &name,
			    (uint64_t)list->of[i].which, cpu,
			    (uint64_t)have - 1);
			return -EINVAL;
		}
	return 0;
}

static void
warn_of_size(uint64_t size, uint64_t available)
{
	char text[VALUE_SIZE_TEXT];

	value_size_text(size, text);
	log_warn("--memory size=%s: more than the %lluM that are available now",
	    text, (unsigned long long)available >> 20);
}

int
host_check_kept(const struct vm_spec *spec, const struct plan_host *host,
    struct spec_error *err)
{
	int rc = check_affinity("--cpus affinity", &spec->cpus.affinity,
	    host->cpus, err);

	for (uint32_t i = 0; rc == 0 && i < spec->ndisks; i++)
		rc = check_affinity("--disk queue_affinity",
		    &spec->disks[i].queue_affinity, host->cpus, err);
	if (rc == 0 && spec->landlock && !host->landlock) {
		(void)usage(err, "--landlock: this kernel has none, or an old "
		    "one; add landlock to its lsm= (see bulkheadctl doctor)");
		return -ENOSYS;
	}
	if (rc == 0)
		rc = share_check(spec, host, UID_FIRST, UID_BLOCK * UID_BLOCKS, err);
	if (rc != 0 || host->memory == 0 || ordinary(spec) <= host->memory)
		return rc;
	(void)usage(err, "--memory size=%z: the host has %lM of memory and swap; "
	    "lower it", ordinary(spec), host->memory >> 20);
	return -ENOMEM;
}

int
host_check(const struct vm_spec *spec, const struct plan_host *host,
    struct spec_error *err)
{
	static char text[8192];
	uint64_t free_now, size = ordinary(spec);
	int rc = host_check_kept(spec, host, err);

	if (rc != 0)
		return rc;
	slurp("/proc/meminfo", text, sizeof(text));
	rc = check_hugepages(spec, meminfo(text, "Hugepagesize:"), err);
	if (rc != 0)
		return rc;
	free_now = meminfo(text, "MemAvailable:");
	if (free_now != 0 && size > free_now)
		warn_of_size(size, free_now);
	return 0;
}

void
host_open_fds(uint8_t *bits, unsigned int n)
{
	static struct pollfd fds[1024];

	if (n > 1024)
		n = 1024;
	for (unsigned int i = 0; i < n; i++)
		fds[i].fd = (int)i;
	/* One call that says of each fd whether it is one; of no more than there
	 * may be. */
	while (poll(fds, n, 0) < 0 && n > 8)
		n /= 2;
	/* ... but for those that are opened with O_PATH. */
	for (unsigned int i = 3; i < n; i++)
		if ((fds[i].revents & POLLNVAL) == 0 ||
		    fcntl((int)i, F_GETFD) >= 0)
			bits[i / 8] |= (uint8_t)(1u << i % 8);
}

void
host_raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int
copy_path(char *dst, size_t size, const char *path)
{
	size_t len = strlen(path);

	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(dst, path, len + 1);
	return 0;
}

int
host_libexec(char *dir, size_t size)
{
	const char *given = secure_getenv("BULKHEAD_LIBEXEC");
	char child[4200];
	ssize_t n;
	char *slash;

	/* Root's programs come from nowhere but the installation. */
	if (given != NULL && geteuid() != 0) {
		return copy_path(dir, size, given);
	}
	n = readlink("/proc/self/exe", dir, size - 1);
	if (n < 0)
		return -errno;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (slash != NULL)
		*slash = '\0';
	(void)snprintf(child, sizeof(child), "%s/bulkhead-vcpu", dir);
	if (access(child, F_OK) == 0)
		return 0;
	/* PREFIX/bin and PREFIX/libexec, wherever they were put together. */
	(void)snprintf(child, sizeof(child),
	    "%s/../libexec/bulkhead/bulkhead-vcpu", dir);
	if (access(child, F_OK) != 0)
		return copy_path(dir, size, BULKHEAD_LIBEXEC_DIR);
	*strrchr(child, '/') = '\0';
	return copy_path(dir, size, child);
}

const char *
host_passt(void)
{
	const char *given = secure_getenv("BULKHEAD_PASST");

	return given != NULL && geteuid() != 0 ? given : "/usr/bin/passt";
}

bool
host_is_root(void)
{
	char text[1024], *at = text;

	if (geteuid() != 0)
		return false;
	slurp("/proc/self/uid_map", text, sizeof(text));
	if (text[0] == '\0')
		return true;	/* a kernel without user namespaces */
	/* A line a range: first id inside, first outside, how many. */
	while (*at != '\0') {
		uint64_t first = strtoull(at, &at, 10);
		uint64_t count;

		(void)strtoull(at, &at, 10);
		count = strtoull(at, &at, 10);
		if (first <= UID_FIRST && first + count >=
		    UID_FIRST + (uint64_t)UID_BLOCK * UID_BLOCKS)
			return true;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return false;
}

/*
 * Byte n of one file is the lock of block n. The lock is that of the open file
 * description, which the spawner shares: it goes when both are gone, and so are
 * the processes that had the uids. (An abstract socket would leave no file, but
 * hold in one network namespace only.)
 */
int
host_uid_block(uint32_t *base)
{
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < 2; i++)
		fd = open(uid_locks[i], O_RDWR | O_CREAT | O_CLOEXEC |
		    O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	for (uint32_t i = 0; i < UID_BLOCKS; i++) {
		struct flock lock = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET,
			.l_start = i, .l_len = 1,
		};

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
			*base = UID_FIRST + i * UID_BLOCK;
			return 0;	/* the fd stays open: it is the lock */
		}
		if (errno != EAGAIN && errno != EACCES)
			break;
	}
	close(fd);
	return -EUSERS;
}

const char *
host_spawner_remedy(int error)
{
	switch (error) {
	case -ENOENT:
		return "; build or install all of Bulkhead's programs together";
	case -EPERM:
	case -ENOSPC:
		return "; allow user namespaces (kernel.unprivileged_userns_"
		       "clone, user.max_user_namespaces), see bulkheadctl doctor";
	case -EMFILE:
		return "; raise the limit of open files (ulimit -n)";
	default:
		return "";
	}
}
