// SPDX-License-Identifier: Apache-2.0
//
// The VM's cgroup, see cgroup.h. By whoever started us and with that one's rights;
// what is missing is said and is no failure, unless a place was named.
#include "controller/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ipc/log.h"

#define NCONTROLLERS 4u
#define MAKE_TRIES 16u
#define LEAF "bulkhead"
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* Of guest memory: page tables of KVM and of each worker; the rest is theirs. */
#define OVERHEAD_SHARE 8u
#define OVERHEAD (512ull << 20)

static const char *const controllers[NCONTROLLERS] = { "memory", "pids", "cpu", "io" };

/* A whole small file, with a NUL; length or -errno. */
static ssize_t
read_at(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

static int
write_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* Is @word one of @text, which spaces divide? */
static bool
has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (; *text != '\0'; text += strcspn(text, " \n"), text += *text != '\0')
		if (strncmp(text, word, len) == 0 &&
		    (text[len] == '\0' || text[len] == ' ' || text[len] == '\n'))
			return true;
	return false;
}

/* ---- where ------------------------------------------------------------------------ */

int
cgroup_mount(char *path, size_t size)
{
	char line[4400], at[4096], type[64];
	int rc = -ENOENT;
	FILE *f = fopen("/proc/self/mounts", "re");

	if (f == NULL)
		return -ENOENT;
	while (rc != 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s %4095s %63s", at, type) == 2 &&
		    strcmp(type, "cgroup2") == 0 && strlen(at) < size) {
			memcpy(path, at, strlen(at) + 1);
			rc = 0;
		}
	(void)fclose(f);
	return rc;
}

int
cgroup_own(void)
{
	char mount[4096], text[4096], path[8200];
	const char *at;
	int fd, rc = cgroup_mount(mount, sizeof(mount));

	if (rc != 0)
		return rc;
	if (read_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) <= 0)
		return -ENOENT;
	at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (at == NULL)
		return -ENOENT;
	at = strchr(at, '/');
	if (at == NULL)
		return -ENOENT;
	(void)snprintf(path, sizeof(path), "%s%.*s", mount,
	    (int)strcspn(at, "\n"), at);
	fd = open(path, DIRECTORY);
	return fd < 0 ? -errno : fd;
}

/*
 * Under systemd a cgroup is systemd's, unless the unit says that it is delegated.
 * An ordinary user could not write to it; root could, and shall not.
 */
static bool
is_ours(int parent)
{
	char one = '0';

	if (geteuid() != 0 || access("/run/systemd/system", F_OK) != 0)
		return true;
	return (fgetxattr(parent, "trusted.delegate", &one, 1) == 1 ||
	    fgetxattr(parent, "user.delegate", &one, 1) == 1) && one == '1';
}

static int
find_parent(const struct place_spec *place, struct cgroup *g)
{
	bool given = place->path != NULL || place->fd != 0;
	struct statfs fs;

	g->parent = place->path != NULL ? open(place->path, DIRECTORY) :
	    place->fd != 0 ? openat((int)place->fd, ".", DIRECTORY) : cgroup_own();
	if (g->parent < 0) {
		int rc = !given ? g->parent : -errno;

		(void)snprintf(g->lacks, sizeof(g->lacks), "%s", given ?
		    log_errtext(rc) : "no cgroup v2 is mounted");
		return rc;
	}
	if (fstatfs(g->parent, &fs) != 0 || fs.f_type != CGROUP2_SUPER_MAGIC) {
		(void)snprintf(g->lacks, sizeof(g->lacks), "not of cgroup v2");
		return -EINVAL;
	}
	if (given || is_ours(g->parent))
		return 0;
	(void)snprintf(g->lacks, sizeof(g->lacks), "its cgroup is systemd's; start "
	    "it with Delegate=yes, or give --cgroup");
	return -EPERM;
}

/* ---- controllers ------------------------------------------------------------------- */

/*
 * A cgroup whose children are to have controllers may itself hold no process. If we
 * are the only one there, we move.
 */
static int
move_aside(int parent)
{
	char text[256], name[32];
	int rc;

	(void)snprintf(name, sizeof(name), "%d\n", (int)getpid());
	if (read_at(parent, "cgroup.procs", text, sizeof(text)) <= 0 ||
	    strcmp(text, name) != 0)
		return -EBUSY;
	if (mkdirat(parent, LEAF, 0755) != 0 && errno != EEXIST)
		return -errno;
	rc = write_at(parent, LEAF "/cgroup.procs", "0");
	return rc;
}

/* Have children of @dir ask for each controller that it has: bits of those. */
static unsigned int
enable(int dir, bool may_move)
{
	char have[256] = "", on[256] = "", word[16];
	unsigned int bits = 0;

	(void)read_at(dir, "cgroup.controllers", have, sizeof(have));
	(void)read_at(dir, "cgroup.subtree_control", on, sizeof(on));
	for (unsigned int i = 0; i < NCONTROLLERS; i++) {
		int rc = 0;

		if (!has_word(have, controllers[i]))
			continue;
		(void)snprintf(word, sizeof(word), "+%s", controllers[i]);
		if (!has_word(on, controllers[i]))
			rc = write_at(dir, "cgroup.subtree_control", word);
		if (rc == -EBUSY && may_move && move_aside(dir) == 0)
			rc = write_at(dir, "cgroup.subtree_control", word);
		if (rc == 0)
			bits |= 1u << i;
	}
	return bits;
}

static void
say_lacks(struct cgroup *g, unsigned int bits)
{
	size_t at = 0;

	if (bits == 0 && g->parent >= 0 && faccessat(g->parent,
	    "cgroup.subtree_control", W_OK, AT_EACCESS) != 0) {
		(void)snprintf(g->lacks, sizeof(g->lacks), "its cgroup is not "
		    "delegated to you (systemd-run --user -p Delegate=yes)");
		return;
	}
	for (unsigned int i = 0; i < NCONTROLLERS; i++)
		if ((bits & 1u << i) == 0)
			at += (size_t)snprintf(g->lacks + at,
			    sizeof(g->lacks) - at, "%s%s", at == 0 ?
			    "its cgroup has no controllers: " : ", ",
			    controllers[i]);
}

/* ---- making and removing ------------------------------------------------------------- */

/*
 * Its lock says that it is somebody's; whoever collects what is nobody's may have
 * taken it away before it was locked.
 */
static int
make_dir(struct cgroup *g)
{
	struct stat st, at;

	for (unsigned int i = 0; i < MAKE_TRIES; i++) {
		(void)snprintf(g->name, sizeof(g->name), CGROUP_PREFIX "%d%s%.0u",
		    (int)getpid(), i > 0 ? "-" : "", i);
		if (mkdirat(g->parent, g->name, 0755) != 0) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		g->dir = openat(g->parent, g->name, DIRECTORY);
		if (g->dir >= 0 && flock(g->dir, LOCK_SH | LOCK_NB) == 0 &&
		    fstat(g->dir, &st) == 0 && fstatat(g->parent, g->name, &at, 0)
		    == 0 && st.st_ino == at.st_ino)
			return 0;
		if (g->dir >= 0)
			close(g->dir);
		g->dir = -1;
	}
	return -EEXIST;
}

static void
remove_one(int parent, const char *name, DIR *children)
{
	const struct dirent *e;

	while ((e = readdir(children)) != NULL)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			(void)unlinkat(dirfd(children), e->d_name, AT_REMOVEDIR);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

unsigned int
cgroup_collect(int parent)
{
	int again = openat(parent, ".", DIRECTORY);
	DIR *all = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *e;
	unsigned int n = 0;

	while (all != NULL && (e = readdir(all)) != NULL) {
		int fd;
		DIR *d;

		if (strncmp(e->d_name, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) != 0)
			continue;
		fd = openat(parent, e->d_name, DIRECTORY);
		if (fd < 0)
			continue;
		d = flock(fd, LOCK_EX | LOCK_NB) == 0 ? fdopendir(fd) : NULL;
		if (d == NULL) {
			close(fd);
			continue;
		}
		remove_one(parent, e->d_name, d);
		n += faccessat(parent, e->d_name, F_OK, 0) != 0;
		(void)closedir(d);
	}
	if (all != NULL)
		(void)closedir(all);
	return n;
}

static void
let_go(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int
cgroup_make(const struct place_spec *place, struct cgroup *g)
{
	bool given = place->path != NULL || place->fd != 0;
	unsigned int bits = 0;
	int rc;

	*g = (struct cgroup){ .parent = -1, .dir = -1, .memory_max = -1 };
	rc = find_parent(place, g);
	if (rc == 0) {
		(void)cgroup_collect(g->parent);
		bits = enable(g->parent, !given);
		if (bits == 0 && !given)
			rc = -ENOENT;
		else
			rc = make_dir(g);
		if (rc != 0 && bits != 0)
			(void)snprintf(g->lacks, sizeof(g->lacks),
			    "no cgroup can be made there: %s", log_errtext(rc));
	}
	if (rc == 0)
		bits = enable(g->dir, false);
	if (g->lacks[0] == '\0')
		say_lacks(g, bits);
	if (rc == 0) {
		g->memory_max = openat(g->dir, "memory.max", O_WRONLY | O_CLOEXEC);
		return 0;
	}
	let_go(&g->parent);
	return given ? rc : 0;
}

void
cgroup_leave(struct cgroup *g)
{
	let_go(&g->parent);
	let_go(&g->dir);
}

int
cgroup_limit(const struct cgroup *g, uint64_t ram)
{
	char text[24];
	int n;

	if (g->memory_max < 0)
		return 0;
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)(ram +
	    ram / OVERHEAD_SHARE + OVERHEAD));
	return write(g->memory_max, text, (size_t)n) != n ? -errno : 0;
}
