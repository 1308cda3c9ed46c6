/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that give a back end the guest: its memory, the dirty log, the rings;
 * and that take the rings back. steps.c takes them. Nothing here reads or maps
 * guest memory.
 */
#include <errno.h>
#include <unistd.h>

#include "device-workers/vhost-user-front/steps.h"
#include "proto/limits.h"

#define TRANSPORT_FEATURES (1ull << VHU_F_PROTOCOL_FEATURES)

static unsigned int
queues(const struct front *f)
{
	return f->dev->nqueues;
}

static unsigned int
regions(const struct front *f)
{
	(void)f;
	return GMEM_MAX_REGIONS;
}

/* ---- memory -------------------------------------------------------------------- */

static struct vhu_region
wire_region(const struct front_region *r)
{
	return (struct vhu_region){
		.gpa = r->at.gpa, .size = r->at.size,
		.uva = r->at.gpa + FRONT_UVA, .offset = r->offset,
	};
}

/* Relayed rings are one region more. */
static struct vhu_region
rings_region(const struct front *f)
{
	return (struct vhu_region){
		.gpa = FRONT_RINGS_GPA, .size = relay_size(f),
		.uva = FRONT_RINGS_GPA + FRONT_UVA,
	};
}

static bool
send_table(struct front *f, struct out *out)
{
	unsigned int n = 0;
	union vhu_payload *p = &out->payload;

	if (PF(f, VHU_PF_CONFIGURE_MEM_SLOTS))
		return false;
	p->table.padding = 0;
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		struct front_region *r = &f->region[i];

		if (r->at.size == 0 || n == VHU_MAX_FDS - (f->relay ? 1 : 0))
			continue;
		p->table.region[n] = wire_region(r);
		out->fd[n++] = r->fd;
		r->told = true;
	}
	if (f->relay) {
		p->table.region[n] = rings_region(f);
		out->fd[n++] = FD_FRONT_RINGS;
	}
	p->table.n = n;
	out->nfds = n;
	out->size = 8 + n * (uint32_t)sizeof(p->table.region[0]);
	return true;
}

static bool
memory_taken(struct front *f, int fd)
{
	(void)fd;
	if (f->in.u64 != 0 && f->job == JOB_START)
		return step_refuse(f, "it refused guest memory");
	if (f->in.u64 != 0)
		f->result = -ENOSPC;
	return true;
}

static bool
send_rem(struct front *f, struct out *out)
{
	struct front_region *r = &f->removed[f->sub];

	if (r->at.size == 0)
		return false;
	out->payload.mem.padding = 0;
	out->payload.mem.region = wire_region(r);
	out->size = 40;
	r->at.size = 0;
	return PF(f, VHU_PF_CONFIGURE_MEM_SLOTS);
}

static bool
send_add(struct front *f, struct out *out)
{
	struct front_region *r = &f->region[f->sub];

	if (r->at.size == 0 || r->told || !PF(f, VHU_PF_CONFIGURE_MEM_SLOTS))
		return false;
	out->payload.mem.padding = 0;
	out->payload.mem.region = wire_region(r);
	out->size = 40;
	out->fd[0] = r->fd;
	out->nfds = 1;
	r->told = true;
	return true;
}

static bool
send_add_rings(struct front *f, struct out *out)
{
	if (!f->relay || f->rings_told || !PF(f, VHU_PF_CONFIGURE_MEM_SLOTS))
		return false;
	out->payload.mem.padding = 0;
	out->payload.mem.region = rings_region(f);
	out->size = 40;
	out->fd[0] = FD_FRONT_RINGS;
	out->nfds = 1;
	f->rings_told = true;
	return true;
}

#define MEMORY_STEPS							\
	{ VHU_REM_MEM_REG, 0, false, regions, send_rem, memory_taken },	\
	{ VHU_SET_MEM_TABLE, 0, false, NULL, send_table, memory_taken },	\
	{ VHU_ADD_MEM_REG, 0, false, regions, send_add, memory_taken },	\
	{ VHU_ADD_MEM_REG, 0, false, NULL, send_add_rings, memory_taken }

const struct step memory_steps[] = {
	MEMORY_STEPS,
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- dirty log ----------------------------------------------------------------- */

static bool
send_log(struct front *f, struct out *out)
{
	if (!f->log_open)
		return false;
	if (!PF(f, VHU_PF_LOG_SHMFD)) {
		f->result = -EOPNOTSUPP;
		return false;
	}
	out->payload.log.size = f->log_size;
	out->payload.log.offset = 0;
	out->size = 16;
	out->fd[0] = FD_FRONT_LOG;
	out->nfds = 1;
	return true;
}

/* QEMU's library answers with 8 bytes, the text says so too. */
static bool
take_log(struct front *f, int fd)
{
	(void)f;
	(void)fd;
	return true;
}

static bool
send_features(struct front *f, struct out *out)
{
	uint64_t features = f->dev->driver_features & f->far_features;

	features |= TRANSPORT_FEATURES & f->far_features;
	if (f->log_open && PF(f, VHU_PF_LOG_SHMFD))
		features |= 1ull << VHU_F_LOG_ALL & f->far_features;
	out->payload.u64 = features;
	out->size = 8;
	return true;
}

const struct step log_steps[] = {
	{ VHU_SET_LOG_BASE, 8, false, NULL, send_log, take_log },
	{ VHU_SET_FEATURES, 0, false, NULL, send_features, NULL },
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- start --------------------------------------------------------------------- */

static bool
on(const struct front *f)
{
	return f->queue[f->sub].size != 0;
}

/* The largest ring that is on. */
static unsigned int
entries(const struct front *f)
{
	unsigned int most = 0;

	for (unsigned int q = 0; q < f->dev->nqueues; q++)
		if (f->queue[q].size > most)
			most = f->queue[q].size;
	return most;
}

static bool
send_inflight(struct front *f, struct out *out)
{
	struct front_inflight want = {
		.num_queues = (uint16_t)control_far_queues(f),
		.queue_size = (uint16_t)entries(f),
	};

	if (!PF(f, VHU_PF_INFLIGHT_SHMFD) || f->inflight_open)
		return false;
	out->inflight = want;
	out->body = &out->inflight;
	out->size = FRONT_INFLIGHT_WIRE;
	return true;
}

/*
 * The back end's record as it begins, into memory of ours, which it gets in its
 * stead: a fd of the back end's would end with this process.
 */
static bool
copy_record(struct front *f)
{
	const struct front_inflight *in = &f->in.inflight;
	ssize_t n;

	do {
		n = pread(FD_FRONT_THEIRS, f->record, in->size, (off_t)in->offset);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)in->size;
}

static bool
take_inflight(struct front *f, int fd)
{
	bool good;

	if (fd < 0)
		return step_refuse(f, "it sent no record of requests in flight");
	if (!front_inflight_ok(&f->in.inflight, control_far_queues(f), entries(f)) ||
	    f->in.inflight.size > FRONT_LIMIT_INFLIGHT) {
		close(fd);
		return step_refuse(f, "its record of requests in flight is impossible");
	}
	if (!front_place(fd, FD_FRONT_THEIRS))
		return step_refuse(f, "its record of requests in flight is lost");
	good = copy_record(f);
	close(FD_FRONT_THEIRS);
	if (!good)
		return step_refuse(f, "its record of requests in flight is cut off");
	f->inflight = f->in.inflight;
	f->inflight.offset = 0;
	f->inflight_open = true;
	device_state_changed(f->dev);
	return true;
}

static bool
give_inflight(struct front *f, struct out *out)
{
	if (!PF(f, VHU_PF_INFLIGHT_SHMFD) || !f->inflight_open)
		return false;
	out->inflight = f->inflight;
	out->body = &out->inflight;
	out->size = FRONT_INFLIGHT_WIRE;
	out->fd[0] = FD_FRONT_INFLIGHT;
	out->nfds = 1;
	return true;
}

static bool
send_num(struct front *f, struct out *out)
{
	out->payload.vring.index = f->sub;
	out->payload.vring.num = f->queue[f->sub].size;
	out->size = 8;
	return on(f);
}

/*
 * Where a ring goes on. A split one that was served before: where the driver has
 * seen it end, since what lies between is in flight, and told of by the record.
 */
static bool
send_base(struct front *f, struct out *out)
{
	bool packed = (f->dev->driver_features >> VIRTIO_F_RING_PACKED & 1) != 0;
	uint16_t index = 0;

	if (!on(f))
		return false;
	if (f->served && !f->relay && !packed)
		(void)front_used_index(f, f->sub, &index);
	out->payload.vring.index = f->sub;
	/* Packed: both wrap counters begin at 1. */
	out->payload.vring.num = packed ? 0x80008000u : index;
	out->size = 8;
	return true;
}

static bool
send_addr(struct front *f, struct out *out)
{
	const struct virtq_layout *l = &f->queue[f->sub];
	uint64_t rings = FRONT_RINGS_GPA + FRONT_UVA;
	union vhu_payload *p = &out->payload;

	p->addr.index = f->sub;
	p->addr.flags = 0;
	p->addr.desc = l->desc + FRONT_UVA;
	p->addr.avail = f->relay ? rings + relay_avail_at(f->sub) :
	    l->avail + FRONT_UVA;
	p->addr.used = f->relay ? rings + relay_used_at(f->sub) :
	    l->used + FRONT_UVA;
	p->addr.log = 0;
	out->size = 40;
	return on(f);
}

static bool
send_eventfd(struct front *f, struct out *out, int direct, int relayed)
{
	out->payload.u64 = f->sub;
	out->size = 8;
	out->fd[0] = (f->relay ? relayed : direct) + (int)f->sub;
	out->nfds = 1;
	return on(f);
}

static bool
send_call(struct front *f, struct out *out)
{
	return send_eventfd(f, out, FD_CALL, FD_FRONT_CALL);
}

static bool
send_kick(struct front *f, struct out *out)
{
	return send_eventfd(f, out, FD_KICK, FD_FRONT_KICK);
}

static bool
send_enable(struct front *f, struct out *out)
{
	out->payload.vring.index = f->sub;
	out->payload.vring.num = !f->control || f->sub < 2 * f->pairs;
	out->size = 8;
	return on(f) && (f->far_features >> VHU_F_PROTOCOL_FEATURES & 1) != 0;
}

/* The driver gave what the back end cannot work with. */
static bool
ring_taken(struct front *f, int fd)
{
	(void)fd;
	if (f->in.u64 == 0)
		return true;
	f->broken = true;
	device_needs_reset(f->dev, "the back end refused a ring");
	return true;
}

/* ---- status -------------------------------------------------------------------- */

/* virtio 1.2, 2.1 */
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8,
	NEEDS_RESET = 64 };

static bool
send_status(struct front *f, struct out *out, uint64_t status)
{
	out->payload.u64 = status;
	out->size = 8;
	return PF(f, VHU_PF_STATUS);
}

static bool
send_features_ok(struct front *f, struct out *out)
{
	return send_status(f, out, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static bool
send_driver_ok(struct front *f, struct out *out)
{
	return send_status(f, out, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static bool
send_no_status(struct front *f, struct out *out)
{
	return send_status(f, out, 0);
}

static bool
ask_status(struct front *f, struct out *out)
{
	(void)out;
	return PF(f, VHU_PF_STATUS);
}

static bool
take_features_ok(struct front *f, int fd)
{
	(void)fd;
	if (f->in.u64 > UINT8_MAX)
		return step_refuse(f, "its status is impossible");
	if ((f->in.u64 & FEATURES_OK) != 0)
		return true;
	f->broken = true;
	device_needs_reset(f->dev, "the back end refuses the driver's features");
	return true;
}

static bool
ask_health(struct front *f, struct out *out)
{
	(void)out;
	return f->started && PF(f, VHU_PF_STATUS);
}

static bool
take_health(struct front *f, int fd)
{
	(void)fd;
	if (f->in.u64 > UINT8_MAX)
		return step_refuse(f, "its status is impossible");
	if ((f->in.u64 & NEEDS_RESET) != 0)
		device_needs_reset(f->dev, "the back end needs a reset");
	return true;
}

const struct step health_steps[] = {
	{ VHU_GET_STATUS, 8, false, NULL, ask_health, take_health },
	{ 0, 0, false, NULL, NULL, NULL },
};

const struct step enable_steps[] = {
	{ VHU_SET_VRING_ENABLE, 0, false, queues, send_enable, ring_taken },
	{ 0, 0, false, NULL, NULL, NULL },
};

const struct step start_steps[] = {
	{ VHU_SET_FEATURES, 0, false, NULL, send_features, NULL },
	{ VHU_SET_STATUS, 0, false, NULL, send_features_ok, NULL },
	{ VHU_GET_STATUS, 8, false, NULL, ask_status, take_features_ok },
	MEMORY_STEPS,
	{ VHU_SET_LOG_BASE, 8, false, NULL, send_log, take_log },
	{ VHU_GET_INFLIGHT_FD, FRONT_INFLIGHT_WIRE, false, NULL, send_inflight,
	    take_inflight },
	{ VHU_SET_INFLIGHT_FD, 0, false, NULL, give_inflight, NULL },
	{ VHU_SET_VRING_NUM, 0, false, queues, send_num, ring_taken },
	{ VHU_SET_VRING_BASE, 0, false, queues, send_base, ring_taken },
	{ VHU_SET_VRING_ADDR, 0, false, queues, send_addr, ring_taken },
	{ VHU_SET_VRING_CALL, 0, false, queues, send_call, ring_taken },
	{ VHU_SET_VRING_KICK, 0, false, queues, send_kick, ring_taken },
	{ VHU_SET_VRING_ENABLE, 0, false, queues, send_enable, ring_taken },
	{ VHU_SET_STATUS, 0, false, NULL, send_driver_ok, NULL },
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- stop ---------------------------------------------------------------------- */

static bool
send_get_base(struct front *f, struct out *out)
{
	out->payload.vring.index = f->sub;
	out->payload.vring.num = 0;
	out->size = 8;
	return on(f);
}

static bool
take_base(struct front *f, int fd)
{
	(void)fd;
	/* Where it stood is of no interest: a reset follows. */
	return f->in.vring.index == f->sub || step_refuse(f, "it stopped another queue");
}

static bool
send_reset(struct front *f, struct out *out)
{
	(void)out;
	return PF(f, VHU_PF_RESET_DEVICE);
}

static bool
reset_taken(struct front *f, int fd)
{
	(void)fd;
	return f->in.u64 == 0 || step_refuse(f, "it cannot reset the device");
}

const struct step stop_steps[] = {
	{ VHU_GET_VRING_BASE, 8, false, queues, send_get_base, take_base },
	{ VHU_RESET_DEVICE, 0, false, NULL, send_reset, reset_taken },
	{ VHU_SET_STATUS, 0, false, NULL, send_no_status, NULL },
	{ 0, 0, false, NULL, NULL, NULL },
};
