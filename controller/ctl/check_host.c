/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor's checks of the host's resources, see check.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "controller/ctl/check.h"
#include "controller/ctl/probe.h"

#define KIB_IN_MIB 1024ull
#define MIN_VM_MIB 256ull	/* a small Linux guest and the processes */
#define FILES_WANTED 16384ull	/* slots.h: a vcpu-worker with all devices */

/* A line of /proc/meminfo in MiB, 0 if it is not there. */
static unsigned long long
meminfo(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at == NULL ? 0 :
	    strtoull(at + strlen(key), NULL, 10) / KIB_IN_MIB;
}

void
check_memory(struct finding *f)
{
	char text[4096];
	unsigned long long free, total;

	if (probe_read("/proc/meminfo", text, sizeof(text)) < 0) {
		finding_set(f, VERDICT_GAP, "/proc/meminfo cannot be read: "
		    "mount /proc");
		return;
	}
	free = meminfo(text, "MemAvailable:");
	total = meminfo(text, "MemTotal:");
	if (free < MIN_VM_MIB)
		finding_set(f, VERDICT_GAP, "%llu of %llu MiB available: a Linux "
		    "guest wants %llu MiB", free, total, MIN_VM_MIB);
	else
		finding_set(f, VERDICT_OK, "%llu of %llu MiB available", free,
		    total);
}

/* Append "N of M of 2 MiB free" for one folder of /sys/kernel/mm/hugepages. */
static unsigned long long
describe_hugepages(const char *name, char *out, size_t size)
{
	static const char prefix[] = "hugepages-";
	char path[512];
	size_t used = strlen(out);
	unsigned long long kib;
	long long all, free;

	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	kib = strtoull(name + sizeof(prefix) - 1, NULL, 10);
	(void)snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/nr_hugepages",
	    name);
	all = probe_number(path);
	(void)snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
	    name);
	free = probe_number(path);
	if (all <= 0)
		return 0;
	(void)snprintf(out + used, size - used, "%s%lld of %lld of %llu MiB free",
	    used > 0 ? ", " : "", free, all, kib / KIB_IN_MIB);
	return (unsigned long long)all;
}

void
check_hugepages(struct finding *f)
{
	char text[160] = "";
	unsigned long long sum = 0;
	const struct dirent *e;
	DIR *d = opendir("/sys/kernel/mm/hugepages");

	if (d == NULL) {
		finding_set(f, VERDICT_GAP, "not there: boot a kernel with "
		    "CONFIG_HUGETLBFS for --memory hugepages=on");
		return;
	}
	while ((e = readdir(d)) != NULL)
		sum += describe_hugepages(e->d_name, text, sizeof(text));
	closedir(d);
	if (sum > 0)
		finding_set(f, VERDICT_OK, "%s", text);
	else
		finding_set(f, VERDICT_GAP, "none: for --memory hugepages=on, "
		    "sudo sysctl vm.nr_hugepages=512 (1 GiB)");
}

void
check_thp(struct finding *f)
{
	char text[128];

	if (probe_read("/sys/kernel/mm/transparent_hugepage/shmem_enabled", text,
	    sizeof(text)) < 0)
		finding_set(f, VERDICT_GAP, "not there: boot a kernel with "
		    "CONFIG_TRANSPARENT_HUGEPAGE");
	else if (strstr(text, "[never]") != NULL || strstr(text, "[deny]") != NULL)
		finding_set(f, VERDICT_GAP, "off: for --memory thp=on, echo "
		    "advise | sudo tee "
		    "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	else
		finding_set(f, VERDICT_OK, "shmem_enabled: %.100s", text);
}

/* The cgroup v2 path of this process below /sys/fs/cgroup. 0 or -ENOENT. */
static int
own_cgroup(char *path, size_t size)
{
	char text[4096], *at = text;

	if (probe_read("/proc/self/cgroup", text, sizeof(text)) < 0)
		return -ENOENT;
	while (strncmp(at, "0::", 3) != 0) {
		at = strchr(at, '\n');
		if (at++ == NULL)
			return -ENOENT;
	}
	at += 3;
	at[strcspn(at, "\n")] = '\0';
	(void)snprintf(path, size, "/sys/fs/cgroup%s", at);
	return 0;
}

void
check_cgroup(struct finding *f)
{
	char path[4200], file[4300], controllers[128];
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) != 0 ||
	    fs.f_type != CGROUP2_SUPER_MAGIC || own_cgroup(path, sizeof(path))) {
		finding_set(f, VERDICT_GAP, "no cgroup v2 at /sys/fs/cgroup: "
		    "workers get no limits of their own; boot with "
		    "systemd.unified_cgroup_hierarchy=1");
		return;
	}
	(void)snprintf(file, sizeof(file), "%s/cgroup.controllers", path);
	(void)probe_read(file, controllers, sizeof(controllers));
	(void)snprintf(file, sizeof(file), "%s/cgroup.subtree_control", path);
	if (access(path, W_OK) != 0 || access(file, W_OK) != 0)
		finding_set(f, VERDICT_GAP, "not delegated to you: start with "
		    "systemd-run --user --scope -p Delegate=yes");
	else if (controllers[0] == '\0')
		finding_set(f, VERDICT_GAP, "delegated, but without controllers: "
		    "add Delegate=cpu io memory pids to the unit");
	else
		finding_set(f, VERDICT_OK, "cgroup v2, controllers: %.100s",
		    controllers);
}

/*
 * Make a tap that goes when the fd is closed. In the name %d is the kernel's to
 * fill in: no other interface is touched.
 */
void
check_tap(struct finding *f)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			finding_set(f, VERDICT_GAP, "no right to /dev/net/tun: "
			    "sudo chmod 666 /dev/net/tun (Debian's mode), or "
			    "pass an open tap by --net fd=");
		else
			finding_set(f, VERDICT_GAP, "/dev/net/tun: %s; modprobe "
			    "tun", strerror(errno));
		return;
	}
	memcpy(ifr.ifr_name, "bhprobe%d", sizeof("bhprobe%d"));
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		finding_set(f, VERDICT_OK, "taps can be made");
	else if (errno == EPERM)
		finding_set(f, VERDICT_GAP, "no right to make one: sudo ip tuntap "
		    "add dev tap0 mode tap vnet_hdr user $USER, then "
		    "--net tap=tap0");
	else
		finding_set(f, VERDICT_GAP, "cannot be made: %s",
		    strerror(errno));
	close(fd);
}

void
check_files(struct finding *f)
{
	struct rlimit l = { 0, 0 };

	(void)getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_max < FILES_WANTED)
		finding_set(f, VERDICT_GAP, "at most %llu open (ulimit -Hn): %llu "
		    "are needed for a VM with very many devices; see "
		    "limits.conf(5)", (unsigned long long)l.rlim_max,
		    FILES_WANTED);
	else
		finding_set(f, VERDICT_OK, "up to %llu open",
		    (unsigned long long)l.rlim_max);
}

void
check_io_uring(struct finding *f)
{
	struct io_uring_params p;
	int fd;

	memset(&p, 0, sizeof(p));
	p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	fd = (int)syscall(SYS_io_uring_setup, 1, &p);
	if (fd >= 0) {
		close(fd);
		finding_set(f, VERDICT_OK, "for disks");
	} else if (errno == EPERM) {
		finding_set(f, VERDICT_GAP, "forbidden, disks are slower: sudo "
		    "sysctl kernel.io_uring_disabled=0 (in a container: its "
		    "seccomp profile)");
	} else {
		finding_set(f, VERDICT_GAP, "%s, disks are slower: boot Linux "
		    "6.1 or later", strerror(errno));
	}
}
