/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control queue of a network device with more than one pair of queues: a back
 * end does not have it (vhost-user, "Multiple queue support"), so it is served here,
 * by the library's virtq. It knows one command, how many pairs the driver uses, and
 * answers all others as failed (virtio 1.2, 5.1.6.5); what would make them useful is
 * not offered.
 *
 * A command is done when the back end has been told (SET_VRING_ENABLE), or when
 * there is none: the next one is told at its start. A driver may wait for it with
 * a whole CPU.
 */
#include <endian.h>
#include <string.h>

#include "device-workers/vhost-user-front/front.h"

#define F_CTRL_VQ 17
#define F_MQ 22

#define CLASS_MQ 4
#define VQ_PAIRS_SET 0
#define COMMANDS_A_ROUND 16u

enum { CTRL_OK = 0, CTRL_ERR = 1 };

static bool
has(const struct device *dev, unsigned int feature)
{
	return (dev->driver_features >> feature & 1) != 0;
}

unsigned int
control_queue(const struct front *f)
{
	/* 5.1.2: without MQ it is the third one. */
	if (!f->control || !has(f->dev, F_CTRL_VQ))
		return DEVICE_MAX_QUEUES;
	return has(f->dev, F_MQ) ? f->dev->nqueues - 1 : 2;
}

unsigned int
control_far_queues(const struct front *f)
{
	if (!f->control)
		return f->dev->nqueues;
	return has(f->dev, F_MQ) ? f->dev->nqueues - 1 : 2;
}

/* True: the pairs are others now, and a back end there is to be told of it. */
static bool
carry_out(struct front *f, uint8_t *ack)
{
	struct {
		uint8_t class, command;
		uint16_t pairs;
	} c;
	unsigned int pairs;

	*ack = CTRL_ERR;
	if (f->command.read_len != sizeof(c) || virtq_copy_out_of(&f->command, 0, &c,
	    sizeof(c)) != sizeof(c) || c.class != CLASS_MQ ||
	    c.command != VQ_PAIRS_SET || !has(f->dev, F_MQ))
		return false;
	pairs = le16toh(c.pairs);
	if (pairs < 1 || 2 * pairs > control_far_queues(f))
		return false;
	*ack = CTRL_OK;
	if (pairs == f->pairs)
		return false;
	f->pairs = pairs;
	device_state_changed(f->dev);
	return f->conn == CONN_READY;
}

void
control_ready(struct front *f, unsigned int q)
{
	struct virtq *vq = &f->dev->vq[q];

	for (unsigned int i = 0; i < COMMANDS_A_ROUND && !f->command_waits; i++) {
		uint8_t ack;
		bool tell;

		if (virtq_pop(vq, &f->command) != 1)
			return;
		if (f->command.write_len < sizeof(ack)) {
			device_needs_reset(f->dev,
			    "net: control command without a status");
			return;
		}
		tell = carry_out(f, &ack);
		(void)virtq_copy_into(&f->command, 0, &ack, sizeof(ack));
		f->command_waits = true;
		if (tell)
			front_ask(f, JOB_ENABLE);
		if (!tell || f->conn != CONN_READY)
			control_told(f);
	}
	if (!f->command_waits)
		device_again(f->dev, q);
}

void
control_told(struct front *f)
{
	unsigned int q = control_queue(f);

	if (!f->command_waits || q == DEVICE_MAX_QUEUES)
		return;
	f->command_waits = false;
	virtq_push(&f->dev->vq[q], &f->command, 1);
	device_again(f->dev, q);
}
