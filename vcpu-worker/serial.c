/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16550A, see serial.h. Register names as in the data sheet (National
 * Semiconductor PC16550D). No baud rate: a byte takes no time.
 */
#include "vcpu-worker/serial.h"

#include <string.h>
#include <unistd.h>

enum serial_reg { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define IER_RDA 0x01u		/* received data available */
#define IER_THRE 0x02u
#define IER_RLS 0x04u		/* receiver line status */
#define IIR_NONE 0x01u
#define IIR_THRE 0x02u
#define IIR_RDA 0x04u
#define IIR_RLS 0x06u
#define IIR_FIFO 0xc0u
#define FCR_ENABLE 0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_CLEAR_TX 0x04u
#define LCR_DLAB 0x80u
#define MCR_LOOP 0x10u
#define LSR_DR 0x01u
#define LSR_OE 0x02u
#define LSR_THRE 0x20u
#define LSR_TEMT 0x40u
#define MSR_READY 0xb0u		/* carrier, data set ready, clear to send */

void
serial_init(struct serial *s, struct bytering_shared *out,
    struct bytering_shared *in, int to_far,
    void (*line)(void *owner, bool high), void *line_owner)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	/* After a reset the far end is where it was; at the start both are 0. */
	bytering_resume(&s->out, out, 1);
	bytering_resume(&s->in, in, 0);
	s->to_far = to_far;
	s->line = line;
	s->line_owner = line_owner;
	s->divisor[0] = 1;
	s->mcr = 0x08;
}

static void
signal_far(const struct serial *s)
{
	const uint64_t one = 1;

	/* Non-blocking; EAGAIN: the counter is full, so it is signalled. */
	if (write(s->to_far, &one, sizeof(one)) < 0)
		return;
}

/* Move held output into the ring, as far as there is room. */
static void
drain_tx(struct serial *s)
{
	size_t n;

	if (s->ntx == 0)
		return;
	n = bytering_put(&s->out, s->tx, s->ntx);
	if (n == 0)
		return;
	if (bytering_was_empty(&s->out, n))
		signal_far(s);
	s->ntx -= (uint32_t)n;
	memmove(s->tx, s->tx + n, s->ntx);
	if (s->ntx == 0)
		s->thre_pending = true;
}

/* Fill the receive FIFO from the ring. */
static void
fill_rx(struct serial *s)
{
	uint32_t size = (s->fcr & FCR_ENABLE) != 0 ? SERIAL_FIFO : 1;
	size_t n;

	if (s->nrx >= size || (s->mcr & MCR_LOOP) != 0)
		return;
	n = bytering_get(&s->in, s->rx + s->nrx, size - s->nrx);
	s->nrx += (uint32_t)n;
	if (n > 0 && bytering_was_full(&s->in, n))
		signal_far(s);
}

static uint8_t
pending(const struct serial *s)
{
	if ((s->ier & IER_RLS) != 0 && s->overrun)
		return IIR_RLS;
	if ((s->ier & IER_RDA) != 0 && s->nrx > 0)
		return IIR_RDA;
	if ((s->ier & IER_THRE) != 0 && s->thre_pending)
		return IIR_THRE;
	return IIR_NONE;
}

static void
update_line(struct serial *s)
{
	s->line(s->line_owner, pending(s) != IIR_NONE);
}

void
serial_ready(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	drain_tx(s);
	fill_rx(s);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

static void
transmit(struct serial *s, uint8_t byte)
{
	if ((s->mcr & MCR_LOOP) != 0) {
		if (s->nrx < SERIAL_FIFO)
			s->rx[s->nrx++] = byte;
		else
			s->overrun = true;
		s->thre_pending = true;
		return;
	}
	if (s->ntx < SERIAL_FIFO)
		s->tx[s->ntx++] = byte;
	drain_tx(s);
	/* Usually the byte is gone already. The line then stays high until the
	 * driver reads IIR: one interrupt for the bytes it writes in a go. */
	s->thre_pending = s->ntx == 0;
}

static uint8_t
receive(struct serial *s)
{
	uint8_t byte = 0;

	if (s->nrx > 0) {
		byte = s->rx[0];
		s->nrx--;
		memmove(s->rx, s->rx + 1, s->nrx);
	}
	/* The line falls between two fills, so that new bytes make an edge. */
	if (s->nrx == 0) {
		update_line(s);
		fill_rx(s);
	}
	return byte;
}

static uint8_t
read_iir(struct serial *s)
{
	uint8_t iir = pending(s);

	if (iir == IIR_THRE)
		s->thre_pending = false;
	return iir | ((s->fcr & FCR_ENABLE) != 0 ? IIR_FIFO : 0);
}

static uint8_t
read_lsr(struct serial *s)
{
	uint8_t lsr = 0;

	drain_tx(s);
	if (s->nrx > 0)
		lsr |= LSR_DR;
	if (s->overrun)
		lsr |= LSR_OE;
	if (s->ntx == 0)
		lsr |= LSR_THRE | LSR_TEMT;
	s->overrun = false;
	return lsr;
}

static uint8_t
read_msr(const struct serial *s)
{
	uint8_t m = s->mcr;

	if ((m & MCR_LOOP) == 0)
		return MSR_READY;
	/* Loop: RTS is CTS, DTR is DSR, OUT1 is RI, OUT2 is DCD. */
	return (uint8_t)((m & 2) << 3 | (m & 1) << 5 | (m & 4) << 4 |
	    (m & 8) << 4);
}

static uint8_t
read_reg(struct serial *s, enum serial_reg reg)
{
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	switch (reg) {
	case RBR_THR:
		return dlab ? s->divisor[0] : receive(s);
	case IER:
		return dlab ? s->divisor[1] : s->ier;
	case IIR_FCR:
		return read_iir(s);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		return read_lsr(s);
	case MSR:
		return read_msr(s);
	case SCR:
		return s->scr;
	default:
		return 0xff;
	}
}

static void
write_ier(struct serial *s, uint8_t value)
{
	/* Enabling it while THR is empty interrupts at once. */
	if ((value & ~s->ier & IER_THRE) != 0 && s->ntx == 0)
		s->thre_pending = true;
	s->ier = value & 0x0f;
}

static void
write_fcr(struct serial *s, uint8_t value)
{
	if ((value & FCR_CLEAR_RX) != 0 || ((value ^ s->fcr) & FCR_ENABLE) != 0)
		s->nrx = 0;
	if ((value & FCR_CLEAR_TX) != 0)
		s->ntx = 0;
	s->fcr = value & 0xc9;
}

static void
write_reg(struct serial *s, enum serial_reg reg, uint8_t value)
{
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	switch (reg) {
	case RBR_THR:
		if (dlab)
			s->divisor[0] = value;
		else
			transmit(s, value);
		break;
	case IER:
		if (dlab)
			s->divisor[1] = value;
		else
			write_ier(s, value);
		break;
	case IIR_FCR:
		write_fcr(s, value);
		break;
	case LCR:
		s->lcr = value;
		break;
	case MCR:
		s->mcr = value & 0x1f;
		break;
	case SCR:
		s->scr = value;
		break;
	case LSR:
	case MSR:
	default:
		break;
	}
}

static void
serial_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct serial *s = owner;

	pthread_mutex_lock(&s->lock);
	memset(data, 0xff, len);
	fill_rx(s);
	data[0] = read_reg(s, (enum serial_reg)offset);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

static void
serial_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct serial *s = owner;

	(void)len;
	pthread_mutex_lock(&s->lock);
	write_reg(s, (enum serial_reg)offset, data[0]);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

void
serial_save(struct serial *s, Bh__SerialState *m)
{
	pthread_mutex_lock(&s->lock);
	memcpy(s->saved, (const uint8_t[SERIAL_SAVED]){ s->ier, s->fcr, s->lcr, s->mcr,
	    s->scr, s->divisor[0], s->divisor[1] }, SERIAL_SAVED);
	m->registers.len = SERIAL_SAVED;
	m->registers.data = s->saved;
	m->thre_pending = s->thre_pending;
	m->overrun = s->overrun;
	m->transmit.len = s->ntx;
	m->transmit.data = s->tx;
	m->receive.len = s->nrx;
	m->receive.data = s->rx;
	pthread_mutex_unlock(&s->lock);
}

void
serial_load(struct serial *s, const Bh__SerialState *m)
{
	const uint8_t *r = m->registers.data;

	pthread_mutex_lock(&s->lock);
	s->ier = r[0] & 0x0f;
	s->fcr = r[1] & 0xc9;
	s->lcr = r[2];
	s->mcr = r[3] & 0x1f;
	s->scr = r[4];
	s->divisor[0] = r[5];
	s->divisor[1] = r[6];
	s->thre_pending = m->thre_pending;
	s->overrun = m->overrun;
	s->ntx = (uint32_t)m->transmit.len;
	if (s->ntx > 0)
		memcpy(s->tx, m->transmit.data, s->ntx);
	s->nrx = (uint32_t)m->receive.len;
	if (s->nrx > 0)
		memcpy(s->rx, m->receive.data, s->nrx);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

const struct bus_ops serial_ops = {
	.read = serial_read, .write = serial_write,
};
