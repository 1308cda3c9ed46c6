/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables and PCI configuration space, as a guest sees them. */
#ifndef BULKHEAD_TESTS_GUEST_PCI_H
#define BULKHEAD_TESTS_GUEST_PCI_H

#include "lib/guest.h"

#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY 2u
#define PCI_COMMAND_MASTER 4u
#define PCI_STATUS_CAPS 0x10u
#define PCI_BAR0 0x10
#define PCI_CAP_PTR 0x34
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX 0x11

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char table[8];
	uint32_t oem_revision;
	uint32_t creator;
	uint32_t creator_revision;
} __attribute__((packed));

/* The table of that signature with a right checksum, or NULL. */
const struct acpi_header *acpi_find(const char *signature);
bool acpi_checksum(const void *p, uint32_t len);

/* Configuration space by ECAM (base from the MCFG table). */
uint8_t pci_read8(uint16_t bdf, uint32_t off);
uint16_t pci_read16(uint16_t bdf, uint32_t off);
uint32_t pci_read32(uint16_t bdf, uint32_t off);
void pci_write8(uint16_t bdf, uint32_t off, uint8_t v);
void pci_write16(uint16_t bdf, uint32_t off, uint16_t v);
void pci_write32(uint16_t bdf, uint32_t off, uint32_t v);
/* The same by ports 0xcf8 and 0xcfc. */
uint32_t pci_cf8_read32(uint16_t bdf, uint32_t off);
void pci_cf8_write32(uint16_t bdf, uint32_t off, uint32_t v);

/* Fill in functions present on bus 0, in order; returns how many. */
unsigned int pci_scan(uint16_t *bdf, unsigned int max);

/* Offset of the capability @id behind offset @after (0: the first), or 0. */
uint8_t pci_find_cap(uint16_t bdf, uint8_t id, uint8_t after);

bool pci_bar_is_64(uint16_t bdf, unsigned int bar);
uint64_t pci_bar(uint16_t bdf, unsigned int bar);
uint64_t pci_bar_size(uint16_t bdf, unsigned int bar);
void pci_set_bar(uint16_t bdf, unsigned int bar, uint64_t addr);
/* Give BAR0 of a function that has come an address in that window, and let it decode. */
void pci_place(uint16_t bdf);
/* Where bus 0 may place 32-bit memory BARs that nobody has taken. */
uint64_t pci_free_window(void);

#endif
