/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's configuration space on its way to the vcpu-worker, where the driver reads
 * it. Called by devices, and by worker_messages.c with the answer.
 */
#include "device-workers/lib/worker.h"

static bool
send(struct worker *w, uint32_t seq)
{
	Bh__ConfigChanged changed = BH__CONFIG_CHANGED__INIT;
	CHAN_PACKET(p, CONFIG_CHANGED, config_changed, &changed);

	p.seq = seq;
	changed.config.data = w->dev.config;
	changed.config.len = w->dev.config_size;
	if (w->bus_open && chan_send(&w->bus, &p, NULL, 0) < 0)
		worker_lose_bus(w);
	return w->bus_open;
}

void
device_config_changed(struct device *dev)
{
	(void)send(worker_of(dev), 0);
}

bool
device_config_update(struct device *dev)
{
	struct worker *w = worker_of(dev);

	/* 0 is nobody's. */
	if (++w->config_seq_sent == 0)
		w->config_seq_sent = 1;
	return send(w, w->config_seq_sent);
}

void
worker_config_taken(struct worker *w, uint32_t seq)
{
	if (seq == w->config_seq_sent && w->dev.ops->config_taken != NULL)
		w->dev.ops->config_taken(&w->dev);
	worker_look_after_queues(w);
}
