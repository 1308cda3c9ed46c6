/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every test guest has: ports, memory-mapped registers, a console, time,
 * memory, its boot parameters, and the verdicts. A guest defines guest_main().
 *
 * Verdicts go to COM1, one a line, for tests/guest/run:
 *	ok NAME
 *	not ok NAME: why
 *	# anything
 *	done
 * "done" is printed when guest_main() returns; then the guest powers off.
 */
#ifndef BULKHEAD_TESTS_GUEST_H
#define BULKHEAD_TESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/layout.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE 4096u

/* ---- the processor ---- */

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint8_t read8(uintptr_t a)
{
	return *(volatile uint8_t *)a;
}

static inline uint16_t read16(uintptr_t a)
{
	return *(volatile uint16_t *)a;
}

static inline uint32_t read32(uintptr_t a)
{
	return *(volatile uint32_t *)a;
}

static inline void write8(uintptr_t a, uint8_t v)
{
	*(volatile uint8_t *)a = v;
}

static inline void write16(uintptr_t a, uint16_t v)
{
	*(volatile uint16_t *)a = v;
}

static inline void write32(uintptr_t a, uint32_t v)
{
	*(volatile uint32_t *)a = v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint64_t v;

	__asm__ volatile("rdmsr" : "=A"(v) : "c"(msr) : "memory");
	return v;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "A"(v), "c"(msr) : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]),
	    "=d"(r[3]) : "a"(leaf), "c"(sub));
}

/* Order for the compiler: x86 keeps stores in order, and loads. */
static inline void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

/* Order of a store before a later load. (mfence may not be emulated.) */
static inline void full_barrier(void)
{
	__asm__ volatile("lock; addl $0, (%%esp)" : : : "memory", "cc");
}

/* ---- the console and the verdicts ---- */

void put_char(char c);
/* %s %c %u %d %x (32 bits), %llx (64 bits), %02x and the like, %% */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A verdict of its own. check() counts the failures since the last begin(). */
void begin(const char *name);
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void end(void);				/* prints ok or the first failure */
unsigned int failures(void);		/* "not ok" lines so far */

#define check(cond) \
	do { if (!(cond)) fail("line %u: %s", (unsigned)__LINE__, #cond); } while (0)
#define check_eq(a, b) \
	do { \
		uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b); \
		if (a_ != b_) \
			fail("line %u: %s is 0x%llx, want 0x%llx", \
			    (unsigned)__LINE__, #a, \
			    (unsigned long long)a_, (unsigned long long)b_); \
	} while (0)

/* ---- time: the ACPI PM timer where it runs, else counted loops ---- */

uint32_t now_ms(void);
uint32_t now_us(void);	/* wraps each 71 minutes */
void delay_ms(uint32_t ms);

/* ---- memory ---- */

#define HEAP_START 0x1000000u		/* 16 MiB */

/* Zeroed, below 4 GiB, never freed but by heap_release(). */
void *alloc(size_t size, size_t align);
uintptr_t heap_mark(void);
void heap_release(uintptr_t mark);

/* ---- boot parameters (PVH) ---- */

struct memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

struct boot_info {
	const char *cmdline;
	uint32_t rsdp;
	uint32_t modules;
	uint64_t module_addr, module_size;
	const struct memmap_entry *map;
	uint32_t map_entries;
};

extern struct boot_info boot;

/* Is @word one of the command line's words? */
bool cmdline_has(const char *word);
/* The number behind "NAME=" on the command line, or @dflt. */
uint32_t cmdline_num(const char *name, uint32_t dflt);
/* End of RAM below 4 GiB, from the memory map. */
uint64_t low_ram_end(void);

/* ---- the end ---- */

__attribute__((noreturn)) void halt(void);
__attribute__((noreturn)) void power_off(void);
void reset_acpi(void);
void reset_i8042(void);
__attribute__((noreturn)) void triple_fault(void);

/* What a started application processor runs (@n from 1); weak: nothing. */
void ap_main(uint32_t n);
void guest_main(void);

/* ---- strings ---- */

void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

#endif
