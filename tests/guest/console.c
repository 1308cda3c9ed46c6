/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consoles, both ways. What the far end types comes back in capitals: on
 * virtio-console with "virtio" on the command line, on COM1 with "serial".
 * Asks with "type here" and ends after a line. "loud=N": prints N KiB on both.
 */
#include "lib/virtio.h"

static struct vdev d;
static struct vq rx, tx;

static void out(const char *s, uint32_t len)
{
	check(vq_do(&tx, &BUF_OUT(s, len), 1, false) >= 0);
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static void echo_virtio(void)
{
	char *in = alloc(64, 64), line[128];
	uint32_t n = 0, t = now_ms();
	bool over = false;

	vq_add(&rx, &BUF_IN(in, 64), 1, false);
	vq_kick(&rx, false);
	out("type here\n", 10);
	while (!over && now_ms() - t < 15000) {
		uint32_t len;
		int id;

		if (!vq_poll(&rx, &id, &len))
			continue;
		check(len > 0 && len <= 64);
		for (uint32_t i = 0; i < len && n < sizeof(line); i++) {
			line[n++] = upper(in[i]);
			over |= in[i] == '\n' || in[i] == '\r';
		}
		vq_add(&rx, &BUF_IN(in, 64), 1, false);
		vq_kick(&rx, false);
	}
	check(over);
	out(line, n);
}

static void virtio(const char *name, uint64_t features, bool echo)
{
	char *text = alloc(PAGE, 16);

	begin(name);
	check(virtio_negotiate(&d, features));
	check(vq_setup(&rx, &d, 0, 0));
	check(vq_setup(&tx, &d, 1, 0));
	virtio_driver_ok(&d);
	out("hello from ", 11);
	out(name, strlen(name));
	out("\n", 1);
	for (uint32_t i = 0; i < cmdline_num("loud", 0); i++) {
		memset(text, 'a' + (int)(i % 26), 1024);
		text[1023] = '\n';
		out(text, 1024);
	}
	if (echo)
		echo_virtio();
	end();
}

static void serial(void)
{
	char line[128];
	uint32_t n = 0, t = now_ms();
	bool over = false;

	begin("serial-input");
	print("type here\n");
	while (!over && n < sizeof(line) - 1 && now_ms() - t < 15000) {
		if (!(inb(LAYOUT_PORT_COM1 + 5) & 1))
			continue;
		line[n] = upper((char)inb(LAYOUT_PORT_COM1));
		over = line[n] == '\n' || line[n] == '\r';
		n++;
	}
	line[n] = 0;
	check(over);
	print("# read %s\n", line);
	end();
}

/* What a 16550 driver looks at when it probes. */
static void registers(void)
{
	uint16_t p = LAYOUT_PORT_COM1;

	begin("serial-registers");
	outb(p + 7, 0x5a);
	check_eq(inb(p + 7), 0x5a);		/* scratch */
	outb(p + 3, 0x83);
	outb(p, 0x01);
	outb(p + 1, 0x02);
	check_eq(inb(p), 0x01);			/* divisor latch */
	check_eq(inb(p + 1), 0x02);
	outb(p + 3, 0x03);
	check_eq(inb(p + 3), 0x03);
	outb(p + 2, 0x07);
	check_eq(inb(p + 2) & 0xc0, 0xc0);	/* FIFOs on */
	check_eq(inb(p + 2) & 1, 1);		/* nothing pending */
	outb(p + 1, 2);
	check_eq(inb(p + 2) & 7, 2);		/* transmitter empty */
	check_eq(inb(p + 2) & 1, 1);		/* reading took it away */
	outb(p + 1, 0);
	outb(p + 4, 0x10 | 0x0a);		/* loop back */
	check_eq(inb(p + 6) & 0xf0, 0x90);
	outb(p, 'L');
	for (unsigned int i = 0; i < 100 && !(inb(p + 5) & 1); i++)
		;
	check_eq(inb(p), 'L');
	outb(p + 4, 0);
	check_eq(inb(p + 5) & 0x60, 0x60);
	end();
}

void guest_main(void)
{
	if (virtio_find(&d, VIRTIO_CONSOLE, 0)) {
		virtio("split", 0, false);
		virtio("split-event-indirect", F_EVENT_IDX | F_INDIRECT, false);
		if (virtio_offered(&d) & F_PACKED)
			virtio("packed", F_PACKED, false);
		if (cmdline_has("virtio"))
			virtio("virtio-input", 0, true);
	} else if (cmdline_has("virtio")) {
		begin("virtio-console");
		fail("none found");
		end();
	}
	registers();
	for (uint32_t i = 0; i < cmdline_num("loud", 0); i++)
		for (uint32_t j = 0; j < 1024; j++)
			put_char(j == 1023 ? '\n' :
			    (char)('a' + (int)(i % 26)));
	if (cmdline_has("serial"))
		serial();
}
