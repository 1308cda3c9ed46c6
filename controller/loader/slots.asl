// SPDX-License-Identifier: Apache-2.0
//
// The slots of a PCI segment, in which devices may come and go; arch/x86_64/slots.h
// has the registers. Included by dsdt.asl and segment.asl, in the segment's host bridge.

// A slot; its two hexadecimal digits.
#define SLOT(nn)							\
	Device (S##nn) {						\
		Name (_ADR, 0x##nn##0000)				\
		Name (_SUN, 0x##nn)					\
		Method (_EJ0, 1, NotSerialized) {			\
			SLEJ (0x##nn)					\
		}							\
	}
#define TELL_SLOT(nn) If (Arg0 & (One << 0x##nn)) { Notify (S##nn, Arg1) }

// All of segment @seg, and STEL: tells those of a mask of a device check (1) or that
// they shall leave (3).
#define SLOTS(seg)							\
	Method (SLEJ, 1, NotSerialized) { \_SB.SLTS.SEJT (seg, Arg0) } \
	SLOT(01) SLOT(02) SLOT(03) SLOT(04) \
	SLOT(05) SLOT(06) SLOT(07) SLOT(08) \
	SLOT(09) SLOT(0A) SLOT(0B) SLOT(0C) \
	SLOT(0D) SLOT(0E) SLOT(0F) SLOT(10) \
	SLOT(11) SLOT(12) SLOT(13) SLOT(14) \
	SLOT(15) SLOT(16) SLOT(17) SLOT(18) \
	SLOT(19) SLOT(1A) SLOT(1B) SLOT(1C) \
	SLOT(1D) SLOT(1E) SLOT(1F) \
	Method (STEL, 2, NotSerialized) {				\
	TELL_SLOT(01) TELL_SLOT(02) TELL_SLOT(03) TELL_SLOT(04) \
	TELL_SLOT(05) TELL_SLOT(06) TELL_SLOT(07) TELL_SLOT(08) \
	TELL_SLOT(09) TELL_SLOT(0A) TELL_SLOT(0B) TELL_SLOT(0C) \
	TELL_SLOT(0D) TELL_SLOT(0E) TELL_SLOT(0F) TELL_SLOT(10) \
	TELL_SLOT(11) TELL_SLOT(12) TELL_SLOT(13) TELL_SLOT(14) \
	TELL_SLOT(15) TELL_SLOT(16) TELL_SLOT(17) TELL_SLOT(18) \
	TELL_SLOT(19) TELL_SLOT(1A) TELL_SLOT(1B) TELL_SLOT(1C) \
	TELL_SLOT(1D) TELL_SLOT(1E) TELL_SLOT(1F) \
	}
