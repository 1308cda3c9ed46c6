/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime of a test guest: console, verdicts, time, memory, boot
 * parameters, power. Called by start.S and by the guest; touches no device but
 * COM1, the PM timer and the ports of reset and power off.
 */
#include <stdarg.h>

#include "lib/guest.h"

#define COM1 LAYOUT_PORT_COM1
#define LSR_THRE 0x20u

struct hvm_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memmap;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct hvm_module {
	uint64_t addr;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};

struct boot_info boot;

static uintptr_t heap = HEAP_START;
static const char *current;
static bool current_failed;
static unsigned int failed_count;

void guest_start(const struct hvm_start_info *si);

/* ---- console ---- */

void put_char(char c)
{
	/* A far end that never drains must not hang the test for ever. */
	for (uint32_t i = 0; i < 1000000; i++)
		if (inb(COM1 + 5) & LSR_THRE)
			break;
	outb(COM1, (uint8_t)c);
}

static void put_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void put_hex(uint64_t v, unsigned int width)
{
	bool any = false;

	for (unsigned int i = 16; i-- > 0;) {
		unsigned int nib = (unsigned int)(v >> (i * 4)) & 15;

		if (nib || any || i == 0 || i < width) {
			put_char("0123456789abcdef"[nib]);
			any = true;
		}
	}
}

static void put_dec(uint32_t v)
{
	char buf[12];
	unsigned int n = 0;

	do {
		buf[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		put_char(buf[--n]);
}

static void vprint(const char *f, va_list ap)
{
	for (; *f; f++) {
		unsigned int width = 0, longs = 0;
		int d;

		if (*f != '%') {
			put_char(*f);
			continue;
		}
		for (f++; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + (unsigned int)(*f - '0');
		for (; *f == 'l'; f++)
			longs++;
		switch (*f) {
		case 's': put_string(va_arg(ap, const char *)); break;
		case 'c': put_char((char)va_arg(ap, int)); break;
		case 'u': put_dec(va_arg(ap, uint32_t)); break;
		case 'd':
			d = va_arg(ap, int);
			if (d < 0)
				put_char('-');
			put_dec(d < 0 ? 0u - (uint32_t)d : (uint32_t)d);
			break;
		case 'x':
			put_hex(longs == 2 ? va_arg(ap, uint64_t) :
			    va_arg(ap, uint32_t), width);
			break;
		case '\0': return;
		default: put_char(*f); break;
		}
	}
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
}

/* ---- verdicts ---- */

void begin(const char *name)
{
	current = name;
	current_failed = false;
}

void fail(const char *fmt, ...)
{
	va_list ap;

	if (current_failed)
		return;
	current_failed = true;
	failed_count++;
	print("not ok %s: ", current ? current : "?");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	put_char('\n');
}

void end(void)
{
	if (!current_failed)
		print("ok %s\n", current);
	current = NULL;
}

unsigned int failures(void)
{
	return failed_count;
}

/* ---- time ---- */

static uint32_t time_ms, time_rest;	/* and ticks of the PM timer */

static void look_at_timer(void)
{
	static uint32_t last, loops;
	uint32_t t = inl(LAYOUT_PORT_PM_TIMER), d;

	if (t == 0xffffffffu) {
		/* Not there (another machine): a port read takes some 2 us. */
		time_ms = loops++ >> 9;
		return;
	}
	/* 24 bits are always there, wrapping each 4.7 s. */
	d = (t - last) & 0xffffff;
	last = t;
	time_rest += d;
	time_ms += time_rest / 3580;
	time_rest %= 3580;
}

uint32_t now_ms(void)
{
	look_at_timer();
	return time_ms;
}

uint32_t now_us(void)
{
	look_at_timer();
	return time_ms * 1000 + time_rest * 10 / 36;
}

void delay_ms(uint32_t ms)
{
	uint32_t t = now_ms();

	while (now_ms() - t < ms)
		;
}

/* ---- memory ---- */

void *alloc(size_t size, size_t align)
{
	uintptr_t p = (heap + align - 1) & ~(align - 1);

	heap = p + size;
	if (heap > (uintptr_t)low_ram_end()) {
		print("not ok alloc: out of memory\n");
		power_off();
	}
	memset((void *)p, 0, size);
	return (void *)p;
}

uintptr_t heap_mark(void)
{
	return heap;
}

void heap_release(uintptr_t mark)
{
	heap = mark;
}

uint64_t low_ram_end(void)
{
	uint64_t top = 0;

	for (uint32_t i = 0; i < boot.map_entries; i++) {
		const struct memmap_entry *e = &boot.map[i];

		if (e->type == 1 && e->addr < 0xc0000000u &&
		    e->addr + e->size > top)
			top = e->addr + e->size;
	}
	return top;
}

/* ---- boot parameters ---- */

static bool word_end(char c)
{
	return c == ' ' || c == '\0';
}

bool cmdline_has(const char *word)
{
	size_t n = strlen(word);

	for (const char *p = boot.cmdline; *p; p++)
		if ((p == boot.cmdline || p[-1] == ' ') &&
		    strncmp(p, word, n) == 0 && word_end(p[n]))
			return true;
	return false;
}

uint32_t cmdline_num(const char *name, uint32_t dflt)
{
	size_t n = strlen(name);

	for (const char *p = boot.cmdline; *p; p++) {
		uint32_t v = 0;

		if ((p != boot.cmdline && p[-1] != ' ') ||
		    strncmp(p, name, n) != 0 || p[n] != '=')
			continue;
		for (p += n + 1; *p >= '0' && *p <= '9'; p++)
			v = v * 10 + (uint32_t)(*p - '0');
		return v;
	}
	return dflt;
}

/* ---- the end ---- */

void halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void power_off(void)
{
	outb(LAYOUT_PORT_ACPI_SLEEP, 1u << 5 | LAYOUT_ACPI_S5 << 2);
	if (cmdline_has("qemu")) {
		outw(0x604, 0x2000);
		outb(0xf4, 0);
	}
	halt();
}

void reset_acpi(void)
{
	outb(LAYOUT_PORT_ACPI_RESET, LAYOUT_ACPI_RESET_VALUE);
}

void reset_i8042(void)
{
	outb(0x64, 0xfe);
}

void triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	halt();
}

__attribute__((weak)) void ap_main(uint32_t n)
{
	(void)n;
}

void guest_start(const struct hvm_start_info *si)
{
	const struct hvm_module *mod = (const void *)(uintptr_t)si->modlist;

	boot.cmdline = si->cmdline ? (const char *)(uintptr_t)si->cmdline : "";
	boot.rsdp = (uint32_t)si->rsdp;
	boot.modules = si->nr_modules;
	if (si->nr_modules) {
		boot.module_addr = mod->addr;
		boot.module_size = mod->size;
	}
	if (si->version >= 1) {
		boot.map = (const void *)(uintptr_t)si->memmap;
		boot.map_entries = si->memmap_entries;
	}
	outb(COM1 + 1, 0);	/* no interrupts */
	outb(COM1 + 3, 3);	/* 8N1 */
	if (si->magic != 0x336ec578)
		print("not ok start: magic 0x%x\n", si->magic);
	guest_main();
	print("done\n");
	power_off();
}

/* ---- strings ---- */

void *memset(void *d, int c, size_t n)
{
	void *p = d;
	size_t words = n / 4, rest = n % 4;
	uint32_t v = (uint8_t)c * 0x01010101u;

	__asm__ volatile("rep stosl\n\tmovl %3, %1\n\trep stosb"
	    : "+D"(p), "+c"(words) : "a"(v), "r"(rest) : "memory");
	return d;
}

void *memcpy(void *d, const void *s, size_t n)
{
	void *p = d;
	size_t words = n / 4, rest = n % 4;

	__asm__ volatile("rep movsl\n\tmovl %3, %2\n\trep movsb"
	    : "+D"(p), "+S"(s), "+c"(words) : "r"(rest) : "memory");
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n >= 4 && *(const uint32_t *)(const void *)x ==
	    *(const uint32_t *)(const void *)y; n -= 4, x += 4, y += 4)
		;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (uint8_t)*a - (uint8_t)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}
