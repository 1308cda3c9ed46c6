/* SPDX-License-Identifier: Apache-2.0 */
/* What bulkhead-vhost-user-fs may do: the library's calls, and the device's own. */
#include "device-workers/vhost-user/policy.h"

/* Of the library's fds the same, but that every free number is taken. */
#define TAKEN "nothing: taken"
#define FS_FDS								\
	SB_SLOTS(0, 2, SB_IS_NULL, "standard input and output"),	\
	SB_SLOT(2, SB_IS_NULL | SB_IS_FILE | SB_IS_CHAR | SB_IS_PIPE |	\
	    SB_IS_STREAM, "log"),					\
	SB_SLOT(FD_VHU_LISTEN, SB_IS_STREAM | SB_IS_NULL,		\
	    "socket that front ends connect to"),			\
	SB_SLOT(FD_VHU_CONN, SB_IS_STREAM | SB_IS_NULL, "the front end"), \
	SB_SLOT(FD_EPOLL, SB_IS_EPOLL, "what to wake up for"),		\
	SB_SLOT(FD_TIMER, SB_IS_TIMER, "timer of who waits for a lock"), \
	SB_SLOT(FD_TIMER + 1, SB_IS_NULL, TAKEN),			\
	SB_SLOT(FD_SHARE, SB_IS_DIRECTORY, "the shared directory"),	\
	SB_SLOTS(FD_SHARE + 1, FD_VHU_SIGNAL - FD_SHARE - 1, SB_IS_NULL, TAKEN), \
	SB_SLOT(FD_VHU_SIGNAL, SB_IS_SIGNAL, "SIGTERM and SIGINT"),	\
	SB_SLOT(FD_VHU_BACKEND_REQ, SB_IS_STREAM | SB_IS_NULL,		\
	    "requests of the back end's"),				\
	SB_SLOTS(FD_VHU_BACKEND_REQ + 1, FD_VHU_STATE - FD_VHU_BACKEND_REQ - 1, \
	    SB_IS_NULL, TAKEN),						\
	SB_SLOT(FD_VHU_STATE, SB_IS_PIPE | SB_IS_STREAM | SB_IS_NULL,	\
	    "device state"),						\
	SB_SLOTS(FD_VHU_STATE + 1, FD_KICK - FD_VHU_STATE - 1, SB_IS_NULL, TAKEN), \
	SB_SLOTS(FD_KICK, FD_QUEUE_COUNT, SB_IS_EVENT | SB_IS_NULL,	\
	    "kicks of the queues"),					\
	SB_SLOTS(FD_CALL, FD_QUEUE_COUNT, SB_IS_EVENT | SB_IS_NULL,	\
	    "interrupts of the queues"),				\
	SB_SLOTS(FD_ERR, FD_QUEUE_COUNT, SB_IS_EVENT | SB_IS_NULL,	\
	    "errors of the queues"),					\
	SB_SLOTS(FD_ERR + FD_QUEUE_COUNT, FD_FS_FILES - FD_ERR - FD_QUEUE_COUNT, \
	    SB_IS_NULL, TAKEN)

/* One list for both programs. NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "device-workers/fs/fs_policy.c"
