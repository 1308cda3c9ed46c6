/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fds of a file system worker. All that it opens while it runs lies in one
 * range that the filter can name: the numbers below are taken (by /dev/null,
 * where nothing else is there), and the kernel gives the lowest that is free.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_FS_SLOTS_H
#define BULKHEAD_DEVICE_WORKERS_FS_SLOTS_H

#include "ipc/slots.h"

#define FD_SHARE FD_BACKEND	/* the shared directory, O_PATH */
#define FD_FS_FILES 4096	/* 4096..8191: what the guest has open, and paths */
#define FD_FS_COUNT 4096

/* Bytes of the memfd at FD_FS_TABLE: what a successor has to know; table.c. */
#define FS_TABLE_SIZE (80ull << 20)

#endif
