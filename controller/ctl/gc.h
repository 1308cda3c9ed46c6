/* SPDX-License-Identifier: Apache-2.0 */
/* `bulkheadctl gc [CGROUP...]`: remove what killed VMs have left. */
#ifndef BULKHEAD_CONTROLLER_CTL_GC_H
#define BULKHEAD_CONTROLLER_CTL_GC_H

/* Arguments after "gc"; the exit status. */
int gc_main(int argc, char **argv);

#endif
