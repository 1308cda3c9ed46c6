/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-migration: one shot. Gets the files of a snapshot and what belongs into them
 * as fds, closes its jail, writes or reads them (job.c), says how it went, and is gone.
 * It opens nothing and knows no path. Exit status 0 when the job is done, 1 when not.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "controller/migration/job.h"
#include "ipc/chan.h"
#include "ipc/log.h"
#include "ipc/slots.h"
#include "sandbox/control.h"
#include "sandbox/jail.h"

struct worker {
	struct chan ctl;
	struct job job;
};

/* ---- what it is given ------------------------------------------------------------- */

/* To where the filter knows it. */
static int
take_fd(struct chan_msg *msg, unsigned int i)
{
	int fd = chan_take_fd(msg, i);
	int up = fcntl(fd, F_DUPFD_CLOEXEC, FD_INCOMING);

	if (up < 0)
		up = -errno;
	close(fd);
	return up;
}

static int
take_files(struct worker *w, struct chan_msg *msg)
{
	const Bh__SnapshotFiles *m = msg->packet->snapshot_files;

	if (m->n_files != msg->nfds)
		return -EPROTO;
	for (unsigned int i = 0; i < msg->nfds; i++) {
		int *file = &w->job.files[m->files[i]];

		if (*file >= 0)
			return -EPROTO;
		*file = take_fd(msg, i);
		if (*file < 0)
			return *file;
	}
	return 0;
}

static int
take_part(struct worker *w, struct chan_msg *msg)
{
	const Bh__SnapshotPart *m = msg->packet->snapshot_part;
	struct job_part *p = &w->job.parts[w->job.nparts];

	if (w->job.nparts == SNAPSHOT_LIMIT_PARTS)
		return -EPROTO;
	*p = (struct job_part){ .file = m->file, .index = m->index,
	    .size = m->size, .fd = take_fd(msg, 0) };
	w->job.nparts++;
	return p->fd < 0 ? p->fd : 0;
}

static int
take_memory(struct worker *w, struct chan_msg *msg)
{
	const Bh__MemoryRegion *m = msg->packet->add_memory->region;
	struct pages_region *r = &w->job.regions[w->job.nregions];

	if (w->job.nregions == GMEM_LIMIT_REGIONS)
		return -EPROTO;
	*r = (struct pages_region){ .gpa = m->gpa, .size = m->size,
	    .offset = m->offset, .fd = take_fd(msg, 0) };
	w->job.nregions++;
	return r->fd < 0 ? r->fd : chan_send_ack(&w->ctl, msg->packet->seq);
}

/* ---- the job ---------------------------------------------------------------------- */

static int
map_memory(struct job *j)
{
	uint64_t sum = 0;
	int rc;

	for (uint32_t i = 0; i < j->nregions; i++)
		if (__builtin_add_overflow(sum, j->regions[i].size, &sum))
			return -EINVAL;
	rc = gmem_init(&j->mem, sum);
	for (uint32_t i = 0; rc == 0 && i < j->nregions; i++)
		rc = gmem_add(&j->mem, i, j->regions[i].gpa, j->regions[i].size,
		    j->regions[i].fd, j->regions[i].offset, false);
	return rc;
}

static int
close_jail(struct worker *w, Bh__SeccompMode mode, const char **stage)
{
	int listener = -1;
	int rc = jail_close((enum jail_mode)mode, &listener, stage);

	return rc < 0 ? rc : control_listener(&w->ctl, listener);
}

static int
send_config(void *arg, Bh__SnapshotConfig *config)
{
	struct worker *w = arg;
	CHAN_PACKET(p, SNAPSHOT_CONFIG, snapshot_config, config);

	return chan_send(&w->ctl, &p, NULL, 0);
}

static int
work(struct worker *w, Bh__SnapshotVerb verb)
{
	switch (verb) {
	case BH__SNAPSHOT_VERB__SNAPSHOT_VERB_SAVE:
		return job_save(&w->job);
	case BH__SNAPSHOT_VERB__SNAPSHOT_VERB_CONFIG:
		return job_config(&w->job, send_config, w);
	case BH__SNAPSHOT_VERB__SNAPSHOT_VERB_LOAD:
		return job_load(&w->job);
	case _BH__SNAPSHOT_VERB_IS_INT_SIZE:
	default:
		return -EINVAL;
	}
}

static int
do_job(struct worker *w, const Bh__Packet *packet)
{
	Bh__SnapshotVerb verb = packet->snapshot_job->verb;
	uint32_t seq = packet->seq;
	const char *why = "guest memory cannot be mapped";
	int rc = 0;

	if (verb == BH__SNAPSHOT_VERB__SNAPSHOT_VERB_LOAD)
		rc = map_memory(&w->job);
	if (rc == 0)
		rc = close_jail(w, packet->snapshot_job->seccomp, &why);
	/* Power ends here. */
	if (rc == 0) {
		why = w->job.why;
		rc = work(w, verb);
	}
	if (rc == 0)
		return chan_send_ack(&w->ctl, seq);
	(void)chan_send_failed(&w->ctl, seq, -rc, why);
	return rc;
}

/* Everything up to the exit status. */
static int
run(struct worker *w)
{
	struct chan_msg msg;
	int rc = control_hello(&w->ctl);

	while (rc == 0) {
		rc = control_receive(&w->ctl, &msg);
		if (rc <= 0)
			return rc < 0 ? rc : -EPIPE;
		switch ((int)msg.packet->body_case) {
		case BH__PACKET__BODY_QUIT:
			return 0;
		case BH__PACKET__BODY_SNAPSHOT_FILES:
			rc = take_files(w, &msg);
			break;
		case BH__PACKET__BODY_SNAPSHOT_PART:
			rc = take_part(w, &msg);
			break;
		case BH__PACKET__BODY_ADD_MEMORY:
			rc = take_memory(w, &msg);
			break;
		case BH__PACKET__BODY_SNAPSHOT_JOB:
			return do_job(w, msg.packet);
		default:
			rc = -EPROTO;
			break;
		}
		chan_done(&msg);
	}
	return rc;
}

int
main(void)
{
	static struct chan_buffers buffers;
	static struct worker worker;

	chan_init(&worker.ctl, FD_CTL, PEER_MIGRATION, PEER_CONTROLLER, &buffers);
	worker.ctl.states = PROTO_CONFIGURING;
	for (uint32_t i = 0; i < SNAPSHOT_LIMIT_FILES; i++)
		worker.job.files[i] = -1;
	log_open(LOG_INFO, control_log, &worker.ctl);
	_exit(run(&worker) == 0 ? 0 : 1);
}
