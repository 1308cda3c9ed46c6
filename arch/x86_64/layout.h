/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are in an x86-64 guest: shared by the loader, which describes it
 * in ACPI, and the vcpu-worker, which answers there. Nothing but constants.
 *
 *            0 ┌──────────────────────────┐
 *              │ RAM: boot structures     │ GDT, start info, zero page, stack,
 *              │                          │ command line below 0x9fc00
 *      0xa0000 ├──────────────────────────┤
 *              │ RAM: RSDP, ACPI tables   │ reserved in the memory map
 *      0xf0000 │ SMBIOS                   │
 *     0x100000 ├──────────────────────────┤
 *              │ RAM: kernel, initramfs   │ initramfs at the top of low RAM
 *   0xc0000000 ├──────────────────────────┤ LAYOUT_LOW_RAM_END
 *              │ PCI memory, 32 bits      │ 640 MiB; virtio BARs from the start
 *   0xe8000000 ├──────────────────────────┤
 *              │ PCIe ECAM, 1 MiB a bus   │ a bus a segment
 *   0xf8000000 ├──────────────────────────┤
 *              │ KVM TSS, identity map    │
 *   0xfec00000 │ IOAPIC                   │
 *   0xfee00000 │ local APIC               │
 *  0x100000000 ├──────────────────────────┤
 *              │ RAM: the rest            │
 *              ├──────────────────────────┤ end of RAM, up to 1 GiB aligned
 *              │ PCI memory, 64 bits      │ mmio64_base in VmConfig, LoadConfig
 *              └──────────────────────────┘ 1 << max_phys_bits
 */
#ifndef BULKHEAD_ARCH_X86_64_LAYOUT_H
#define BULKHEAD_ARCH_X86_64_LAYOUT_H

#define LAYOUT_GDT		0x500ull
#define LAYOUT_PVH_START_INFO	0x6000ull
#define LAYOUT_PVH_MODLIST	0x6040ull
#define LAYOUT_PVH_MEMMAP	0x7000ull
#define LAYOUT_ZERO_PAGE	0x7000ull
#define LAYOUT_BOOT_STACK	0x8ff0ull
#define LAYOUT_CMDLINE		0x20000ull
#define LAYOUT_CMDLINE_MAX	0x10000ull	/* bytes, NUL included */
#define LAYOUT_EBDA		0x9fc00ull
#define LAYOUT_RSDP		0xa0000ull
#define LAYOUT_ACPI_END		0xf0000ull
#define LAYOUT_SMBIOS		0xf0000ull
#define LAYOUT_HIGH_RAM		0x100000ull

#define LAYOUT_LOW_RAM_END	0xc0000000ull
#define LAYOUT_MMIO32		0xc0000000ull
#define LAYOUT_MMIO32_SIZE	0x28000000ull
#define LAYOUT_MMIO32_LAST	0xe7ffffffull	/* for ASL, which cannot add */
#define LAYOUT_ECAM		0xe8000000ull
#define LAYOUT_ECAM_SIZE	0x10000000ull
#define LAYOUT_ECAM_LAST	0xf7ffffffull
#define LAYOUT_ECAM_BUS		0x100000ull	/* of one bus */
#define LAYOUT_PCI_SEGMENTS	96	/* of one bus each, at most */
#define LAYOUT_KVM_TSS		0xf8000000ull	/* 3 pages */
#define LAYOUT_KVM_IDENTITY_MAP	0xf8003000ull	/* 1 page */
#define LAYOUT_IOAPIC		0xfec00000ull
#define LAYOUT_LAPIC		0xfee00000ull
#define LAYOUT_RAM64		0x100000000ull

#define LAYOUT_PORT_ACPI_SLEEP	0x600	/* control and status, a byte each way */
#define LAYOUT_PORT_ACPI_RESET	0x601	/* write LAYOUT_ACPI_RESET_VALUE */
#define LAYOUT_ACPI_RESET_VALUE	1
#define LAYOUT_ACPI_S5		5	/* SLP_TYP of the soft-off state */
#define LAYOUT_PORT_GED		0x604	/* byte: pending events, reading clears */
#define LAYOUT_GED_CPUS		(1 << 0)
#define LAYOUT_GED_PCI		(1 << 1)
#define LAYOUT_GED_MEMORY	(1 << 2)
#define LAYOUT_GED_POWER_BUTTON	(1 << 3)
#define LAYOUT_PORT_PM_TIMER	0x608	/* 32 bits, 3.579545 MHz */
#define LAYOUT_PORT_CPUS	0x610	/* vCPUs that come and go, cpus.h */
#define LAYOUT_PORT_SLOTS	0x620	/* PCI devices that come and go, slots.h */
#define LAYOUT_PORT_DIMMS	0x640	/* memory that comes and goes, dimms.h */
#define LAYOUT_DIMMS		16	/* of so many pieces */
#define LAYOUT_PORT_COM1	0x3f8
#define LAYOUT_PORT_CMOS	0x70
#define LAYOUT_PORT_I8042	0x60	/* data; 0x64 command: 0xfe resets */
#define LAYOUT_PORT_POST	0x80
#define LAYOUT_PORT_DEBUGCON	0xe9

#define LAYOUT_GSI_COM1		4	/* edge */
#define LAYOUT_GSI_GED		10	/* edge */
#define LAYOUT_IOAPIC_PINS	24
#define LAYOUT_IOAPIC_ID	0

/* Of a virtio device's BAR0 (64-bit memory), one after the other in MMIO32. */
#define LAYOUT_VIRTIO_BAR_SIZE	0x8000u

#endif
