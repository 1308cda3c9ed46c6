/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal that the VM runs on: raw while the guest has it, given back as it
 * was on every way out.
 */
#ifndef BULKHEAD_CONTROLLER_TERMINAL_H
#define BULKHEAD_CONTROLLER_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct terminal {
	int in, out;		/* own open files, non-blocking where possible */
	int tty;		/* standard input, if that is a terminal; else -1 */
	bool raw;
	struct termios saved;
};

/*
 * Look at standard input and output and open them anew, so that O_NONBLOCK does
 * not reach the shell that shares them. Changes no mode. -errno.
 */
int terminal_open(struct terminal *t);

/*
 * Before anything is started on it: wait, stopped as any job, while others have
 * the terminal in the foreground; @signals, blocked by the caller, end the wait
 * and the process. Afterwards the terminal is given back whoever has it by then.
 */
void terminal_claim(const struct terminal *t, const sigset_t *signals);

/* Raw mode, if there is a terminal. */
void terminal_raw(struct terminal *t);
void terminal_restore(struct terminal *t);

/* Size in characters; 0 where there is no terminal. */
void terminal_size(const struct terminal *t, uint32_t *columns, uint32_t *rows);

#endif
