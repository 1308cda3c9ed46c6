/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tables of the conversation are made of, see steps.c. greet.c and start.c
 * define them, and no one but steps.c goes through them. Each ends with request 0.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_STEPS_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_STEPS_H

#include "device-workers/vhost-user-front/front.h"

/* Was protocol feature @bit agreed on? */
#define PF(f, bit) (((f)->protocol_features >> (bit) & 1) != 0)

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

/* For step.take: end the connection, @why is static text. False. */
bool step_refuse(struct front *f, const char *why);

/* ---- greet.c ---- */

extern const struct step greet_steps[];		/* JOB_GREET */
extern const struct step write_steps[];		/* JOB_WRITE */
extern const struct step config_steps[];	/* JOB_CONFIG */

/* ---- start.c ---- */

extern const struct step memory_steps[];	/* JOB_MEMORY */
extern const struct step log_steps[];		/* JOB_LOG */
extern const struct step start_steps[];		/* JOB_START */
extern const struct step enable_steps[];	/* JOB_ENABLE */
extern const struct step health_steps[];	/* JOB_HEALTH */
extern const struct step stop_steps[];		/* JOB_STOP */

#endif
