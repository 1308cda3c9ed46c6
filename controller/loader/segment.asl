// SPDX-License-Identifier: Apache-2.0
//
// The SSDT of a PCI segment that is not the first, compiled by iasl when the loader is
// built. acpi_segments.c overwrites the device's name and the names at its top, at the
// offsets that come from iasl, and puts in one such table a segment.
#include "arch/x86_64/layout.h"
#include "controller/loader/slots.asl"

DefinitionBlock ("", "SSDT", 2, "BLKHD ", "SEGMENT", 1)
{
	External (\_SB.SLTS.SEJT, MethodObj)
	External (\_SB.PCI0._OSC, MethodObj)

	Scope (\_SB)
	{
		Device (SG00)	// the last two: the segment, in hexadecimal digits
		{
			Name (SEGN, 0x11223344)
			Name (ECAM, 0x11223355)		// where its bus is
			Name (W32B, 0x11223366)		// its windows: first byte
			Name (W32L, 0x11223377)		// ... and last byte
			Name (W64B, 0x1122334455667788)
			Name (W64L, 0x1122334455667799)	// 0: it has none
			Name (NODE, 0x112233aa)		// of NUMA

			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Method (_UID) { Return (SEGN) }
			Method (_SEG) { Return (SEGN) }
			Name (_BBN, Zero)
			Method (_PXM) { Return (NODE) }
			Name (_CCA, One)
			Method (_CBA) { Return (ECAM) }
			Name (CR32, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed,
				    MaxFixed, PosDecode, 0, 0, 0, 0, 1)
				DWordMemory (ResourceProducer, PosDecode, MinFixed,
				    MaxFixed, NonCacheable, ReadWrite, 0, 0, 0, 0, 0,
				    , , LOW)
			})
			Name (CR64, ResourceTemplate ()
			{
				QWordMemory (ResourceProducer, PosDecode, MinFixed,
				    MaxFixed, NonCacheable, ReadWrite, 0, 0, 0, 0, 0,
				    , , WIN)
			})
			Method (_CRS, 0, Serialized)
			{
				CreateDWordField (CR32, ^LOW._MIN, LMIN)
				CreateDWordField (CR32, ^LOW._MAX, LMAX)
				CreateDWordField (CR32, ^LOW._LEN, LLEN)
				LMIN = W32B
				LMAX = W32L
				LLEN = W32L - W32B + 1
				If (W64L == 0)
				{
					Return (CR32)
				}
				CreateQWordField (CR64, ^WIN._MIN, PMIN)
				CreateQWordField (CR64, ^WIN._MAX, PMAX)
				CreateQWordField (CR64, ^WIN._LEN, PLEN)
				PMIN = W64B
				PMAX = W64L
				PLEN = W64L - W64B + 1
				Return (ConcatenateResTemplate (CR32, CR64))
			}
			Method (_OSC, 4, NotSerialized)
			{
				Return (\_SB.PCI0._OSC (Arg0, Arg1, Arg2, Arg3))
			}
			SLOTS(SEGN)
		}
	}
}
