/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In-flight regions of a back-end program: one memory that this process makes, the
 * front end keeps, and the next back end gets (GET_INFLIGHT_FD, SET_INFLIGHT_FD).
 * What is in a queue's part is virtq's (virtq_track); here is the mapping. The
 * front end can write to it at any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"

#define PAGE 4096u
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static uint64_t
page_up(uint64_t n)
{
	return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static bool
packed(const struct vhu *v)
{
	return (v->features >> VIRTIO_F_RING_PACKED & 1) != 0;
}

int
vhu_inflight_init(struct vhu *v)
{
	void *at;

	v->inflight.reserve_size = page_up(DEVICE_MAX_QUEUES *
	    virtq_region_size(VIRTQ_MAX_SIZE, true));
	at = mmap(NULL, v->inflight.reserve_size, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	v->inflight.reserve = at;
	return 0;
}

/* The bytes of what the message speaks of, or 0: it cannot be. */
static uint64_t
bytes_of(const struct vhu *v)
{
	const union vhu_payload *p = &v->msg.payload;

	if (p->inflight.num_queues == 0 ||
	    p->inflight.num_queues > v->dev.nqueues ||
	    p->inflight.queue_size == 0 ||
	    p->inflight.queue_size > VIRTQ_MAX_SIZE)
		return 0;
	return p->inflight.num_queues *
	    virtq_region_size(p->inflight.queue_size, packed(v));
}

/* A new one, of zeros, that nobody can shorten under the others. -errno. */
static int
make(uint64_t size)
{
	int fd = memfd_create("inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return -errno;
	fd = vhu_incoming(fd);
	if (fd < 0)
		return fd;
	if (fallocate(fd, 0, 0, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

int
vhu_inflight_get(struct vhu *v)
{
	uint64_t size = page_up(bytes_of(v));
	int fd;

	if (size == 0)
		return -EINVAL;
	fd = make(size);
	if (fd < 0)
		return fd;
	v->msg.payload.inflight.mmap_size = size;
	v->msg.payload.inflight.mmap_offset = 0;
	vhu_reply_fd(v, v->msg.header.size, fd);
	close(fd);
	return 0;
}

int
vhu_inflight_set(struct vhu *v)
{
	const union vhu_payload *p = &v->msg.payload;
	uint64_t size = bytes_of(v);
	int fd, rc;

	for (unsigned int q = 0; q < v->dev.nqueues; q++)
		if (v->queue[q].started)
			return -EBUSY;
	if (size == 0 || p->inflight.mmap_size < size ||
	    p->inflight.mmap_offset % PAGE != 0)
		return -EINVAL;
	vhu_inflight_forget(v);
	fd = vhu_take_fd(v, 0);
	if (fd < 0)
		return fd;
	rc = vhu_check_file(fd, p->inflight.mmap_offset, page_up(size));
	if (rc == -EFBIG)	/* a file that ends within the last page */
		rc = vhu_check_file(fd, p->inflight.mmap_offset, size);
	if (rc == 0 && mmap(v->inflight.reserve, page_up(size),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
	    (off_t)p->inflight.mmap_offset) == MAP_FAILED)
		rc = -errno;
	close(fd);
	if (rc < 0)
		return rc;
	v->inflight.size = size;
	v->inflight.num_queues = p->inflight.num_queues;
	v->inflight.queue_size = p->inflight.queue_size;
	return 0;
}

int
vhu_inflight_region(const struct vhu *v, unsigned int q, void **region)
{
	const uint64_t each = virtq_region_size(v->inflight.queue_size, packed(v));

	*region = NULL;
	if (v->inflight.size == 0 || q >= v->inflight.num_queues)
		return 0;
	/* The ring format may be another by now. */
	if (v->queue[q].num > v->inflight.queue_size ||
	    (q + 1) * each > v->inflight.size)
		return -EINVAL;
	*region = v->inflight.reserve + q * each;
	return 0;
}

void
vhu_inflight_clear(struct vhu *v)
{
	void *region;

	for (unsigned int q = 0; q < v->inflight.num_queues; q++)
		if (vhu_inflight_region(v, q, &region) == 0 && region != NULL)
			virtq_region_clear(region);
}

void
vhu_inflight_forget(struct vhu *v)
{
	if (v->inflight.size == 0)
		return;
	/* Its addresses stay ours, whatever comes of this. */
	(void)mmap(v->inflight.reserve, page_up(v->inflight.size), PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	v->inflight.size = 0;
	v->inflight.num_queues = 0;
}
