/* SPDX-License-Identifier: Apache-2.0 */
/* `bulkheadctl doctor`: what of this host Bulkhead can use. */
#ifndef BULKHEAD_CONTROLLER_CTL_DOCTOR_H
#define BULKHEAD_CONTROLLER_CTL_DOCTOR_H

/* Print a line an item. The exit status: 0 if a VM can run, else 1. */
int doctor_run(void);

/* Say nothing. Exit status 0 if a stock guest runs on this host's KVM, else 1. */
int doctor_stock_guests(void);

#endif
