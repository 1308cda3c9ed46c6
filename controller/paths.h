/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paths of the configuration: what to ask the opener for, and where each fd
 * goes. Says which option an error belongs to.
 */
#ifndef BULKHEAD_CONTROLLER_PATHS_H
#define BULKHEAD_CONTROLLER_PATHS_H

#include "controller/vm.h"

/* List the paths of vm->spec in vm->paths; they are numbered from 0. */
void paths_list(struct vm *vm);

/* The same, of device @dev alone, which comes to a running VM. */
void paths_list_device(struct vm *vm, const struct plan_device *dev);

/* Does opening path @n leave a file, a socket or an interface? */
bool paths_makes(const struct vm *vm, uint32_t n);

/* Ask for path @n. */
void paths_ask(struct vm *vm, struct child *opener, uint32_t n);

/* The answer. 0, or -errno with the line said. */
int paths_opened(struct vm *vm, uint32_t n, const Bh__Opened *opened,
    struct chan_msg *msg);
void paths_failed(struct vm *vm, uint32_t n, const Bh__Failed *failed);

/* "--disk path=x", for the user; into @buf of @size bytes. */
void paths_option_of(const struct vm *vm, const struct child *child, char *buf,
    size_t size);

/*
 * Lock a disk's file for one writer or any number of readers. The lock lies on the
 * open file, which goes to the worker: it is there as long as anybody can still
 * write. @size: of that many bytes from its start; 0: all, to wherever its end will
 * be. -EAGAIN: another has it.
 */
int paths_lock(int fd, bool readonly, uint64_t size);

/*
 * A worker's I/O goes on after its death where the device reads and writes guest
 * memory by itself (direct=on). So each worker of such a disk has an open file
 * description of its own, @fd here, which nobody else keeps: locked as a whole, and
 * on a byte behind all files. As paths_lock().
 */
int paths_own(struct vm *vm, uint32_t index, int fd);
/* Has all I/O of the worker ended that had it? */
bool paths_io_ended(const struct backend *b);

/*
 * What was passed on in place of a path (fd=): the VMM's own files, before the
 * controller confines itself, and those of a VM. 0, or -errno with the line said.
 */
int paths_adopt_own(struct vm *vm);
int paths_adopt_files(struct vm *vm);

/*
 * The connection to a vhost-user back end that @socket names, for its worker: the
 * fd is the caller's from then on. -ENOTCONN: *why.
 */
int paths_adopt_connection(struct vm *vm, const char *socket, const char **why);

/* What was passed on for device @dev alone, which comes to a running VM. */
int paths_adopt_device(struct vm *vm, const struct plan_device *dev);

/* Taps that were inherited (--net fd=). 0, or -errno with the line said. */
int paths_adopt_taps(struct vm *vm);

/* The pseudo-terminal of port @port is @path, for vm.info; NULL: it has none. */
void paths_set_pty(struct vm *vm, uint32_t port, const char *path);

#endif
