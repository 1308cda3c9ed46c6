/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PVH guest finds in memory when it starts: hvm_start_info version 1, its
 * module list and memory map (Xen's public/arch-x86/hvm/start_info.h).
 */
#ifndef BULKHEAD_CONTROLLER_LOADER_PVH_H
#define BULKHEAD_CONTROLLER_LOADER_PVH_H

struct load;
struct boot;

/*
 * Load the initramfs and the command line, and write the start info that says
 * where they are. boot->entry stays the caller's. -errno with a report.
 */
int pvh_start_info(struct load *ld, struct boot *boot);

#endif
