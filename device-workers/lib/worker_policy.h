/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that the worker library makes once the jail is closed: the first
 * rules of every device's policy,
 *	static const struct sb_rule rules[] = {
 *		WORKER_RULES,
 *		SB_ALLOW1(read, SB_FD(0, FD_BACKEND), "entropy"),
 *	};
 * with .rlimit_nofile = WORKER_NOFILE. All but close, exit_group and the clock
 * are bound to an fd or an argument.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_WORKER_POLICY_H
#define BULKHEAD_DEVICE_WORKERS_LIB_WORKER_POLICY_H

#include <fcntl.h>
#include <sys/mman.h>

#include "ipc/slots.h"
#include "sandbox/policy.h"

#define WORKER_NOFILE (FD_INCOMING + FD_INCOMING_COUNT)

/* Guest memory and the dirty bitmap, from received fds alone, never executable. */
#define WORKER_MMAP_FLAGS (MAP_SHARED | MAP_FIXED)
/* Its addresses afterwards. */
#define WORKER_UNMAP_FLAGS						\
	(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED)

/* Slots that every worker has, or may have: its own come after. */
#define WORKER_FDS							\
	SB_SLOTS(0, 3, SB_IS_NULL, "standard input, output and error"),	\
	SB_SLOT(FD_CTL, SB_IS_CHANNEL, "channel to the controller"),	\
	SB_SLOT(FD_BUS, SB_IS_CHANNEL | SB_IS_NULL,			\
	    "channel to the vcpu-worker"),				\
	SB_SLOT(FD_EPOLL, SB_IS_EPOLL, "what to wake up for"),		\
	SB_SLOT(FD_TIMER, SB_IS_TIMER | SB_IS_NULL, "timer"),		\
	SB_SLOTS(FD_KICK, FD_QUEUE_COUNT, SB_IS_EVENT, "kicks of the queues"), \
	SB_SLOTS(FD_CALL, FD_QUEUE_COUNT, SB_IS_EVENT, "interrupts of the queues")

/* With device_limit_start(): after WORKER_RULES. */
#define WORKER_TIMER_RULES						\
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER),			\
	    "when a rate limit has tokens again"),			\
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "it has")

#define WORKER_RULES							\
	SB_ALLOW1(recvmsg, SB_FD(0, FD_CTL), "messages of the controller"), \
	SB_ALLOW1(recvmsg, SB_FD(0, FD_BUS), "messages of the vcpu-worker"), \
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "answers, state, log lines"), \
	SB_ALLOW1(sendmsg, SB_FD(0, FD_BUS), "answers, configuration changes"), \
	SB_ALLOW1(epoll_wait, SB_FD(0, FD_EPOLL), "sleep until there is work"), \
	SB_ALLOW1(epoll_ctl, SB_FD(0, FD_EPOLL), "which fds to wake for"), \
	SB_ALLOW1(read, SB_FDS(0, FD_KICK, FD_QUEUE_COUNT), "take a kick"), \
	SB_ALLOW1(write, SB_FDS(0, FD_CALL, FD_QUEUE_COUNT),		\
	    "interrupt for a queue"),					\
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC),			\
	    SB_EQ32(2, FD_INCOMING), "received memory to its place"),	\
	SB_ALLOW2(dup3, SB_FD(1, FD_BUS), SB_EQ32(2, O_CLOEXEC),	\
	    "the bus of a new vcpu-worker"),				\
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ | PROT_WRITE),		\
	    SB_EQ32(3, WORKER_MMAP_FLAGS),				\
	    SB_FDS(4, FD_INCOMING, FD_INCOMING_COUNT),			\
	    "guest memory, dirty bitmap"),				\
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ),				\
	    SB_EQ32(3, WORKER_MMAP_FLAGS),				\
	    SB_FDS(4, FD_INCOMING, FD_INCOMING_COUNT),			\
	    "guest memory that is read only"),				\
	SB_ALLOW2(mmap, SB_EQ32(2, PROT_NONE),				\
	    SB_EQ32(3, WORKER_UNMAP_FLAGS), "let guest memory go"),	\
	SB_ALLOW(close, "received fds once mapped, the listener"),	\
	SB_ALLOW(clock_gettime, "rate of log lines, where the vdso cannot"), \
	SB_ALLOW(exit_group, "the end")

#endif
