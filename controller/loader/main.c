/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-loader: one shot. Gets guest memory and files from the controller,
 * closes its jail, fills the memory and says where a vCPU starts. It answers
 * nobody else, opens nothing, and is gone before the guest runs. Exit status 0
 * when it has loaded, 1 when not.
 */
#include <errno.h>
#include <unistd.h>

#include "controller/loader/load.h"
#include "ipc/chan.h"
#include "ipc/gmem.h"
#include "ipc/log.h"
#include "ipc/slots.h"
#include "sandbox/control.h"
#include "sandbox/jail.h"

/* An AddMemory that waits for the others: the reserve is made when all are
 * known. */
struct pending {
	uint32_t seq;
	uint32_t slot;
	uint64_t gpa;
	uint64_t size;
	uint64_t offset;
	bool readonly;
	int fd;
};

struct loader {
	struct chan ctl;
	struct gmem mem;
	struct pending pending[GMEM_MAX_REGIONS];
	unsigned int npending;
	struct load_report report;
};

static int
remember_memory(struct loader *l, struct chan_msg *msg)
{
	const Bh__MemoryRegion *r = msg->packet->add_memory->region;

	if (l->npending == GMEM_MAX_REGIONS)
		return -EPROTO;
	l->pending[l->npending++] = (struct pending){
		.seq = msg->packet->seq, .slot = r->slot, .gpa = r->gpa,
		.size = r->size, .offset = r->offset, .readonly = r->readonly,
		.fd = chan_take_fd(msg, 0),
	};
	return 0;
}

/* Map what was remembered, answering each. */
static int
map_memory(struct loader *l)
{
	uint64_t sum = 0;
	int rc = 0;

	for (unsigned int i = 0; i < l->npending; i++)
		if (__builtin_add_overflow(sum, l->pending[i].size, &sum))
			return -EINVAL;
	rc = gmem_init(&l->mem, sum);
	for (unsigned int i = 0; rc == 0 && i < l->npending; i++) {
		struct pending *p = &l->pending[i];

		rc = gmem_add(&l->mem, p->slot, p->gpa, p->size, p->fd,
		    p->offset, p->readonly);
		close(p->fd);
		if (rc == 0)
			rc = chan_send_ack(&l->ctl, p->seq);
	}
	if (rc < 0) {
		load_fail(&l->report, -rc, "guest memory", "cannot be mapped: ");
		load_say(&l->report, log_errtext(rc));
	}
	return rc;
}

static int
close_jail(struct loader *l, Bh__SeccompMode mode)
{
	const char *stage = "";
	int listener = -1;
	int rc = jail_close((enum jail_mode)mode, &listener, &stage);

	if (rc < 0) {
		load_fail(&l->report, -rc, "the jail's stage", stage);
		return rc;
	}
	return control_listener(&l->ctl, listener);
}

static int
send_loaded(struct loader *l, uint32_t seq, const struct boot *boot)
{
	Bh__BootState state = BH__BOOT_STATE__INIT;
	Bh__Loaded loaded = BH__LOADED__INIT;
	CHAN_PACKET(p, LOADED, loaded, &loaded);

	state.protocol = boot->protocol;
	state.entry = boot->entry;
	state.param = boot->param;
	loaded.boot = &state;
	p.seq = seq;
	return chan_send(&l->ctl, &p, NULL, 0);
}

static int
load(struct loader *l, const Bh__Packet *packet)
{
	const Bh__LoadConfig *config = packet->load_config;
	struct boot boot = { 0 };
	/* The packet lies in the receive buffer's arena, which stays: nothing
	 * is received any more. */
	int rc = map_memory(l);

	if (rc == 0)
		rc = close_jail(l, config->seccomp);
	/* Power ends here. */
	if (rc == 0)
		rc = load_guest(&l->mem, config, FD_KERNEL, FD_INITRAMFS, &boot,
		    &l->report);
	if (rc == 0)
		return send_loaded(l, packet->seq, &boot);
	if (l->report.len == 0)
		load_fail(&l->report, -rc, "loader", log_errname(rc));
	(void)chan_send_failed(&l->ctl, packet->seq, -rc, l->report.text);
	return rc;
}

/* Everything up to the exit status. */
static int
run(struct loader *l)
{
	struct chan_msg msg;
	int rc = control_hello(&l->ctl);

	while (rc == 0) {
		rc = control_receive(&l->ctl, &msg);
		if (rc <= 0)
			return rc < 0 ? rc : -EPIPE;
		if (msg.packet->body_case == BH__PACKET__BODY_QUIT)
			return 0;
		if (msg.packet->body_case == BH__PACKET__BODY_LOAD_CONFIG)
			return load(l, msg.packet);
		rc = msg.packet->body_case == BH__PACKET__BODY_ADD_MEMORY ?
		    remember_memory(l, &msg) : -EPROTO;
		chan_done(&msg);
	}
	return rc;
}

int
main(void)
{
	static struct chan_buffers buffers;
	static struct loader loader;

	chan_init(&loader.ctl, FD_CTL, PEER_LOADER, PEER_CONTROLLER, &buffers);
	loader.ctl.states = PROTO_CONFIGURING;
	log_open(LOG_INFO, control_log, &loader.ctl);
	_exit(run(&loader) == 0 ? 0 : 1);
}
