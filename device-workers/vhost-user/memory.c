/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory of a back-end program: what the front end sends as regions, mapped
 * through gmem, and the way from its own addresses, in which it speaks of rings,
 * to guest addresses. Slots here are those of v->dev.mem.
 *
 * A region is a regular file (memfd, tmpfs, hugetlbfs) that is as large as the
 * front end says. If it carries no F_SEAL_SHRINK, the front end can shorten it
 * later, and this process dies by SIGBUS where it touches what is gone: its own
 * guest's loss, and nobody else's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "ipc/log.h"

int
vhu_incoming(int fd)
{
	int moved;

	if (fd >= FD_INCOMING && fd < FD_INCOMING + FD_INCOMING_COUNT)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_INCOMING);
	/* Who may have more fds, and has taken these numbers so that its own lie
	 * above them, gives the first back. */
	if (moved >= FD_INCOMING + FD_INCOMING_COUNT) {
		close(moved);
		moved = dup3(fd, FD_INCOMING, O_CLOEXEC);
	}
	if (moved < 0)
		moved = -errno;
	close(fd);
	return moved;
}

int
vhu_take_fd(struct vhu *v, unsigned int i)
{
	int fd = v->msg.fd[i];

	v->msg.fd[i] = -1;
	return vhu_incoming(fd);
}

int
vhu_put_fd(int fd, int slot)
{
	int at;

	/* One thread: nobody else takes the number meanwhile. */
	close(slot);
	at = fcntl(fd, F_DUPFD_CLOEXEC, slot);
	if (at < 0)
		return -errno;
	if (at == slot)
		return 0;
	close(at);
	return -EBADF;
}

int
vhu_check_file(int fd, uint64_t offset, uint64_t len)
{
	struct stat st;
	uint64_t end;
	int seals;

	/* The call itself: the library's takes a path, which no policy lets. */
	if (syscall(SYS_fstat, fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENODEV;
	if (__builtin_add_overflow(offset, len, &end) ||
	    st.st_size < 0 || end > (uint64_t)st.st_size)
		return -EFBIG;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
		log_guest_at(LOG_DEBUG, "memory is not sealed against shrinking");
	return 0;
}

/* Addresses of the front end must be clear, as guest addresses are. */
static int
check_region(const struct vhu *v, const struct vhu_region *r)
{
	uint64_t end;

	if (r->size == 0 || __builtin_add_overflow(r->uva, r->size, &end))
		return -EINVAL;
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct vhu_region *other = &v->region[i];

		if (other->size != 0 && r->uva < other->uva + other->size &&
		    other->uva < end)
			return -EEXIST;
	}
	return 0;
}

/* Map one region of fd @i of the message, into a free slot. */
static int
add_region(struct vhu *v, const struct vhu_region *r, unsigned int i)
{
	uint32_t slot = 0;
	int rc = check_region(v, r), fd;

	while (slot < GMEM_MAX_REGIONS && v->region[slot].size != 0)
		slot++;
	if (rc < 0 || slot == GMEM_MAX_REGIONS)
		return rc < 0 ? rc : -ENOSPC;
	fd = vhu_take_fd(v, i);
	if (fd < 0)
		return fd;
	rc = vhu_check_file(fd, r->offset, r->size);
	if (rc == 0)
		rc = gmem_add(&v->dev.mem, slot, r->gpa, r->size, fd, r->offset,
		    false);
	close(fd);
	if (rc == 0) {
		v->region[slot] = *r;
		v->region_adds[slot] = 1;
	}
	return rc;
}

/* Rings look for their memory anew. */
static void
memory_changed(struct vhu *v)
{
	for (unsigned int q = 0; q < v->dev.nqueues; q++)
		virtq_memory_changed(&v->dev.vq[q]);
	vhu_look_after_queues(v);
}

static void
remove_regions(struct vhu *v)
{
	for (uint32_t slot = 0; slot < GMEM_MAX_REGIONS; slot++) {
		if (v->region[slot].size != 0)
			(void)gmem_remove(&v->dev.mem, slot);
		v->region[slot].size = 0;
	}
}

int
vhu_memory_set(struct vhu *v)
{
	int rc = 0;

	remove_regions(v);
	for (unsigned int i = 0; i < v->msg.payload.table.n && rc == 0; i++)
		rc = add_region(v, &v->msg.payload.table.region[i], i);
	if (rc < 0)
		remove_regions(v);
	memory_changed(v);
	return rc;
}

static bool
same_place(const struct vhu_region *a, const struct vhu_region *b)
{
	return a->gpa == b->gpa && a->size == b->size && a->uva == b->uva;
}

int
vhu_memory_add(struct vhu *v)
{
	const struct vhu_region *r = &v->msg.payload.mem.region;

	/* QEMU before 8.0 adds and removes it once for each queue pair. */
	for (uint32_t slot = 0; slot < GMEM_MAX_REGIONS; slot++) {
		if (v->region[slot].size == 0 || !same_place(&v->region[slot], r) ||
		    v->region[slot].offset != r->offset ||
		    v->region_adds[slot] >= v->dev.nqueues)
			continue;
		v->region_adds[slot]++;
		return 0;
	}
	return add_region(v, r, 0);
}

int
vhu_memory_remove(struct vhu *v)
{
	const struct vhu_region *r = &v->msg.payload.mem.region;

	for (uint32_t slot = 0; slot < GMEM_MAX_REGIONS; slot++) {
		struct vhu_region *mine = &v->region[slot];

		if (mine->size == 0 || !same_place(mine, r))
			continue;
		if (--v->region_adds[slot] > 0)
			return 0;
		mine->size = 0;
		(void)gmem_remove(&v->dev.mem, slot);
		memory_changed(v);
		return 0;
	}
	return -ENOENT;
}

int
vhu_memory_log(struct vhu *v)
{
	uint64_t size = v->msg.payload.log.size;
	int fd, rc;

	/* Every front end that there is has the log at the file's start. */
	if (v->msg.payload.log.offset != 0)
		return -EINVAL;
	fd = vhu_take_fd(v, 0);
	if (fd < 0)
		return fd;
	rc = vhu_check_file(fd, 0, size);
	if (rc == 0)
		rc = gmem_set_dirty_log(&v->dev.mem, fd, size);
	close(fd);
	return rc;
}

void
vhu_memory_forget(struct vhu *v)
{
	(void)gmem_set_dirty_log(&v->dev.mem, -1, 0);
	remove_regions(v);
}

int
vhu_translate(const struct vhu *v, uint64_t uva, uint64_t *gpa)
{
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct vhu_region *r = &v->region[i];

		/* Unsigned: an address below uva wraps to a large number. */
		if (uva - r->uva < r->size) {
			*gpa = r->gpa + (uva - r->uva);
			return 0;
		}
	}
	return -EFAULT;
}
