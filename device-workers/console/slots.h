/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fd numbers of the far ends in the console worker: what the controller puts
 * there, by kind of port, and what the worker puts there itself.
 *
 *	kind	IN				OUT
 *	null	-				-
 *	file	-				the file
 *	tty	the terminal, to read		the terminal, to write
 *	pty	-				the master, both ways
 *	socket	the listening socket		(worker: the client it accepted)
 *
 * The debug console has no input, so no IN: tty, file, pty (typing is thrown
 * away) or null. The pty master and the listening socket are O_NONBLOCK. The
 * terminal should be an O_NONBLOCK open of its own (flags belong to the open
 * file, which the user's shell shares); a blocking one works too, more slowly.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_CONSOLE_SLOTS_H
#define BULKHEAD_DEVICE_WORKERS_CONSOLE_SLOTS_H

#include "ipc/slots.h"

enum console_slot {
	FD_CONSOLE_IN = FD_BACKEND,
	FD_CONSOLE_OUT = FD_BACKEND + 1,
	FD_SERIAL_IN = FD_BACKEND + 2,
	FD_SERIAL_OUT = FD_BACKEND + 3,
	FD_DEBUG_OUT = FD_BACKEND + 4,
};

#endif
