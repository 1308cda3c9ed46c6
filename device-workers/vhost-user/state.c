/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's own state on its way to another back end (SET_DEVICE_STATE_FD,
 * CHECK_DEVICE_STATE): what its save() wrote, behind a small header, through a
 * pipe or socket that the front end gives. Whole in a buffer before it is looked
 * at or sent; the channel is waited for by the loop, never by a call.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "ipc/log.h"

#define MAGIC 0x53444842u	/* "BHDS" */

/* In front of the device's bytes, little-endian as all of the protocol. */
struct head {
	uint32_t magic;
	uint32_t version;	/* DEVICE_STATE_VERSION */
	uint32_t virtio_id;
	uint32_t len;		/* of what follows */
};

_Static_assert(sizeof(struct head) == 16, "no holes");
_Static_assert(sizeof(((struct vhu *)0)->state.buf) ==
    sizeof(struct head) + DEVICE_MAX_STATE, "as large as any");

static void
close_channel(struct vhu *v)
{
	loop_remove(&v->loop, &v->state.source);
	if (v->state.open)
		close(FD_VHU_STATE);
	v->state.open = false;
}

static void
finish(struct vhu *v, int rc)
{
	close_channel(v);
	v->state.result = rc;
	if (rc < 0)
		log_guest("device state: %s", log_errname(rc));
}

/* All of it has come: is it this device's? */
static int
load(struct vhu *v)
{
	struct device *dev = &v->dev;
	struct head head;

	if (v->state.len < sizeof(head))
		return -ENODATA;
	memcpy(&head, v->state.buf, sizeof(head));
	if (head.magic != MAGIC || head.virtio_id != dev->virtio_id ||
	    head.len != v->state.len - sizeof(head))
		return -EINVAL;
	if (dev->ops->load == NULL)
		return head.len == 0 && head.version >= DEVICE_STATE_OLDEST &&
		    head.version <= DEVICE_STATE_VERSION ? 0 :
		    -EINVAL;
	return dev->ops->load(dev, head.version, v->state.buf + sizeof(head),
	    head.len);
}

static void
receive(struct vhu *v)
{
	while (v->state.open) {
		/* One byte of room more would be one too many: the end is seen. */
		size_t room = sizeof(v->state.buf) - v->state.len;
		uint8_t over;
		ssize_t n = room > 0 ?
		    read(FD_VHU_STATE, v->state.buf + v->state.len, room) :
		    read(FD_VHU_STATE, &over, 1);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			finish(v, -errno);
		else if (n > 0 && room == 0)
			finish(v, -EFBIG);
		else if (n == 0)
			finish(v, load(v));
		else
			v->state.len += (uint32_t)n;
	}
}

static void
transmit(struct vhu *v)
{
	while (v->state.at < v->state.len) {
		ssize_t n = write(FD_VHU_STATE, v->state.buf + v->state.at,
		    v->state.len - v->state.at);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			finish(v, -errno);
			return;
		}
		v->state.at += (uint32_t)n;
	}
	finish(v, 0);	/* closed: the front end sees the end */
}

static void
state_ready(struct loop_source *src, uint32_t events)
{
	struct vhu *v = src->owner;

	(void)events;
	if (v->state.loading)
		receive(v);
	else
		transmit(v);
}

/* The message's pipe or socket to its slot; it shall not block. */
static int
place_channel(struct vhu *v)
{
	int fd = vhu_take_fd(v, 0), rc = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (syscall(SYS_fstat, fd, &st) != 0 ||
	    (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)))
		rc = -EBADF;
	else if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		rc = -errno;
	if (rc == 0)
		rc = vhu_put_fd(fd, FD_VHU_STATE);
	close(fd);
	return rc;
}

static void
fill(struct vhu *v)
{
	struct device *dev = &v->dev;
	struct head head = { MAGIC, DEVICE_STATE_VERSION, dev->virtio_id, 0 };

	if (dev->ops->save != NULL)
		head.len = (uint32_t)dev->ops->save(dev,
		    v->state.buf + sizeof(head), DEVICE_MAX_STATE);
	memcpy(v->state.buf, &head, sizeof(head));
	v->state.len = (uint32_t)sizeof(head) + head.len;
}

int
vhu_state_set(struct vhu *v)
{
	const uint32_t direction = v->msg.payload.transfer.direction;
	int rc;

	/* The one phase that there is: all rings are stopped. */
	if (direction > 1 || v->msg.payload.transfer.phase != 0)
		return -EINVAL;
	if (v->dev.active || v->state.open)
		return -EBUSY;
	rc = place_channel(v);
	if (rc < 0)
		return rc;
	v->state.open = true;
	v->state.result = -EINPROGRESS;
	v->state.loading = direction == 1;
	v->state.len = v->state.at = 0;
	v->state.source = (struct loop_source){
		.fd = FD_VHU_STATE, .ready = state_ready, .owner = v,
	};
	if (!v->state.loading)
		fill(v);
	rc = loop_add(&v->loop, &v->state.source,
	    v->state.loading ? EPOLLIN : EPOLLOUT);
	if (rc < 0)
		close_channel(v);
	return rc;
}

int
vhu_state_check(struct vhu *v)
{
	int rc;

	/* What the front end wrote is there, and its end, when it asks. */
	if (v->state.open && v->state.loading)
		receive(v);
	if (v->state.open)
		finish(v, -EPIPE);
	rc = v->state.result;
	v->state.result = -ENODATA;
	return rc;
}

void
vhu_state_forget(struct vhu *v)
{
	close_channel(v);
	v->state.result = -ENODATA;
}
