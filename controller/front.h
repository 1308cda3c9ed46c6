/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices behind vhost-user sockets: what the user wrote of each, their
 * configuration, and the broker of their connections. A front-end worker cannot
 * make a socket: it asks, and an opener connects to the path of its option, as the
 * user who started the VM; at the start, and whenever the back end was lost. A vsock
 * worker asks likewise for a port that the guest connects to.
 */
#ifndef BULKHEAD_CONTROLLER_FRONT_H
#define BULKHEAD_CONTROLLER_FRONT_H

#include "controller/vm.h"

/* Room for what FrontConfig points to. */
struct front_message {
	Bh__FrontConfig front;
	uint32_t queue_sizes[DEVICE_LIMIT_QUEUES];
	uint8_t config[DEVICE_LIMIT_CONFIG];
};

/* The back end of a device of kind PROC_FRONT. */
const struct vhost_spec *front_vhost(const struct vm_spec *spec,
    const struct plan_device *dev);

/* "--disk socket=x". */
void front_option(const struct vm_spec *spec, const struct plan_device *dev,
    char *buf, size_t size);

/* The DeviceConfig of @dev, and whether it gets packed rings. */
bool front_fill(const struct vm_spec *spec, const struct plan_device *dev,
    struct front_message *m);

/* WantConnection of @child. -EPROTO: it may not ask, or not so often. */
int front_want(struct child *child);

/* WantPort of @child. -EPROTO: it may not ask. */
int front_want_port(struct child *child, const Bh__WantPort *want);

/* The opener for ports goes when none was asked for in a while. True: not yet. */
bool front_tick(struct vm *vm);

/* The opener's answers to worker @instance. -EPROTO. */
int front_connected(struct vm *vm, uint32_t instance, struct chan_msg *msg);
void front_refused(struct vm *vm, uint32_t instance, const Bh__Failed *failed);

/* A child is gone: if it was the opener, those who wait for it are told. */
void front_settle(struct vm *vm);

/*
 * Its worker has gone: the back end is to let go of the device. With @wait we hear
 * when it does, until another is connected.
 */
void front_hang_up(struct child *child, bool wait);

/* Has it? Of a child whose back end was ever connected (child->far). */
bool front_let_go(const struct child *child);

#endif
