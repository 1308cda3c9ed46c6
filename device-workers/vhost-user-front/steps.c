/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with a back end: jobs, each a const table of steps, each step a
 * request that is sent for every queue or region it is about, or not at all. A
 * step waits for its answer: that of the request, or the one that REPLY_ACK brings.
 * One job at a time; what is asked for meanwhile waits in f->jobs. A connection
 * that is lost takes its job with it, and the next one starts from the beginning.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "device-workers/vhost-user-front/front.h"
#include "ipc/log.h"

#define PF(f, bit) (((f)->protocol_features >> (bit) & 1) != 0)
#define TRANSPORT_FEATURES (1ull << VHU_F_PROTOCOL_FEATURES)

/* A request that is about to go out. */
struct out {
	union vhu_payload payload;
	struct front_inflight inflight;
	const void *body;	/* NULL: payload */
	uint32_t size;
	int fd[VHU_MAX_FDS];
	unsigned int nfds;
};

struct step {
	uint32_t request;
	/* Of an answer of its own, bytes; 0: there is none. */
	uint32_t answer;
	bool quiet;		/* no REPLY_ACK: the back end cannot know of it yet */
	/* How often; NULL: once. */
	unsigned int (*count)(const struct front *f);
	/* Fill in @out for f->sub. False: not this time. NULL: no payload. */
	bool (*send)(struct front *f, struct out *out);
	/* The answer is in f->in. False, with f->why set: end the connection.
	 * For an acknowledgement f->in.u64 is 0 for success. NULL: it must be. */
	bool (*take)(struct front *f, int fd);
};

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

static bool
refuse(struct front *f, const char *why)
{
	front_conn_lose(f, why);
	return false;
}

/* ---- greeting ----------------------------------------------------------------- */

#define WANTED_PF (1ull << VHU_PF_MQ | 1ull << VHU_PF_LOG_SHMFD |	\
	1ull << VHU_PF_REPLY_ACK | 1ull << VHU_PF_INFLIGHT_SHMFD |	\
	1ull << VHU_PF_RESET_DEVICE | 1ull << VHU_PF_CONFIGURE_MEM_SLOTS)
#define CONFIG_PF (1ull << VHU_PF_CONFIG | 1ull << VHU_PF_BACKEND_REQ)

static bool
take_features(struct front *f, int fd)
{
	(void)fd;
	f->far_features = f->in.u64;
	f->protocol_features = 0;
	if ((f->far_features >> VIRTIO_F_VERSION_1 & 1) == 0)
		return refuse(f, "the back end lacks VIRTIO_F_VERSION_1");
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
	return refuse(f, net ? "fewer queue pairs than num_queues asks for; lower it" :
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
	    refuse(f, "it has no room for a single region of memory");
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
			return refuse(f, "it refuses its configuration space");
		f->sub--;	/* once more */
		return true;
	}
	if (f->in.config.size != f->config_len || f->in.config.offset != 0)
		return refuse(f, "its configuration space is not what was asked for");
	front_config_came(f);
	return true;
}

static const struct step greet[] = {
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

/* ---- memory ------------------------------------------------------------------- */

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
		return refuse(f, "it refused guest memory");
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

static const struct step memory[] = {
	MEMORY_STEPS,
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- dirty log ---------------------------------------------------------------- */

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

static const struct step log_steps[] = {
	{ VHU_SET_LOG_BASE, 8, false, NULL, send_log, take_log },
	{ VHU_SET_FEATURES, 0, false, NULL, send_features, NULL },
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- start -------------------------------------------------------------------- */

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
		.num_queues = (uint16_t)f->dev->nqueues,
		.queue_size = (uint16_t)entries(f),
	};

	if (!PF(f, VHU_PF_INFLIGHT_SHMFD) || f->inflight_open)
		return false;
	out->inflight = want;
	out->body = &out->inflight;
	out->size = FRONT_INFLIGHT_WIRE;
	return true;
}

static bool
take_inflight(struct front *f, int fd)
{
	if (fd < 0)
		return refuse(f, "it sent no record of requests in flight");
	if (!front_inflight_ok(&f->in.inflight, f->dev->nqueues, entries(f))) {
		close(fd);
		return refuse(f, "its record of requests in flight is impossible");
	}
	if (!front_place(fd, FD_FRONT_INFLIGHT))
		return refuse(f, "its record of requests in flight is lost");
	f->inflight = f->in.inflight;
	f->inflight_open = true;
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
	out->payload.vring.num = 1;
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

static const struct step start[] = {
	{ VHU_SET_FEATURES, 0, false, NULL, send_features, NULL },
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
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- stop --------------------------------------------------------------------- */

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
	return f->in.vring.index == f->sub || refuse(f, "it stopped another queue");
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
	return f->in.u64 == 0 || refuse(f, "it cannot reset the device");
}

static const struct step stop[] = {
	{ VHU_GET_VRING_BASE, 8, false, queues, send_get_base, take_base },
	{ VHU_RESET_DEVICE, 0, false, NULL, send_reset, reset_taken },
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- configuration space ------------------------------------------------------ */

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

static const struct step write_config[] = {
	{ VHU_SET_CONFIG, 0, false, NULL, send_write, write_taken },
	{ 0, 0, false, NULL, NULL, NULL },
};

static const struct step config[] = {
	{ VHU_GET_CONFIG, 12, false, NULL, send_get_config, take_config },
	{ 0, 0, false, NULL, NULL, NULL },
};

/* ---- the engine --------------------------------------------------------------- */

static const struct step *const jobs[JOB_COUNT] = {
	[JOB_GREET] = greet, [JOB_STOP] = stop, [JOB_MEMORY] = memory,
	[JOB_LOG] = log_steps, [JOB_START] = start, [JOB_WRITE] = write_config,
	[JOB_CONFIG] = config,
};

void
front_ask(struct front *f, enum front_job job)
{
	/* Without a back end there is nobody to be told: the start tells all. */
	if (f->conn != CONN_READY)
		return;
	f->jobs |= 1u << job;
	if (f->job == JOB_NONE)
		front_go_on(f);
}

void
front_steps_forget(struct front *f)
{
	f->jobs = 0;
	f->job = JOB_NONE;
	f->waiting = false;
	f->rings_told = false;
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		f->region[i].told = false;
		f->removed[i].at.size = 0;
	}
	f->memory_told = false;
}

void
front_greet(struct front *f)
{
	f->job = JOB_GREET;
	f->step = f->sub = 0;
	front_go_on(f);
}

bool
front_busy(const struct front *f)
{
	uint32_t slow = f->jobs;

	if (f->conn != CONN_READY)
		return false;
	if (f->job != JOB_NONE)
		slow |= 1u << f->job;
	return (slow & (1u << JOB_STOP | 1u << JOB_MEMORY | 1u << JOB_LOG |
	    1u << JOB_START)) != 0;
}

/* Send what the step says. Whether to stop here: for an answer, or for good. */
static bool
carry_out(struct front *f, const struct step *s)
{
	bool ack = !s->quiet && s->answer == 0 && PF(f, VHU_PF_REPLY_ACK);
	struct out out = { .body = NULL };

	f->expect = (struct front_expect){
		.request = s->request, .size = s->answer != 0 ? s->answer : 8,
	};
	if (s->send != NULL && !s->send(f, &out))
		return f->conn != CONN_GREETING && f->conn != CONN_READY;
	if (s->answer != 0 || ack)
		front_conn_await(f);
	if (!front_conn_send(f, s->request, ack ? VHU_FLAG_NEED_REPLY : 0,
	    out.body != NULL ? out.body : &out.payload, out.size, out.fd,
	    out.nfds))
		return true;
	/* It has a copy, if it has none the channel is as good as closed. */
	if (s->request == VHU_SET_BACKEND_REQ_FD) {
		close(FD_FRONT_EVENTS_PEER);
		f->events_open = false;
	}
	return f->waiting;
}

/* Once for each time that the loss was told of. */
static void
say_back(struct front *f)
{
	if (f->lost && f->told_lost)
		log_guest_at(LOG_WARN, "the back end is back");
	f->lost = f->told_lost = false;
}

/*
 * A kick may have been taken and not been acted on, and an interrupt lost, by the
 * one who is gone.
 */
static void
nudge(struct front *f)
{
	const uint64_t one = 1;

	for (unsigned int q = 0; q < f->dev->nqueues; q++)
		if (f->queue[q].size != 0) {
			(void)!write(FD_KICK + (int)q, &one, sizeof(one));
			(void)!write(FD_CALL + (int)q, &one, sizeof(one));
		}
}

/* What follows from a job that is done. */
static void
finish(struct front *f)
{
	enum front_job job = f->job;

	f->job = JOB_NONE;
	if (job == JOB_GREET) {
		if (!front_greeted(f))
			return;
		f->conn = CONN_READY;
		if (f->started)
			f->jobs |= 1u << JOB_START;
		else
			say_back(f);
	} else if (job == JOB_START && f->started) {
		if (f->relay)
			relay_run(f);
		else if (f->served)
			nudge(f);
		f->served = true;
		if (f->write_len != 0)
			f->jobs |= 1u << JOB_WRITE;
		say_back(f);
	} else if (job == JOB_STOP && f->relay) {
		relay_hold(f);
		relay_settle(f);
	} else if (job == JOB_WRITE) {
		f->jobs |= 1u << JOB_CONFIG;
	}
}

/* The next job: the first of enum front_job that is asked for. */
static void
begin_next(struct front *f)
{
	f->job = (enum front_job)__builtin_ctz(f->jobs);
	f->jobs &= ~(1u << f->job);
	f->step = f->sub = 0;
	if (f->job == JOB_START) {
		/* It tells of all memory, and of the log. */
		f->jobs &= ~(1u << JOB_MEMORY | 1u << JOB_LOG);
		f->memory_told = true;
		if (f->relay)
			relay_refill(f);
	}
}

void
front_go_on(struct front *f)
{
	while (!f->waiting && (f->conn == CONN_GREETING || f->conn == CONN_READY)) {
		const struct step *s;

		if (f->job == JOB_NONE && f->jobs == 0)
			return;
		if (f->job == JOB_NONE)
			begin_next(f);
		s = &jobs[f->job][f->step];
		if (s->request == 0) {
			finish(f);
			continue;
		}
		if (f->sub >= (s->count != NULL ? s->count(f) : 1)) {
			f->step++;
			f->sub = 0;
			continue;
		}
		if (carry_out(f, s))
			return;
		f->sub++;
	}
}

void
front_answered(struct front *f, int fd)
{
	const struct step *s = &jobs[f->job][f->step];
	bool good;

	if (s->take != NULL) {
		good = s->take(f, fd);
	} else {
		good = f->in.u64 == 0;
		if (!good)
			front_conn_lose(f, "it refused a request");
	}
	if (!good || f->job == JOB_NONE)
		return;
	f->sub++;
	front_go_on(f);
}
