/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a vhost-user front end: one function each, and a table. What
 * arrives here has passed wire.c, and is checked against this device and its
 * state. Those that wire.c says want quiet are called with the device at rest.
 *
 * A request that cannot be carried out is answered with a failure where the front
 * end asked for an answer, and ends the connection where it did not: the two
 * sides would not agree on the state any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/log.h"

#define PROTOCOL_FEATURES (1ull << VHU_PF_MQ | 1ull << VHU_PF_LOG_SHMFD | \
	1ull << VHU_PF_REPLY_ACK | 1ull << VHU_PF_BACKEND_REQ |		\
	1ull << VHU_PF_INFLIGHT_SHMFD | 1ull << VHU_PF_RESET_DEVICE |	\
	1ull << VHU_PF_CONFIGURE_MEM_SLOTS | 1ull << VHU_PF_STATUS |	\
	1ull << VHU_PF_DEVICE_STATE)

#define LOG_ALL (1ull << VHU_F_LOG_ALL)

/* A handler has answered by itself. */
#define ANSWERED 1

static int
answer_u64(struct vhu *v, uint64_t value)
{
	v->msg.payload.u64 = value;
	vhu_reply(v, sizeof(value));
	return ANSWERED;
}

/* The queue that a message is about, or NULL. */
static struct vhu_queue *
queue_of(struct vhu *v, uint32_t index)
{
	return index < v->dev.nqueues ? &v->queue[index] : NULL;
}

static void
tell_enabled(struct vhu *v)
{
	uint64_t queues = 0;

	for (unsigned int q = 0; q < v->dev.nqueues; q++)
		queues |= (uint64_t)v->queue[q].enabled << q;
	if (v->program->enabled != NULL)
		v->program->enabled(&v->dev, queues);
}

/* ---- features ----------------------------------------------------------------- */

static int
on_get_features(struct vhu *v)
{
	return answer_u64(v, v->offered);
}

static int
on_set_features(struct vhu *v)
{
	uint64_t features = v->msg.payload.u64;

	if ((features & ~v->offered) != 0)
		return -EINVAL;
	/* Logging is switched while rings run, and nothing else is. */
	if (v->dev.active && ((features ^ v->features) & ~LOG_ALL) != 0)
		return -EBUSY;
	v->features = features;
	if ((features & LOG_ALL) == 0)
		(void)gmem_set_dirty_log(&v->dev.mem, -1, 0);
	/* Without this one there is no SET_VRING_ENABLE. */
	if ((features >> VHU_F_PROTOCOL_FEATURES & 1) == 0)
		for (unsigned int q = 0; q < v->dev.nqueues; q++)
			v->queue[q].enabled = true;
	tell_enabled(v);
	return 0;
}

/* CONFIG where a front end has a use for it: QEMU warns of it otherwise. */
static uint64_t
protocol_features_of(const struct vhu *v)
{
	return PROTOCOL_FEATURES |
	    (v->program->has_config ? 1ull << VHU_PF_CONFIG : 0) |
	    (v->program->announce != NULL ? 1ull << VHU_PF_RARP : 0) |
	    (v->program->set_mtu != NULL ? 1ull << VHU_PF_NET_MTU : 0);
}

static int
on_get_protocol_features(struct vhu *v)
{
	return answer_u64(v, protocol_features_of(v));
}

static int
on_set_protocol_features(struct vhu *v)
{
	if ((v->msg.payload.u64 & ~protocol_features_of(v)) != 0)
		return -EINVAL;
	v->protocol_features = v->msg.payload.u64;
	return 0;
}

static int
on_get_queue_num(struct vhu *v)
{
	return answer_u64(v, v->dev.nqueues / v->program->queues_a_unit);
}

static int
on_nothing(struct vhu *v)
{
	(void)v;
	return 0;
}

/* All rings stop where they are, and nothing of them is in flight. */
static void
stop_all(struct vhu *v)
{
	for (unsigned int q = 0; q < v->dev.nqueues; q++) {
		uint32_t base;

		vhu_queue_stop(v, q, &base);
		v->queue[q].enabled = false;
	}
	tell_enabled(v);
	vhu_inflight_clear(v);
	v->status = 0;
}

static int
on_reset(struct vhu *v)
{
	stop_all(v);
	for (unsigned int q = 0; q < v->dev.nqueues; q++)
		v->queue[q].base = 0;
	return 0;
}

/* virtio 1.2, 2.1. */
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u

static int
on_set_status(struct vhu *v)
{
	uint64_t status = v->msg.payload.u64;

	if (status > UINT8_MAX)
		return -EINVAL;
	/* QEMU before 8.0 says so first, and then asks where the rings were. */
	if (status == 0) {
		stop_all(v);
		return 0;
	}
	/* 2.2.2: left out if the features cannot be. */
	if ((v->features >> VIRTIO_F_VERSION_1 & 1) == 0)
		status &= ~(uint64_t)STATUS_FEATURES_OK;
	v->status = (uint8_t)status;
	return 0;
}

static int
on_get_status(struct vhu *v)
{
	return answer_u64(v, v->status |
	    (v->needs_reset ? STATUS_NEEDS_RESET : 0));
}

static int
on_send_rarp(struct vhu *v)
{
	uint8_t mac[6];

	memcpy(mac, &v->msg.payload, sizeof(mac));
	return v->program->announce(mac);
}

static int
on_net_set_mtu(struct vhu *v)
{
	return v->msg.payload.u64 > UINT16_MAX ? -EINVAL :
	    v->program->set_mtu((uint16_t)v->msg.payload.u64);
}

/* ---- what outlives this process ----------------------------------------------- */

static int
on_get_inflight_fd(struct vhu *v)
{
	int rc = vhu_inflight_get(v);

	return rc < 0 ? rc : ANSWERED;
}

/* Both have an answer of their own: 0 is success, others say no more. */
static int
on_set_device_state_fd(struct vhu *v)
{
	int rc = vhu_state_set(v);

	if (rc < 0)
		log_guest("device state: %s", log_errname(rc));
	return answer_u64(v, rc < 0 ? 1 | VHU_VRING_NO_FD : VHU_VRING_NO_FD);
}

static int
on_check_device_state(struct vhu *v)
{
	return answer_u64(v, vhu_state_check(v) < 0);
}

/* ---- memory ------------------------------------------------------------------- */

static int
on_set_log_base(struct vhu *v)
{
	int rc = vhu_memory_log(v);

	/* The one request that sets something and has an answer of its own. */
	return rc < 0 ? rc : answer_u64(v, 0);
}

static int
on_get_max_mem_slots(struct vhu *v)
{
	return answer_u64(v, GMEM_MAX_REGIONS);
}

/* ---- rings -------------------------------------------------------------------- */

static int
on_set_vring_num(struct vhu *v)
{
	struct vhu_queue *queue = queue_of(v, v->msg.payload.vring.index);
	uint32_t num = v->msg.payload.vring.num;

	if (queue == NULL || num == 0 || num > VIRTQ_MAX_SIZE)
		return -EINVAL;
	if (queue->started)
		return num == queue->num ? 0 : -EBUSY;
	queue->num = num;
	return 0;
}

static int
on_set_vring_addr(struct vhu *v)
{
	const union vhu_payload *p = &v->msg.payload;
	struct vhu_queue *queue = queue_of(v, p->addr.index);

	if (queue == NULL)
		return -EINVAL;
	/* While it runs only the flag may change that says whether it is logged;
	 * the ring always is when the features have LOG_ALL. */
	if (queue->started)
		return p->addr.desc == queue->desc &&
		    p->addr.avail == queue->avail &&
		    p->addr.used == queue->used ? 0 : -EBUSY;
	queue->desc = p->addr.desc;
	queue->avail = p->addr.avail;
	queue->used = p->addr.used;
	queue->have_addr = true;
	return 0;
}

static int
on_set_vring_base(struct vhu *v)
{
	struct vhu_queue *queue = queue_of(v, v->msg.payload.vring.index);

	if (queue == NULL || queue->started)
		return queue == NULL ? -EINVAL : -EBUSY;
	queue->base = v->msg.payload.vring.num;
	return 0;
}

static int
on_get_vring_base(struct vhu *v)
{
	uint32_t index = v->msg.payload.vring.index;

	if (index >= v->dev.nqueues)
		return -EINVAL;
	vhu_queue_stop(v, index, &v->msg.payload.vring.num);
	vhu_reply(v, sizeof(v->msg.payload.vring));
	return ANSWERED;
}

static int
on_set_vring_enable(struct vhu *v)
{
	struct vhu_queue *queue = queue_of(v, v->msg.payload.vring.index);

	/* QEMU's net sends it before SET_FEATURES, too. */
	if (queue == NULL || v->msg.payload.vring.num > 1)
		return -EINVAL;
	queue->enabled = v->msg.payload.vring.num != 0;
	tell_enabled(v);
	return 0;
}

/*
 * Put the message's eventfd at @slot. An eventfd has no file type; what blocks
 * would let the front end stop this process.
 */
static int
place_eventfd(struct vhu *v, int slot)
{
	int fd = vhu_take_fd(v, 0), flags, rc = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	flags = fcntl(fd, F_GETFL);
	if (syscall(SYS_fstat, fd, &st) != 0 || (st.st_mode & S_IFMT) != 0 ||
	    flags < 0)
		rc = -EBADF;
	else if ((flags & O_NONBLOCK) == 0 &&
	    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		rc = -errno;
	if (rc == 0)
		rc = vhu_put_fd(fd, slot);
	close(fd);
	return rc;
}

/* KICK, CALL and ERR: the fd of the message to @slot, or what is there away. */
static int
set_eventfd(struct vhu *v, int slot, bool *has)
{
	int rc = 0;

	if (*has)
		close(slot);
	*has = false;
	if (v->msg.nfds > 0) {
		rc = place_eventfd(v, slot);
		*has = rc == 0;
	}
	return rc;
}

static int
on_set_vring_kick(struct vhu *v)
{
	unsigned int q = v->msg.payload.u64 & VHU_VRING_INDEX;
	struct vhu_queue *queue = queue_of(v, q);
	int rc;

	if (queue == NULL)
		return -EINVAL;
	loop_remove(&v->loop, &queue->kick);
	rc = set_eventfd(v, FD_KICK + (int)q, &queue->has_kick);
	queue->polled = rc == 0 && !queue->has_kick;
	if (rc == 0 && queue->started && queue->has_kick)
		rc = loop_add(&v->loop, &queue->kick, 0);
	return rc < 0 ? rc : vhu_queue_start(v, q);
}

static int
on_set_vring_call(struct vhu *v)
{
	unsigned int q = v->msg.payload.u64 & VHU_VRING_INDEX;
	struct vhu_queue *queue = queue_of(v, q);
	int rc;

	if (queue == NULL)
		return -EINVAL;
	rc = set_eventfd(v, FD_CALL + (int)q, &queue->has_call);
	if (queue->started) {
		v->dev.vq[q].call = queue->has_call ? FD_CALL + (int)q : -1;
		/* What was signalled on the old one may not have been seen. */
		virtq_signal(&v->dev.vq[q]);
	}
	return rc;
}

static int
on_set_vring_err(struct vhu *v)
{
	unsigned int q = v->msg.payload.u64 & VHU_VRING_INDEX;
	struct vhu_queue *queue = queue_of(v, q);

	if (queue == NULL)
		return -EINVAL;
	return set_eventfd(v, FD_ERR + (int)q, &queue->has_err);
}

/* ---- configuration space ------------------------------------------------------ */

static int
on_get_config(struct vhu *v)
{
	union vhu_payload *p = &v->msg.payload;

	/* Front ends ask for the length that they know, and get zeros behind. */
	for (uint32_t i = 0; i < p->config.size; i++) {
		uint32_t at = p->config.offset + i;

		p->config.data[i] = at < v->dev.config_size ? v->dev.config[at] : 0;
	}
	vhu_reply(v, v->msg.header.size);
	return ANSWERED;
}

static int
on_set_config(struct vhu *v)
{
	const union vhu_payload *p = &v->msg.payload;
	struct device *dev = &v->dev;

	if (p->config.offset > dev->config_size ||
	    p->config.size > dev->config_size - p->config.offset)
		return -EINVAL;
	/* Front ends write whole structs back: what is not the driver's of it
	 * is not for us. driver_config is dev->config itself. */
	for (uint32_t i = 0; i < p->config.size; i++) {
		uint8_t *at = &dev->config[p->config.offset + i];
		uint8_t mask = dev->config_writable[p->config.offset + i];

		*at = (uint8_t)((*at & ~mask) | (p->config.data[i] & mask));
	}
	if (dev->ops->config_write != NULL)
		dev->ops->config_write(dev, p->config.offset, p->config.data,
		    p->config.size);
	vhu_look_after_queues(v);
	return 0;
}

static int
on_set_backend_req_fd(struct vhu *v)
{
	int fd = vhu_take_fd(v, 0), rc = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (syscall(SYS_fstat, fd, &st) != 0 || !S_ISSOCK(st.st_mode))
		rc = -ENOTSOCK;
	else
		rc = vhu_put_fd(fd, FD_VHU_BACKEND_REQ);
	if (rc == 0)
		v->has_backend_req = true;
	close(fd);
	return rc;
}

/* ---- dispatch ----------------------------------------------------------------- */

typedef int handler_fn(struct vhu *v);

static handler_fn *const handlers[VHU_REQUEST_END] = {
	[VHU_GET_FEATURES] = on_get_features,
	[VHU_SET_FEATURES] = on_set_features,
	[VHU_SET_OWNER] = on_nothing,
	[VHU_RESET_OWNER] = on_reset,
	[VHU_SET_MEM_TABLE] = vhu_memory_set,
	[VHU_SET_LOG_BASE] = on_set_log_base,
	[VHU_SET_LOG_FD] = on_nothing,	/* a hint: the log needs no kick */
	[VHU_SET_VRING_NUM] = on_set_vring_num,
	[VHU_SET_VRING_ADDR] = on_set_vring_addr,
	[VHU_SET_VRING_BASE] = on_set_vring_base,
	[VHU_GET_VRING_BASE] = on_get_vring_base,
	[VHU_SET_VRING_KICK] = on_set_vring_kick,
	[VHU_SET_VRING_CALL] = on_set_vring_call,
	[VHU_SET_VRING_ERR] = on_set_vring_err,
	[VHU_GET_PROTOCOL_FEATURES] = on_get_protocol_features,
	[VHU_SET_PROTOCOL_FEATURES] = on_set_protocol_features,
	[VHU_GET_QUEUE_NUM] = on_get_queue_num,
	[VHU_SET_VRING_ENABLE] = on_set_vring_enable,
	[VHU_SEND_RARP] = on_send_rarp,
	[VHU_NET_SET_MTU] = on_net_set_mtu,
	[VHU_SET_BACKEND_REQ_FD] = on_set_backend_req_fd,
	[VHU_GET_CONFIG] = on_get_config,
	[VHU_SET_CONFIG] = on_set_config,
	[VHU_GET_INFLIGHT_FD] = on_get_inflight_fd,
	[VHU_SET_INFLIGHT_FD] = vhu_inflight_set,
	[VHU_RESET_DEVICE] = on_reset,
	[VHU_GET_MAX_MEM_SLOTS] = on_get_max_mem_slots,
	[VHU_ADD_MEM_REG] = vhu_memory_add,
	[VHU_REM_MEM_REG] = vhu_memory_remove,
	[VHU_SET_STATUS] = on_set_status,
	[VHU_GET_STATUS] = on_get_status,
	[VHU_SET_DEVICE_STATE_FD] = on_set_device_state_fd,
	[VHU_CHECK_DEVICE_STATE] = on_check_device_state,
};

bool
vhu_wants_ack(const struct vhu *v)
{
	return (v->msg.header.flags & VHU_FLAG_NEED_REPLY) != 0 &&
	    (v->protocol_features >> VHU_PF_REPLY_ACK & 1) != 0;
}

void
vhu_carry_out(struct vhu *v)
{
	uint32_t request = v->msg.header.request;
	/* As it was when the request was sent: SET_PROTOCOL_FEATURES is answered
	 * only where the feature had been negotiated before. */
	bool ack = vhu_wants_ack(v);
	int rc = handlers[request](v);

	if (rc < 0)
		log_guest("front end: request %u refused: %s", request,
		    log_errname(rc));
	if (rc != ANSWERED && ack)
		answer_u64(v, rc < 0);
	else if (rc < 0)
		vhu_ask_quiet(v, VHU_QUIET_HANG_UP);
	vhu_msg_done(&v->msg);
}
