/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that greet a back end, which is to agree on features and learn what it
 * can hold, and those that read and write its configuration space. steps.c takes
 * them. Nothing here knows of guest memory or rings.
 */
#include <string.h>

#include "device-workers/vhost-user-front/steps.h"
#include "ipc/log.h"

/* ---- greeting ------------------------------------------------------------------ */

#define WANTED_PF (1ull << VHU_PF_MQ | 1ull << VHU_PF_LOG_SHMFD |	\
	1ull << VHU_PF_REPLY_ACK | 1ull << VHU_PF_INFLIGHT_SHMFD |	\
	1ull << VHU_PF_RESET_DEVICE | 1ull << VHU_PF_CONFIGURE_MEM_SLOTS |	\
	1ull << VHU_PF_STATUS)
#define CONFIG_PF (1ull << VHU_PF_CONFIG | 1ull << VHU_PF_BACKEND_REQ)

static bool
take_features(struct front *f, int fd)
{
	(void)fd;
	f->far_features = f->in.u64;
	f->protocol_features = 0;
	if ((f->far_features >> VIRTIO_F_VERSION_1 & 1) == 0)
		return step_refuse(f, "the back end lacks VIRTIO_F_VERSION_1");
	return true;
}

static bool
want_pf(struct front *f, struct out *out)
{
	(void)out;
	return (f->far_features >> VHU_F_PROTOCOL_FEATURES & 1) != 0;
}

static bool
take_pf(struct front *f, int fd)
{
	(void)fd;
	f->protocol_features = f->in.u64 & (WANTED_PF |
	    (f->own_config ? 0 : CONFIG_PF));
	/* The rings are with us already, and stay. */
	if (f->known && f->relay)
		f->protocol_features &= ~(1ull << VHU_PF_INFLIGHT_SHMFD);
	return true;
}

static bool
send_pf(struct front *f, struct out *out)
{
	out->payload.u64 = f->protocol_features;
	out->size = 8;
	return (f->far_features >> VHU_F_PROTOCOL_FEATURES & 1) != 0;
}

static bool
has_mq(struct front *f, struct out *out)
{
	(void)out;
	f->mem_slots = VHU_MAX_FDS;
	if (f->control && !PF(f, VHU_PF_MQ))
		return step_refuse(f, "it lacks the protocol feature MQ; leave "
		    "num_queues out");
	return PF(f, VHU_PF_MQ);
}

static bool
take_queue_num(struct front *f, int fd)
{
	bool net = f->dev->virtio_id == 1;
	uint64_t needed = net ? f->dev->nqueues / 2 : f->dev->nqueues;

	(void)fd;
	if (f->in.u64 >= needed)
		return true;
	return step_refuse(f, net ? "fewer queue pairs than num_queues asks for; lower it" :
	    "fewer queues than were asked for; lower num_queues");
}

static bool
has_slots(struct front *f, struct out *out)
{
	(void)out;
	return PF(f, VHU_PF_CONFIGURE_MEM_SLOTS);
}

static bool
take_slots(struct front *f, int fd)
{
	(void)fd;
	f->mem_slots = f->in.u64 > GMEM_MAX_REGIONS + 1 ? GMEM_MAX_REGIONS + 1 :
	    (uint32_t)f->in.u64;
	return f->in.u64 != 0 ||
	    step_refuse(f, "it has no room for a single region of memory");
}

static bool
send_events(struct front *f, struct out *out)
{
	out->fd[0] = FD_FRONT_EVENTS_PEER;
	out->nfds = 1;
	return f->events_open && PF(f, VHU_PF_BACKEND_REQ);
}

static bool
send_get_config(struct front *f, struct out *out)
{
	if (f->own_config || f->config_len == 0 || !PF(f, VHU_PF_CONFIG))
		return false;
	memset(&out->payload.config, 0, sizeof(out->payload.config));
	out->payload.config.size = f->config_len;
	out->size = 12 + f->config_len;
	f->expect.size = out->size;
	return true;
}

static bool
take_config(struct front *f, int fd)
{
	(void)fd;
	/* A refusal: less may be had, by devices of unknown length. */
	if (f->header.size == 0) {
		f->config_len /= 2;
		if (f->config_len < 4)
			return step_refuse(f, "it refuses its configuration space");
		f->sub--;	/* once more */
		return true;
	}
	if (f->in.config.size != f->config_len || f->in.config.offset != 0)
		return step_refuse(f, "its configuration space is not what was asked for");
	front_config_came(f);
	return true;
}

const struct step greet_steps[] = {
	{ VHU_GET_FEATURES, 8, false, NULL, NULL, take_features },
	{ VHU_GET_PROTOCOL_FEATURES, 8, false, NULL, want_pf, take_pf },
	{ VHU_SET_PROTOCOL_FEATURES, 0, true, NULL, send_pf, NULL },
	{ VHU_GET_QUEUE_NUM, 8, false, NULL, has_mq, take_queue_num },
	{ VHU_GET_MAX_MEM_SLOTS, 8, false, NULL, has_slots, take_slots },
	{ VHU_SET_OWNER, 0, false, NULL, NULL, NULL },
	{ VHU_SET_BACKEND_REQ_FD, 0, false, NULL, send_events, NULL },
	{ VHU_GET_CONFIG, 12, false, NULL, send_get_config, take_config },
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- configuration space ------------------------------------------------------- */

static bool
send_write(struct front *f, struct out *out)
{
	union vhu_payload *p = &out->payload;

	p->config.offset = f->write_offset;
	p->config.size = f->write_len;
	p->config.flags = 0;
	memcpy(p->config.data, f->written, f->write_len);
	out->size = 12 + f->write_len;
	return PF(f, VHU_PF_CONFIG);
}

static bool
write_taken(struct front *f, int fd)
{
	(void)fd;
	if (f->in.u64 != 0)
		log_guest("the back end refused a write to its configuration");
	return true;
}

const struct step write_steps[] = {
	{ VHU_SET_CONFIG, 0, false, NULL, send_write, write_taken },
	{ 0, 0, false, NULL, NULL, NULL },
};

const struct step config_steps[] = {
	{ VHU_GET_CONFIG, 12, false, NULL, send_get_config, take_config },
	{ 0, 0, false, NULL, NULL, NULL },
};
