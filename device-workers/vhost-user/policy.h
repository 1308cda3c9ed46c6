/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the vhost-user library once the jail is closed, in the place of
 * WORKER_RULES. A program's policy is this and the device's own file,
 *	#include "device-workers/vhost-user/policy.h"
 *	#include "device-workers/blk/blk_policy.c"
 * so that the device may do the same in both programs.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_POLICY_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_POLICY_H

#include <sys/socket.h>

#include "device-workers/lib/worker_policy.h"
#include "device-workers/vhost-user/slots.h"

#undef WORKER_FDS
#define WORKER_FDS							\
	SB_SLOTS(0, 2, SB_IS_NULL, "standard input and output"),	\
	SB_SLOT(2, SB_IS_NULL | SB_IS_FILE | SB_IS_CHAR | SB_IS_PIPE |	\
	    SB_IS_STREAM, "log"),					\
	SB_SLOT(FD_VHU_LISTEN, SB_IS_STREAM | SB_IS_NULL,		\
	    "socket that front ends connect to"),			\
	SB_SLOT(FD_VHU_CONN, SB_IS_STREAM | SB_IS_NULL, "the front end"), \
	SB_SLOT(FD_EPOLL, SB_IS_EPOLL, "what to wake up for"),		\
	SB_SLOT(FD_TIMER, SB_IS_TIMER | SB_IS_NULL, "timer"),		\
	SB_SLOT(FD_VHU_SIGNAL, SB_IS_SIGNAL, "SIGTERM and SIGINT"),	\
	SB_SLOT(FD_VHU_BACKEND_REQ, SB_IS_STREAM, "requests of the back end's"), \
	SB_SLOT(FD_VHU_STATE, SB_IS_PIPE | SB_IS_STREAM, "device state"), \
	SB_SLOTS(FD_KICK, FD_QUEUE_COUNT, SB_IS_EVENT, "kicks of the queues"), \
	SB_SLOTS(FD_CALL, FD_QUEUE_COUNT, SB_IS_EVENT,			\
	    "interrupts of the queues"),				\
	SB_SLOTS(FD_ERR, FD_QUEUE_COUNT, SB_IS_EVENT, "errors of the queues")

#undef WORKER_RULES
#define WORKER_RULES							\
	SB_ALLOW2(accept4, SB_FD(0, FD_VHU_LISTEN),			\
	    SB_EQ32(3, SOCK_NONBLOCK | SOCK_CLOEXEC), "a front end connects"), \
	SB_ALLOW1(recvmsg, SB_FD(0, FD_VHU_CONN), "messages of the front end"), \
	SB_ALLOW1(sendmsg, SB_FD(0, FD_VHU_CONN), "answers"),		\
	SB_ALLOW1(sendmsg, SB_FD(0, FD_VHU_BACKEND_REQ),		\
	    "configuration changes"),					\
	SB_ALLOW1(epoll_wait, SB_FD(0, FD_EPOLL), "sleep until there is work"), \
	SB_ALLOW1(epoll_ctl, SB_FD(0, FD_EPOLL), "which fds to wake for"), \
	SB_ALLOW1(read, SB_FD(0, FD_VHU_SIGNAL), "SIGTERM: flush, and end"), \
	SB_ALLOW1(read, SB_FDS(0, FD_KICK, FD_QUEUE_COUNT), "take a kick"), \
	SB_ALLOW1(write, SB_FDS(0, FD_CALL, FD_QUEUE_COUNT),		\
	    "interrupt for a queue"),					\
	SB_ALLOW1(write, SB_FDS(0, FD_ERR, FD_QUEUE_COUNT),		\
	    "tell of a broken queue"),					\
	SB_ALLOW1(write, SB_FD(0, 2), "log lines"),			\
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC),			\
	    SB_EQ32(2, FD_INCOMING), "received fds out of the way"),	\
	SB_ALLOW2(fcntl, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),	\
	    SB_EQ32(1, F_GET_SEALS), "can this memory shrink?"),	\
	SB_ALLOW2(fcntl, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),	\
	    SB_EQ32(1, F_GETFL), "does this eventfd block?"),		\
	SB_ALLOW3(fcntl, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),	\
	    SB_EQ32(1, F_SETFL), SB_EQ32(2, O_RDWR | O_NONBLOCK),	\
	    "it shall not"),						\
	SB_ALLOW1(memfd_create, SB_EQ32(1, MFD_CLOEXEC | MFD_ALLOW_SEALING), \
	    "in-flight region"),					\
	SB_ALLOW2(fallocate, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),	\
	    SB_EQ32(1, 0), "its size"),					\
	SB_ALLOW3(fcntl, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),	\
	    SB_EQ32(1, F_ADD_SEALS),					\
	    SB_EQ32(2, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),	\
	    "nobody shortens it"),					\
	SB_ALLOW1(read, SB_FD(0, FD_VHU_STATE), "device state to load"), \
	SB_ALLOW1(write, SB_FD(0, FD_VHU_STATE), "device state, saved"), \
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC), SB_EQ32(2, FD_VHU_STATE), \
	    "its channel to its slot"),					\
	SB_ALLOW1(fstat, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),	\
	    "size and kind of what was received"),			\
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC), SB_EQ32(2, FD_VHU_CONN), \
	    "the connection to its slot"),				\
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC), SB_EQ32(2, FD_VHU_BACKEND_REQ), \
	    "the back-end channel to its slot"),			\
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC),			\
	    SB_FDS(2, FD_KICK, FD_QUEUE_COUNT), "an eventfd to its slot"), \
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC),			\
	    SB_FDS(2, FD_CALL, FD_QUEUE_COUNT), "an eventfd to its slot"), \
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC),			\
	    SB_FDS(2, FD_ERR, FD_QUEUE_COUNT), "an eventfd to its slot"), \
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ | PROT_WRITE),		\
	    SB_EQ32(3, WORKER_MMAP_FLAGS),				\
	    SB_FDS(4, FD_INCOMING, FD_INCOMING_COUNT),			\
	    "guest memory, dirty bitmap"),				\
	SB_ALLOW2(mmap, SB_EQ32(2, PROT_NONE),				\
	    SB_EQ32(3, WORKER_UNMAP_FLAGS), "let guest memory go"),	\
	SB_ALLOW(close, "fds once mapped, or no longer of use"),	\
	SB_ALLOW(clock_gettime, "rate of log lines, where the vdso cannot"), \
	SB_ALLOW(exit_group, "the end")

#endif
